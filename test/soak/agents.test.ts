import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { LineError } from '../../src/errors.ts';
import type { Line } from '../../src/line/line.ts';
import { connect } from '../../src/node/connect.ts';
import { temporaryInstall } from '../../src/node/state/install.ts';
import { StretchedPassphrase } from '../../src/node/stretched-passphrase.ts';
import { joinAgents } from '../../src/services/agents/agent.ts';
import { listAgents } from '../../src/services/agents/routes.ts';
import { PASSPHRASE } from '../cli/support/command.ts';
import { Served } from '../cli/support/served.ts';
import { TELLS_PEAKS } from '../support/peak-memory.ts';

/** What is there before counting begins, so that the server has grown what it grows once. */
const FIRST = 100;
const MORE = 300;
const MAX_BYTES_EACH = 100_000;

it.runIf(TELLS_PEAKS)(`${MORE} agents that only stay cost the server less than 100 kB each`, async () => {
  const served = await Served.start(['--allow', 'agents', '-q']);
  const passphrase = new StretchedPassphrase(PASSPHRASE);
  const lines: Line[] = [];
  const join = async (upTo: number): Promise<void> => {
    while (lines.length < upTo) {
      // The server lets in ten a second of one address: who is too early is let in later.
      const { line } = await connect({
        host: '127.0.0.1',
        port: served.ready.port,
        passphrase,
        install: temporaryInstall(),
        connectTimeoutMs: 60_000,
      });
      lines.push(line);
      await joinAgents(line, { name: `m${lines.length}`, platform: 'test', allow: [] });
    }
  };
  await join(FIRST);
  const before = residentBytes(served.server.child.pid!);
  await join(FIRST + MORE);
  const after = residentBytes(served.server.child.pid!);
  console.log(`${Math.round((after - before) / MORE / 1000)} kB each`);
  expect((after - before) / MORE).toBeLessThan(MAX_BYTES_EACH);
  expect((await listAgents(lines[0]!)).length).toBe(FIRST + MORE);
  for (const line of lines) line.abort(new LineError('CANCELLED', 'the test is over'));
  await served.stop();
});

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}
