// One command on many agents, all of them in one process beside the server's, each with a key of its own.
import { setMaxListeners } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { runAgent, StretchedPassphrase, serveCommands, temporaryInstall } from '../dist/node/index.js';
import { median, PASSPHRASE, postern, startPostern, table, timed } from './measure.mjs';

const ROUNDS = Number(process.env.POSTERN_BENCH_ROUNDS ?? 5);
const AGENTS = 200;

export async function agents(folder) {
  const share = join(folder, 'share');
  mkdirSync(share);
  const served = await startPostern(folder, share, 'agents');
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const commands = await serveCommands(share, { audit: { record: async () => {} } });
  const passphrase = new StretchedPassphrase(PASSPHRASE);
  const running = [];
  // One after the other: a server lets in so many of one address a second, and no more.
  for (let number = 1; number <= AGENTS; number += 1) {
    await new Promise((joined, failed) => {
      const options = { host: '127.0.0.1', port: served.port, passphrase, install: temporaryInstall() };
      const name = `m${number}`;
      const onEvent = ({ type }) => type === 'joined' && joined();
      const { signal } = stop;
      const agent = runAgent({
        ...options,
        name,
        services: [commands],
        allow: ['exec'],
        platform: 'bench',
        connectTimeoutMs: 60_000,
        onEvent,
        signal,
      });
      agent.catch(failed);
      running.push(agent);
    });
  }
  const host = `postern://127.0.0.1:${served.port}`;
  const rows = [];
  for (const [what, parallel] of [
    ['32 at once, as by default', 32],
    ['all at once', AGENTS],
  ]) {
    const times = [];
    for (let round = 0; round <= ROUNDS; round += 1) {
      const seconds = await timed(() =>
        postern(folder, 'exec', host, '--all', '--parallel', String(parallel), '--', 'true'),
      );
      if (round > 0) times.push(seconds);
    }
    rows.push([what, median(times).toFixed(2)]);
  }
  stop.abort();
  await Promise.all(running);
  await commands.close();
  await served.stop();
  return [
    `\`postern exec --all -- true\` on ${AGENTS} agents, medians of ${ROUNDS}, start of the client included:`,
    '',
    ...table(['how many at once', 's'], rows),
  ];
}
