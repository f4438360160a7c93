import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Served } from '../support/served.ts';
import { InTerminal } from '../support/terminal.ts';

let reading: Served;
let writing: Served;
let served: Served;
beforeAll(async () => {
  [reading, writing, served] = await Promise.all([
    Served.start(['--allow', 'read']),
    Served.start(['--allow', 'write']),
    Served.start(['--allow', 'read,write,delete']),
  ]);
  for (const { share } of [reading, writing, served]) {
    await writeFile(join(share, 'old.txt'), 'old');
    await mkdir(join(share, 'full'));
    await writeFile(join(share, 'full', 'one'), '1');
  }
});
afterAll(() => Promise.all([reading, writing, served].map(one => one.stop())));

const url = (path: string) => `${served.url}/${path}`;
const there = (path: string) => existsSync(join(served.share, path));

/** A client with `new.txt` in its folder. */
async function run(server: Served, args: readonly string[]) {
  const cwd = await server.folder();
  await writeFile(join(cwd, 'new.txt'), 'new');
  await writeFile(join(cwd, 'old.txt'), 'newer');
  return server.run(args, { cwd });
}

describe('a server that allows', () => {
  it.each([
    ['put', 'new.txt', ''],
    ['rm', '/old.txt'],
    ['mkdir', '/made'],
    ['mv', '/old.txt', '/moved.txt'],
  ])('reading only refuses %s with 7', async (verb, ...rest) => {
    const args = rest.map(text => (text === 'new.txt' ? text : reading.url + text));
    const { status, stderr } = await run(reading, [verb, ...args]);
    expect(status).toBe(7);
    expect(stderr).toMatch(/^hint: postern may HOST/m);
  });

  it.each([
    [0, ['put', 'new.txt', '']],
    [0, ['mkdir', '/made']],
    [7, ['put', 'old.txt', '']],
    [7, ['put', '--force', 'old.txt', '']],
    [7, ['put', '--backup', 'old.txt', '']],
    [7, ['rm', '/old.txt']],
    [7, ['mv', '/old.txt', '/moved.txt']],
    [7, ['ls', '']],
    [7, ['get', '/old.txt']],
  ])('writing only ends with %d for %j', async (status, [verb, ...rest]) => {
    const args = rest.map(text => (text.startsWith('/') || text === '' ? writing.url + text : text));
    expect((await run(writing, [verb!, ...args])).status).toBe(status);
    expect(await readFile(join(writing.share, 'old.txt'), 'utf8')).toBe('old');
  });
});

describe('rm', () => {
  it('removes files and empty folders, and says so', async () => {
    await writeFile(join(served.share, 'a'), 'a');
    await mkdir(join(served.share, 'b'));
    const { status, stdout, stderr } = await served.run(['rm', url('a'), url('b')]);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: 'removed a\nremoved b\n' });
    expect(there('a') || there('b')).toBe(false);
  });

  it('tells of what is missing, removes the rest, and ends with 3', async () => {
    await writeFile(join(served.share, 'a'), 'a');
    const { status, stdout, stderr } = await served.run(['rm', '--json', url('nowhere'), url('a')]);
    expect(status).toBe(3);
    expect(JSON.parse(stderr)).toMatchObject({ type: 'error', path: 'nowhere', code: 'NOT_FOUND' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map(line => JSON.parse(line) as unknown)).toEqual([
      { type: 'item', path: 'a', outcome: 'removed' },
      { type: 'summary', removed: 1, failed: 1 },
    ]);
  });

  it('ends with 6 for what is not there, and leaves a folder that is not empty', async () => {
    expect((await served.run(['rm', url('nowhere')])).status).toBe(6);
    expect((await served.run(['rm', url('full')])).status).not.toBe(0);
    expect(there('full/one')).toBe(true);
  });

  it('-r needs --yes where nobody can be asked', async () => {
    await mkdir(join(served.share, 'tree', 'sub'), { recursive: true });
    const refused = await served.run(['rm', '-r', url('tree')]);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('--yes');
    expect(there('tree/sub')).toBe(true);
    expect((await served.run(['rm', '-r', '--yes', url('tree')])).status).toBe(0);
    expect(there('tree')).toBe(false);
  });

  it.skipIf(process.platform === 'win32')('-r asks on a terminal and tells what would be lost', async () => {
    await mkdir(join(served.share, 'ask', 'sub'), { recursive: true });
    await writeFile(join(served.share, 'ask', 'sub', 'x'), '12345');
    for (const [answer, isLeft, status] of [
      ['n', true, 130],
      ['y', false, 0],
    ] as const) {
      const terminal = new InTerminal(served.client, ['rm', '-r', url('ask')]);
      await terminal.until(/remove ask with 2 entries, 5 B\? \[y\/N\]/);
      terminal.type(`${answer}\r`);
      expect((await terminal.ended).status).toBe(status);
      expect(there('ask')).toBe(isLeft);
    }
  });

  it.skipIf(process.platform === 'win32')('-r goes on after a no, and ends with 130', async () => {
    for (const name of ['first', 'second']) await mkdir(join(served.share, name));
    const terminal = new InTerminal(served.client, ['rm', '-r', url('first'), url('second')]);
    await terminal.until(/remove first .*\[y\/N\]/);
    terminal.type('n\r');
    await terminal.until(/remove second .*\[y\/N\]/);
    terminal.type('y\r');
    expect((await terminal.ended).status).toBe(130);
    expect([there('first'), there('second')]).toEqual([true, false]);
  });

  it('takes no host alone', async () => {
    expect((await served.run(['rm', '-r', '--yes', served.url])).status).toBe(2);
    expect(there('old.txt')).toBe(true);
  });
});

describe('mkdir', () => {
  it('makes a folder and those above it, once', async () => {
    expect((await served.run(['mkdir', url('x/y/z')])).status).toBe(0);
    expect(there('x/y/z')).toBe(true);
    expect((await served.run(['mkdir', url('x/y/z')])).status).toBe(7);
  });
});

describe('mv', () => {
  it('gives a new name, or moves into a folder', async () => {
    await writeFile(join(served.share, 'm'), 'm');
    expect((await served.run(['mv', url('m'), url('n')])).stderr).toBe('moved m\n');
    expect((await served.run(['mv', url('n'), url('full')])).status).toBe(0);
    expect(there('m') || there('n')).toBe(false);
    expect(there('full/n')).toBe(true);
  });

  it('replaces nothing', async () => {
    await writeFile(join(served.share, 'p'), 'p');
    expect((await served.run(['mv', url('p'), url('old.txt')])).status).toBe(7);
    expect(await readFile(join(served.share, 'old.txt'), 'utf8')).toBe('old');
  });

  it('takes two places of one machine', async () => {
    expect((await served.run(['mv', url('old.txt'), './here'])).status).toBe(2);
    expect((await served.run(['mv', url('old.txt'), `${reading.url}/there`])).status).toBe(2);
  });
});
