import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Running, startForTest } from '../cli/support/command.ts';
import { type Direction, Gate } from '../cli/support/gate.ts';
import { Served } from '../cli/support/served.ts';
import { InTerminal } from '../cli/support/terminal.ts';
import { namesBelow } from '../services/files/served.ts';

/** Several chunks of 4 MiB, so that a partial is worth to be continued; the gate stops in the middle. */
const BIG = randomBytes(24_000_000);
const HALFWAY = 14_000_000;

let served: Served;
beforeAll(async () => {
  served = await Served.start(['--allow', 'read,write,delete']);
});
afterAll(() => served.stop());

async function gate(direction: Direction): Promise<Gate> {
  const opened = await Gate.open(served.ready.port, HALFWAY, direction);
  onTestFinished(() => opened.close());
  return opened;
}

const halfway = (running: Running) => running.until('stderr', /"bytes":(?:9|1\d)\d{6},/);
const linesOf = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>);

describe('sync over a line that is lost', () => {
  it('to there dials again and tells so, as JSON too', async () => {
    const between = await gate('up');
    const here = await served.folder();
    writeFileSync(join(here, 'big.raw'), BIG);
    const syncing = startForTest(served.client, ['sync', '--json', here, `${between.url}/up`]);
    await halfway(syncing);
    between.lift();
    between.cut();
    const { status, stdout, stderr } = await syncing.ended;
    expect(status).toBe(0);
    const redial = linesOf(stderr).find(({ event }) => event === 'redial');
    expect(redial).toMatchObject({ type: 'status', code: 'TRUNCATED', attempt: 1 });
    expect(redial!['wait_ms']).toBeGreaterThanOrEqual(500);
    expect(linesOf(stdout).at(-1)).toMatchObject({ type: 'summary', received: 1, failed: 0, removed: 0 });
    expect(between.passed[1]).toBeLessThan(BIG.length - 8_000_000);
    expect(BIG.equals(readFileSync(join(served.share, 'up/big.raw')))).toBe(true);
  });

  it('ends with 5 under --no-retry', async () => {
    const between = await gate('up');
    const here = await served.folder();
    writeFileSync(join(here, 'big.raw'), BIG);
    const syncing = startForTest(served.client, ['sync', '--json', '--no-retry', here, `${between.url}/once`]);
    await halfway(syncing);
    between.cut();
    const { status, stderr } = await syncing.ended;
    expect(status).toBe(5);
    expect(stderr).not.toContain('redial');
  });

  it.skipIf(process.platform === 'win32')(
    'asks about --delete once, and removes only what was there then',
    async () => {
      const between = await gate('down');
      const here = await served.folder();
      for (const name of ['extra', 'extra 2']) writeFileSync(join(here, name), '');
      mkdirSync(join(served.share, 'down'));
      writeFileSync(join(served.share, 'down/big.raw'), BIG);
      const terminal = new InTerminal(served.client, ['sync', '--delete', `${between.url}/down`, here]);
      await terminal.until(/^2 things are not in .*; remove them\? \[y\/N\] ?$/m);
      terminal.type('y\r');
      await terminal.until(/\[#+-+\] {2}[45]\d %/);
      writeFileSync(join(here, 'late'), '');
      between.lift();
      between.cut();
      expect((await terminal.ended).status).toBe(0);
      expect(terminal.screen()).toMatch(/^connection lost, trying again in 1 s/m);
      expect(terminal.screen()).toMatch(/^postern: 2 removed$/m);
      expect(terminal.screen().match(/remove them\?/g)).toHaveLength(1);
      expect(namesBelow(here)).toContain('late');
      expect(namesBelow(here)).toContain('big.raw');
      expect(namesBelow(here).filter(name => name.startsWith('extra'))).toEqual([]);
    },
  );
});
