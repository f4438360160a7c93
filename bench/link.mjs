// A long way: 100 ms there and back, 200 Mbit/s each way (slow-link.mjs), for postern and for ssh alike.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeFile, makeTree, median, postern, stopped, table, timed, untilExit } from './measure.mjs';
import { moveRounds, startMovers } from './movers.mjs';

const ONE_WAY_MS = 50;
const MEGABITS = 200;
const BYTES_PER_SECOND = (MEGABITS * 1e6) / 8;
const FOLDERS = 10;
const BYTES = 4096;
const ROUNDS = 3;

export async function link(folder) {
  const files = Math.min(1000, Number(process.env.POSTERN_BENCH_FILES ?? 1000));
  const bigBytes = Math.round(Math.min(0.25, Number(process.env.POSTERN_BENCH_GIB ?? 0.25)) * 2 ** 30);
  const ends = { here: join(folder, 'here'), there: join(folder, 'there') };
  for (const end of Object.values(ends)) {
    await makeTree(join(end, 'tree'), FOLDERS, files, BYTES);
    makeFile(join(end, 'big'), bigBytes);
  }
  const links = [];
  const { base, movers } = await startMovers(folder, ends, async port => {
    const child = untilExit(
      fork(fileURLToPath(new URL('./slow-link.mjs', import.meta.url)), [port, ONE_WAY_MS, MEGABITS].map(String)),
    );
    links.push(child);
    const [proxied] = await once(child, 'message');
    return proxied;
  });
  try {
    const asked = await askTimes(folder, base);
    // scp takes several round trips for each file, which nobody waits for; and one file is the same work for both of ours.
    const ofTree = movers.filter(({ name }) => !name.startsWith('scp'));
    const ofBig = movers.filter(({ name }) => !name.includes(' sync') && !name.startsWith('tar'));
    const tree = await moveRounds(ends, ofTree, 'tree', ROUNDS);
    const big = await moveRounds(ends, ofBig, 'big', 1);
    const seconds = times => median(times).toFixed(2);
    const share = times => `${((bigBytes / median(times) / BYTES_PER_SECOND) * 100).toFixed(0)} %`;
    const row = (what, results, direction, pass, format) => [
      what,
      ...movers.map(mover => {
        const times = (results.get(mover)?.[direction] ?? []).map(both => both[pass]);
        return times.length === 0 || times.includes(undefined) ? '' : format(times);
      }),
    ];
    const mebibytes = bigBytes / 2 ** 20;
    return [
      `Over a link of ${2 * ONE_WAY_MS} ms there and back and ${MEGABITS} Mbit/s each way, start of the client included; ${files} files of ${BYTES} bytes, medians of ${ROUNDS} interleaved rounds; one file of ${mebibytes} MiB, once:`,
      '',
      ...table(
        ['what', ...movers.map(({ name }) => name)],
        [
          row(`get ${files} files, s`, tree, 'get', 'first', seconds),
          row('get again, nothing changed, s', tree, 'get', 'again', seconds),
          row(`put ${files} files, s`, tree, 'put', 'first', seconds),
          row('put again, nothing changed, s', tree, 'put', 'again', seconds),
          row(`get ${mebibytes} MiB, share of the link`, big, 'get', 'first', share),
          row(`put ${mebibytes} MiB, share of the link`, big, 'put', 'first', share),
        ],
      ),
      '',
      ...table(['what', 'figure'], asked),
    ];
  } finally {
    for (const mover of movers) await mover.stop();
    for (const child of links) await stopped(child);
  }
}

/** What a fresh line costs before anything is moved. */
async function askTimes(folder, base) {
  const listings = [];
  for (let round = 0; round <= ROUNDS; round += 1) listings.push(await timed(() => postern(folder, 'ls', '-q', base)));
  const ping = JSON.parse(await postern(folder, 'ping', '--json', base));
  return [
    ['postern ls, the whole command', `${median(listings.slice(1)).toFixed(2)} s`],
    // The proxy accepts at once and holds back what comes then, so only the sum means something.
    ['reaching the server and logging in', `${(ping.reach_ms + ping.login_ms).toFixed(0)} ms`],
    ['asking and being answered', `${median(ping.round_trip_ms).toFixed(0)} ms`],
  ];
}
