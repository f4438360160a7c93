import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, readFile, readlink, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Served } from '../support/served.ts';

let served: Served;
beforeAll(async () => {
  served = await Served.start(['--allow', 'read,write,delete']);
});
afterAll(() => served.stop());

const url = (path: string) => `${served.url}/${path}`;
const at = (...names: string[]) => join(served.share, ...names);
const readShare = (name: string) => readFile(at(name), 'utf8');

/** `put` in a new folder with these files. */
async function put(files: Record<string, string | Uint8Array>, args: readonly string[], input?: Uint8Array) {
  const cwd = await served.folder();
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(cwd, name, '..'), { recursive: true });
    await writeFile(join(cwd, name), content);
  }
  return served.run(['put', ...args], { cwd, ...(input === undefined ? {} : { input }) });
}

describe('put', () => {
  it('puts a file into the served folder, and says so in one line', async () => {
    const { status, stdout, stderr } = await put({ 'a.txt': 'hello' }, ['a.txt', served.url]);
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: '',
      stderr: 'a.txt  5 B  100 %  done, verified\n',
    });
    expect(await readShare('a.txt')).toBe('hello');
  });

  it('puts a file under another name, into a folder that is there, and into one that it makes', async () => {
    await mkdir(at('here'));
    expect((await put({ f: '1' }, ['f', url('g')])).status).toBe(0);
    expect((await put({ f: '2' }, ['f', url('here')])).status).toBe(0);
    expect((await put({ f: '3' }, ['f', url('new/deep/')])).status).toBe(0);
    expect(await Promise.all(['g', 'here/f', 'new/deep/f'].map(readShare))).toEqual(['1', '2', '3']);
  });

  it('puts several things into PATH', async () => {
    const { status } = await put({ one: '1', 'two/three': '3' }, ['one', 'two', url('many')]);
    expect(status).toBe(0);
    expect(await Promise.all(['many/one', 'many/two/three'].map(readShare))).toEqual(['1', '3']);
  });

  it('puts a folder with links, modes, times, empty folders and odd names', async () => {
    const cwd = await served.folder();
    const tree = join(cwd, 'tree');
    const odd = 'new\nline "é" -x';
    await mkdir(join(tree, 'empty'), { recursive: true });
    await writeFile(join(tree, odd), 'odd');
    await writeFile(join(tree, 'run'), '#!');
    await chmod(join(tree, 'run'), 0o755);
    await symlink('run', join(tree, 'link'));
    const then = new Date('2020-02-02T02:02:02Z');
    for (const name of ['run', 'empty', '']) await utimes(join(tree, name), then, then);
    expect((await served.run(['put', 'tree', url('trees')], { cwd })).status).toBe(0);
    const there = at('trees', 'tree');
    expect((await readdir(there)).sort()).toEqual(['empty', 'link', odd, 'run'].sort());
    expect(await readFile(join(there, odd), 'utf8')).toBe('odd');
    expect(await readlink(join(there, 'link'))).toBe('run');
    expect((await lstat(join(there, 'run'))).mode & 0o777).toBe(0o755);
    for (const name of ['run', 'empty', '']) expect((await stat(join(there, name))).mtime).toEqual(then);
  });

  it('tells of two files that would get the same name', async () => {
    const { status } = await put({ 'p/same': '1', 'q/same': 'two' }, ['p/same', 'q/same', url('both')]);
    expect(status).toBe(3);
    expect(await readShare('both/same')).toBe('1');
  });

  it('tells what is missing here: the others go on with 3, and it is 6 alone', async () => {
    const some = await put({ x1: 'x' }, ['x1', 'nowhere', url('partly')]);
    expect(some.status).toBe(3);
    expect(some.stderr).toMatch(/^postern: nowhere: .+\npostern: 1 of 2 failed\n$/);
    expect(await readShare('partly/x1')).toBe('x');
    expect((await put({}, ['nowhere', served.url])).status).toBe(6);
  });

  it('has items and a summary under --json', async () => {
    const { stdout } = await put({ j: 'json' }, ['--json', 'j', served.url]);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line) as unknown),
    ).toEqual([
      { type: 'item', path: 'j', size: 4, outcome: 'received' },
      { type: 'summary', received: 1, identical: 0, skipped: 0, failed: 0, bytes: 4, kept: 0 },
    ]);
  });

  it.each([[['a']], [['lab:x', 'lab:y']], [['a', './b']], [['a', '--skip', '--force', 'lab:']]])(
    'takes no %j',
    async args => {
      expect((await put({ a: '' }, args)).status).toBe(2);
    },
  );
});

describe('put of a file that differs', () => {
  const again = async (name: string, ...options: string[]) => {
    await writeFile(at(name), 'before');
    return put({ [name]: 'after it' }, [...options, name, served.url]);
  };

  it('is refused, and what is there stays', async () => {
    const { status, stderr } = await again('c1');
    expect(status).toBe(7);
    expect(stderr).toMatch(/^hint: choose one of --force/m);
    expect(await readShare('c1')).toBe('before');
  });

  it('is identical and done when nothing differs', async () => {
    await writeFile(at('c2'), 'same');
    expect(await put({ c2: 'same' }, ['c2', served.url])).toMatchObject({ status: 0, stderr: 'c2  identical\n' });
  });

  it.each([
    ['--force', { d: 'after it' }],
    ['--update', { d: 'after it' }],
    ['--skip', { d: 'before' }],
    ['--rename', { d: 'before', 'd (2)': 'after it' }],
    ['--backup', { d: 'after it', 'd~': 'before' }],
  ])('does what %s says', async (option, expected) => {
    const name = `c${option}`;
    expect((await again(name, option)).status).toBe(0);
    for (const [file, content] of Object.entries(expected)) {
      expect(await readShare(file.replace('d', name))).toBe(content);
    }
  });
});

describe('put -', () => {
  it('puts standard input byte for byte', async () => {
    const bytes = randomBytes(3_000_001);
    const { status, stdout } = await put({}, ['-', url('in/stream.raw')], bytes);
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    expect(bytes.equals(await readFile(at('in', 'stream.raw')))).toBe(true);
  });

  it('refuses what is there, and replaces it under --force', async () => {
    await writeFile(at('s1'), 'before');
    expect((await put({}, ['-', url('s1')], Buffer.from('after'))).status).toBe(7);
    expect(await readShare('s1')).toBe('before');
    expect((await put({}, ['-', url('s1'), '--force'], Buffer.from('after'))).status).toBe(0);
    expect(await readShare('s1')).toBe('after');
  });

  it('leaves what is there under --skip', async () => {
    await writeFile(at('s2'), 'before');
    expect((await put({}, ['-', url('s2'), '--skip'], Buffer.from('after'))).status).toBe(0);
    expect(await readShare('s2')).toBe('before');
  });

  it('needs a file name, and stands alone', async () => {
    expect((await put({}, ['-', served.url])).status).toBe(2);
    expect((await put({ a: '' }, ['-', 'a', url('x')])).status).toBe(2);
  });
});
