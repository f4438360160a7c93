// Memory: the peak of each end while a large file, many small ones or a huge tree move, and what an idle line costs.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openLine } from '../dist/line/connect.js';
import { dialTcp, nodeCrypto, stretchPassphrase } from '../dist/node/index.js';
import {
  makeFile,
  makeTree,
  PASSPHRASE,
  POSTERN,
  peakMegabytes,
  posternEnvironment,
  run,
  startPostern,
  table,
  timed,
  untilExit,
} from './measure.mjs';

const FOLDERS = 100;
const IDLE_LINES = 500;
/** A million files take a while. */
const MAX_MOVE_MS = 1_800_000;

export async function memory(folder) {
  const gib = Number(process.env.POSTERN_BENCH_GIB ?? 2);
  const files = Number(process.env.POSTERN_BENCH_FILES ?? 10_000);
  const entries = Number(process.env.POSTERN_BENCH_TREE ?? 1_000_000);
  const rows = [
    ...(await bigFile(join(folder, 'big'), gib)),
    ...(await smallFiles(join(folder, 'small'), files)),
    ...(await hugeTree(join(folder, 'huge'), entries)),
  ];
  const idle = await idleLine();
  return [
    'Memory, peak of each process in MB:',
    '',
    ...table(['what', 'server', 'client'], rows),
    '',
    ...table(['what', 'figure'], [[`an idle line at the server, mean of ${IDLE_LINES}`, `${idle.toFixed(0)} kB`]]),
  ];
}

async function bigFile(folder, gib) {
  mkdirSync(join(folder, 'share'), { recursive: true });
  const path = join(folder, 'share/big');
  makeFile(path, Math.round(gib * 2 ** 30));
  const got = join(folder, 'got');
  const rows = [await peaks(folder, `get of ${gib} GiB`, at => ['get', '-q', at('big'), got])];
  rmSync(got);
  rows.push(await peaks(folder, `put of ${gib} GiB`, at => ['put', '-q', path, at('put')]));
  rmSync(folder, { recursive: true });
  return rows;
}

async function smallFiles(folder, files) {
  const tree = join(folder, 'share/tree');
  await makeTree(tree, FOLDERS, files, 4096);
  const rows = [
    await peaks(folder, `get of ${files} files of 4 KiB`, at => ['get', '-q', at('tree'), join(folder, 'got')]),
    await peaks(folder, `put of ${files} files of 4 KiB`, at => ['put', '-q', tree, at('put')]),
  ];
  rmSync(folder, { recursive: true });
  return rows;
}

async function hugeTree(folder, entries) {
  if (entries === 0) return [];
  const folders = Math.ceil(entries / 1000);
  const what = `${entries} empty files in ${folders} folders`;
  mkdirSync(folder);
  const { files, ffree } = statfsSync(folder);
  // A file system without a table of a fixed size says 0 of 0. Twice the tree, and some for everybody else.
  if (files > 0 && ffree < 2.2 * entries) return [[`${what}: skipped, too few inodes`, '', '']];
  const tree = join(folder, 'share/tree');
  await makeTree(tree, folders, entries, 0);
  const got = join(folder, 'got');
  const rows = [
    await peaks(folder, `get of ${what}`, at => ['get', '-q', at('tree'), got]),
    await peaks(folder, 'sync of the same, nothing changed', at => ['sync', '-q', at('tree'), got]),
  ];
  await run('rm', ['-r', folder]);
  return rows;
}

/** A row: what was done, and the peaks of a fresh server of `share` and of the client with these arguments. */
async function peaks(folder, what, argumentsOf) {
  const server = await startPostern(folder, join(folder, 'share'));
  const peakFile = join(folder, 'client-peak');
  try {
    const seconds = await timed(() =>
      run(
        process.execPath,
        [
          ...['--import', new URL('./print-peak.mjs', import.meta.url).href, POSTERN],
          ...argumentsOf(path => `postern://127.0.0.1:${server.port}/${path}`),
        ],
        { timeout: MAX_MOVE_MS, env: { ...posternEnvironment(folder, PASSPHRASE), BENCH_PEAK_FILE: peakFile } },
      ),
    );
    if (process.env.POSTERN_BENCH_VERBOSE) console.error(what, seconds.toFixed(2));
    return [what, peakMegabytes(server.pid).toFixed(0), Number(readFileSync(peakFile, 'utf8')).toFixed(0)];
  } finally {
    await server.stop();
  }
}

/** Lines of this process to a server of its own process, each with a key of its own; the server's growth is divided. */
async function idleLine() {
  const server = untilExit(
    fork(fileURLToPath(new URL('./idle-server.mjs', import.meta.url)), [], { execArgv: ['--expose-gc'] }),
  );
  const ask = async question => {
    server.send(question);
    const [answer] = await once(server, 'message');
    return answer;
  };
  const port = await ask('port');
  const prs = await stretchPassphrase(nodeCrypto, PASSPHRASE, '');
  const open = async () => {
    const transport = await dialTcp('127.0.0.1', port);
    const { line } = await openLine(transport, { provider: nodeCrypto, prs, staticKey: nodeCrypto.generateKeyPair() });
    return line;
  };
  const lines = [];
  // The first ones pay for code that is compiled and pools that are filled.
  for (let at = 0; at < 100; at += 1) lines.push(await open());
  const before = await ask('rss');
  for (let at = 0; at < IDLE_LINES; at += 1) lines.push(await open());
  const after = await ask('rss');
  for (const line of lines) await line.close();
  server.disconnect();
  return (after - before) / IDLE_LINES / 1000;
}
