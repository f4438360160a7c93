// Memory: the peak of each end while a large file moves, and what an idle line costs a server.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openLine } from '../dist/line/connect.js';
import { dialTcp, nodeCrypto, stretchPassphrase } from '../dist/node/index.js';
import { PASSPHRASE, POSTERN, peakMegabytes, posternEnvironment, run, startPostern, table } from './measure.mjs';

export async function memory(folder) {
  const gib = Number(process.env.POSTERN_BENCH_GIB ?? 2);
  const [server, client] = await peaks(folder, gib);
  const idle = await idleLine();
  return [
    'Memory:',
    '',
    ...table(
      ['what', 'figure'],
      [
        [`peak of the server while it sends ${gib} GiB`, `${server.toFixed(0)} MB`],
        [`peak of the client while it receives ${gib} GiB`, `${client.toFixed(0)} MB`],
        [`an idle line at the server, mean of ${IDLE_LINES}`, `${idle.toFixed(0)} kB`],
      ],
    ),
  ];
}

const IDLE_LINES = 500;

async function peaks(folder, gib) {
  const share = join(folder, 'memory');
  mkdirSync(share);
  const file = openSync(join(share, 'big'), 'w');
  ftruncateSync(file, gib * 2 ** 30);
  closeSync(file);
  const { child, port } = await startPostern(folder, share, PASSPHRASE);
  const peakFile = join(folder, 'client-peak');
  const target = join(folder, 'memory-target');
  try {
    await run(
      process.execPath,
      [
        ...['--import', new URL('./print-peak.mjs', import.meta.url).href],
        ...[POSTERN, 'get', '-q', `postern://127.0.0.1:${port}/big`, target],
      ],
      { env: { ...posternEnvironment(folder, PASSPHRASE), BENCH_PEAK_FILE: peakFile } },
    );
    return [peakMegabytes(child.pid), Number(readFileSync(peakFile, 'utf8'))];
  } finally {
    child.kill();
    rmSync(share, { recursive: true });
    rmSync(target, { force: true });
  }
}

/** Lines of this process to a server of its own process, each with a key of its own; the server's growth is divided. */
async function idleLine() {
  const server = fork(fileURLToPath(new URL('./idle-server.mjs', import.meta.url)), [], { execArgv: ['--expose-gc'] });
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
