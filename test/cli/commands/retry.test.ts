import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { waitBeforeTry } from '../../../src/cli/commands/wait-before-try.ts';
import { startForTest, stop } from '../support/command.ts';
import { type Direction, Gate } from '../support/gate.ts';
import { Served } from '../support/served.ts';

/** Several chunks of 4 MiB, so that a partial is worth to be continued. */
const BIG = randomBytes(24_000_000);
/** The gate stops in the middle: two chunks and more have come. */
const HALFWAY = 14_000_000;

let served: Served;
beforeAll(async () => {
  served = await Served.start(['--allow', 'read,write']);
  await writeFile(join(served.share, 'big.raw'), BIG);
  await writeFile(join(served.share, 'small.txt'), 'small');
});
afterAll(() => served.stop());

async function gate(direction: Direction): Promise<Gate> {
  const opened = await Gate.open(served.ready.port, HALFWAY, direction);
  onTestFinished(() => opened.close());
  return opened;
}

/** A transfer that stands still in the middle. */
async function halfway(args: readonly string[], cwd: string) {
  const running = startForTest(served.client, [...args, '--json'], { cwd });
  await running.until('stderr', /"bytes":(?:9|1\d)\d{6},/);
  return running;
}

const summaryOf = (stdout: string) => JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as Record<string, unknown>;

describe('a lost line', () => {
  it('of get is dialled again: the rest comes, and nothing counts twice', async () => {
    const between = await gate('down');
    const cwd = await served.folder();
    const places = ['small.txt', 'big.raw'].map(name => `${between.url}/${name}`);
    const getting = await halfway(['get', ...places, '.'], cwd);
    between.lift();
    between.cut();
    const { status, stdout } = await getting.ended;
    expect(status).toBe(0);
    expect(summaryOf(stdout)).toMatchObject({ received: 2, identical: 0, failed: 0, bytes: BIG.length + 5 });
    expect(summaryOf(stdout)['kept']).toBeGreaterThanOrEqual(8_000_000);
    expect(between.passed[1]).toBeLessThan(BIG.length - 8_000_000);
    expect(BIG.equals(await readFile(join(cwd, 'big.raw')))).toBe(true);
    expect((await readdir(cwd)).sort()).toEqual(['big.raw', 'small.txt']);
  });

  it('of put is dialled again, and tells so', async () => {
    const between = await gate('up');
    const cwd = await served.folder();
    await writeFile(join(cwd, 'cut.raw'), BIG);
    const putting = startForTest(served.client, ['put', 'cut.raw', between.url], { cwd });
    await putting.until('stderr', /^cut\.raw: (?:[4-9]\d) %/m);
    between.lift();
    between.cut();
    const { status, stderr } = await putting.ended;
    expect(status).toBe(0);
    expect(stderr).toMatch(/^connection lost, trying again in 1 s \(hint: --no-retry\)$/m);
    expect(between.passed[1]).toBeLessThan(BIG.length - 8_000_000);
    expect(BIG.equals(await readFile(join(served.share, 'cut.raw')))).toBe(true);
  });

  it('ends put with 5 under --no-retry', async () => {
    const between = await gate('up');
    const cwd = await served.folder();
    await writeFile(join(cwd, 'once.raw'), BIG);
    const putting = await halfway(['put', 'once.raw', between.url, '--no-retry'], cwd);
    between.cut();
    const { status, stderr } = await putting.ended;
    expect(status).toBe(5);
    expect(JSON.parse(stderr.trimEnd().split('\n').at(-1)!)).toMatchObject({ code: 'TRUNCATED', exit: 5 });
    expect(between.passed).toHaveLength(1);
  });
});

describe('a put that was killed', () => {
  it('goes on where it stopped when it is run again', async () => {
    const between = await gate('up');
    const cwd = await served.folder();
    await writeFile(join(cwd, 'killed.raw'), BIG);
    const putting = await halfway(['put', 'killed.raw', between.url], cwd);
    await stop(putting, 'SIGKILL');
    between.lift();
    between.cut();
    await served.server.until('stderr', /"event":"leave"[^\n]*\n(?![\s\S]*"event":"login")/);
    const { status, stdout } = await served.run(['put', 'killed.raw', between.url, '--json'], { cwd });
    expect(status).toBe(0);
    expect(summaryOf(stdout)['kept']).toBeGreaterThanOrEqual(8_000_000);
    expect(between.passed[1]).toBeLessThan(BIG.length - 8_000_000);
    expect(BIG.equals(await readFile(join(served.share, 'killed.raw')))).toBe(true);
    expect((await readdir(served.share)).filter(name => name.startsWith('killed'))).toEqual(['killed.raw']);
  });
});

describe('the wait before a try', () => {
  it('doubles up to 30 s, and is shortened by up to half', () => {
    expect([0, 1, 2, 3, 4, 5, 9].map(tries => waitBeforeTry(tries, 0))).toEqual([
      1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
    ]);
    expect(waitBeforeTry(1, 1)).toBe(1000);
  });
});
