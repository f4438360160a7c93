import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ReadRoot } from '../../../src/node/files/read-root.ts';
import { decodeName } from '../../../src/protocol/bytes/text.ts';
import { collect, makeScene, openDescriptors, readAll, type Scene, SECRET, WALKS } from './scene.ts';

const code = (value: string) => expect.objectContaining({ name: 'LineError', code: value });

describe.each(WALKS)('ReadRoot, walking by %s', walk => {
  let scene: Scene;
  let root: ReadRoot;
  const at = (name: string) => join(scene.root, name);

  beforeEach(async () => {
    scene = makeScene();
    root = await ReadRoot.open(scene.root, { walk });
  });
  afterEach(async () => {
    await root.close();
    scene.remove();
  });

  test('opens a folder only', async () => {
    writeFileSync(at('file'), '');
    await expect(ReadRoot.open(at('missing'), { walk })).rejects.toEqual(code('NOT_FOUND'));
    await expect(ReadRoot.open(at('file'), { walk })).rejects.toEqual(code('NOT_A_FILE'));
  });

  test('reads a file in pieces, fewer bytes only at its end', async () => {
    mkdirSync(at('a/b'), { recursive: true });
    writeFileSync(at('a/b/file'), '0123456789', { mode: 0o640 });
    utimesSync(at('a/b/file'), 1, 1_600_000_000.123457);
    const file = await root.open('a/b/file');
    expect(file.entry).toEqual({ path: '', type: 'file', size: 10, mtimeUs: expect.any(Number), mode: 0o640 });
    expect(await root.stat('a/b/file')).toEqual(file.entry);
    const target = Buffer.alloc(4);
    expect(await file.read(target, 0)).toBe(4);
    expect(target.toString()).toBe('0123');
    expect(await file.read(target, 8)).toBe(2);
    expect(target.toString('latin1', 0, 2)).toBe('89');
    expect(await file.read(target, 10)).toBe(0);
    expect(await file.read(target, 1000)).toBe(0);
    await file.verifyUnchanged();
    await file.close();
    await file.close();
    await expect(file.read(target, 0)).rejects.toEqual(code('CLOSED'));
    await expect(file.verifyUnchanged()).rejects.toEqual(code('CLOSED'));
  });

  test('reads a big file, several reads under way, and closes after them', async () => {
    const content = Buffer.alloc(3_000_000, 'abcdefg');
    writeFileSync(at('big'), content);
    const file = await root.open('big');
    const target = Buffer.alloc(content.length);
    const reads = [0, 1, 2].map(i => file.read(target.subarray(i * 1e6, (i + 1) * 1e6), i * 1e6));
    const closed = file.close();
    expect(await Promise.all(reads)).toEqual([1e6, 1e6, 1e6]);
    await closed;
    expect(target.equals(content)).toBe(true);
  });

  test.each([
    ['grew', (path: string) => writeFileSync(path, 'x'.repeat(20))],
    ['shrank', (path: string) => truncateSync(path, 3)],
    ['got another time', (path: string) => utimesSync(path, 5, 5)],
  ])('notices that a file %s', async (_what, change) => {
    writeFileSync(at('file'), '0123456789');
    const file = await root.open('file');
    change(at('file'));
    await file.read(Buffer.alloc(100), 0);
    await expect(file.verifyUnchanged()).rejects.toEqual(code('CHANGED'));
    await file.close();
  });

  test('notices that a file was short for a while, even if it is whole again', async () => {
    writeFileSync(at('file'), '0123456789');
    utimesSync(at('file'), 5, 5);
    const file = await root.open('file');
    truncateSync(at('file'), 3);
    expect(await file.read(Buffer.alloc(10), 0)).toBe(3);
    writeFileSync(at('file'), '0123456789');
    utimesSync(at('file'), 5, 5);
    await expect(file.verifyUnchanged()).rejects.toEqual(code('CHANGED'));
    await file.close();
  });

  test.each(['/etc/passwd', '../outside/secret', 'a/../../outside/secret', 'a//b', '.', 'a\0b'])(
    'R-F1 R-F7 R-F8 refuses to read %j',
    async path => {
      await expect(root.open(path)).rejects.toEqual(code('BAD_NAME'));
      await expect(root.stat(path)).rejects.toEqual(code('BAD_NAME'));
      await expect(collect(root.list(path, { recursive: true }))).rejects.toEqual(code('BAD_NAME'));
    },
  );

  test('R-F7 takes an encoded slash as part of a name, not as a slash', async () => {
    await expect(root.open('..%2Foutside%2Fsecret')).rejects.toEqual(code('NOT_FOUND'));
    await expect(root.open('%2e%2e/outside/secret')).rejects.toEqual(code('NOT_FOUND'));
  });

  test('follows links that stay inside', async () => {
    mkdirSync(at('a/b'), { recursive: true });
    writeFileSync(at('a/b/file'), 'inside');
    symlinkSync('a', at('to-a'));
    symlinkSync('../to-a/b/', at('a/round'));
    symlinkSync('round/file', at('a/deep'));
    symlinkSync('../../a/b/../b/./file', at('a/b/up'));
    symlinkSync('.', at('self'));
    for (const path of ['to-a/b/file', 'a/round/file', 'a/deep', 'to-a/deep', 'a/b/up', 'self/self/to-a/round/up'])
      expect(await readAll(await root.open(path)), path).toBe('inside');
    expect((await root.stat('to-a')).type).toBe('folder');
    expect((await root.stat('self')).type).toBe('folder');
    expect((await collect(root.list('to-a/round', { recursive: false }))).map(entry => entry.path).sort()).toEqual([
      'file',
      'up',
    ]);
  });

  test('R-F2 R-F7 R-F8 never follows a link that leaves, however it does', async () => {
    mkdirSync(at('a/b'), { recursive: true });
    symlinkSync(join(scene.outside, 'secret'), at('absolute'));
    symlinkSync(scene.outside, at('absolute-folder'));
    symlinkSync('../outside', at('relative-folder'));
    symlinkSync('../../../outside/secret', at('a/b/relative'));
    symlinkSync('relative-folder', at('chain'));
    symlinkSync('a/b', at('s'));
    symlinkSync('s/../../../outside/secret', at('after-a-name'));
    symlinkSync('..', at('up'));
    // Leaves and comes back: what lies above is not ours to look at either.
    symlinkSync('../root/a', at('out-and-in'));
    symlinkSync(`${scene.root}/a`, at('absolute-inside'));
    const leaving = [
      'absolute',
      'absolute-folder/secret',
      'relative-folder/secret',
      'relative-folder/folder/secret',
      'a/b/relative',
      'chain/secret',
      's/relative',
      'after-a-name',
      'up/outside/secret',
      'up',
      'out-and-in',
      'absolute-inside',
    ];
    for (const path of leaving) {
      await expect(root.open(path), path).rejects.toEqual(code('FORBIDDEN'));
      await expect(root.stat(path), path).rejects.toEqual(code('FORBIDDEN'));
      await expect(collect(root.list(path, { recursive: true })), path).rejects.toEqual(code('FORBIDDEN'));
    }
  });

  test('ends at links that lead round or to nothing', async () => {
    symlinkSync('loop', at('loop'));
    symlinkSync('two/x', at('one'));
    symlinkSync('one/x', at('two'));
    symlinkSync('missing', at('dangling'));
    mkdirSync(at('d'));
    symlinkSync(`${'./'.repeat(2000)}l2`, at('l1'));
    symlinkSync(`${'./'.repeat(2000)}l1`, at('l2'));
    for (const path of ['loop', 'loop/x', 'one', 'two', 'l1'])
      await expect(root.stat(path), path).rejects.toEqual(code('FORBIDDEN'));
    await expect(root.stat('dangling')).rejects.toEqual(code('NOT_FOUND'));
    for (let i = 0; i < 40; i += 1) symlinkSync(i === 0 ? 'd' : `link${i - 1}`, at(`link${i}`));
    symlinkSync('link39', at('link40'));
    expect((await root.stat('link39')).type).toBe('folder');
    await expect(root.stat('link40')).rejects.toEqual(code('FORBIDDEN'));
  });

  test('R-F2 a folder swapped for a link between two calls is not passed', async () => {
    mkdirSync(at('folder/b'), { recursive: true });
    writeFileSync(at('folder/secret'), 'inside');
    writeFileSync(at('folder/b/secret'), 'inside');
    expect(await readAll(await root.open('folder/secret'))).toBe('inside');
    expect(await readAll(await root.open('folder/b/secret'))).toBe('inside');
    renameSync(at('folder'), join(scene.outside, 'taken'));
    await expect(root.open('folder/secret')).rejects.toEqual(code('NOT_FOUND'));
    await expect(root.open('folder/b/secret')).rejects.toEqual(code('NOT_FOUND'));
    symlinkSync(join(scene.outside, 'folder'), at('folder'));
    await expect(root.open('folder/secret')).rejects.toEqual(code('FORBIDDEN'));
    await expect(root.open('folder/b/secret')).rejects.toEqual(code('FORBIDDEN'));
    rmSync(at('folder'));
    mkdirSync(at('folder/b'), { recursive: true });
    writeFileSync(at('folder/b/secret'), 'new');
    expect(await readAll(await root.open('folder/b/secret'))).toBe('new');
  });

  test('R-F2 a listing does not go on in a folder that was moved out meanwhile', async () => {
    mkdirSync(at('folder'));
    for (let i = 0; i < 600; i += 1) writeFileSync(at(`folder/${i}`), '');
    const seen: string[] = [];
    const problems: string[] = [];
    for await (const batch of root.list('', { recursive: true })) {
      if (seen.length === 0) {
        renameSync(at('folder'), join(scene.outside, 'taken'));
        symlinkSync(join(scene.outside, 'taken'), at('folder'));
      }
      for (const entry of batch) ('error' in entry ? problems : seen).push(entry.path);
    }
    expect(seen.length).toBeLessThan(300);
    expect(problems).toEqual(['folder']);
  });

  test('lists depth first, a folder before its content, links as links', async () => {
    mkdirSync(at('a/b'), { recursive: true });
    mkdirSync(at('empty'));
    writeFileSync(at('a/b/file'), '12345');
    writeFileSync(at('top'), '1');
    symlinkSync('a', at('in'));
    symlinkSync(scene.outside, at('out'));
    const all = await collect(root.list('', { recursive: true }));
    expect(all.map(entry => entry.path).sort()).toEqual(['a', 'a/b', 'a/b/file', 'empty', 'in', 'out', 'top']);
    const order = all.map(entry => entry.path);
    expect(order.indexOf('a/b')).toBe(order.indexOf('a') + 1);
    expect(order.indexOf('a/b/file')).toBe(order.indexOf('a') + 2);
    expect(all).toContainEqual(expect.objectContaining({ path: 'a/b/file', type: 'file', size: 5 }));
    expect(all).toContainEqual(expect.objectContaining({ path: 'a', type: 'folder', size: 0 }));
    expect(all).toContainEqual(expect.objectContaining({ path: 'in', type: 'link', target: 'a', size: 0 }));
    expect(all).toContainEqual(expect.objectContaining({ path: 'out', type: 'link', target: scene.outside }));
    const flat = await collect(root.list('a', { recursive: false }));
    expect(flat.map(entry => entry.path)).toEqual(['b']);
    await expect(collect(root.list('top', { recursive: true }))).rejects.toEqual(code('NOT_A_FILE'));
    await expect(collect(root.list('missing', { recursive: true }))).rejects.toEqual(code('NOT_FOUND'));
  });

  test('lists in bounded batches and gives back its descriptors when left early', async () => {
    mkdirSync(at('many/deep'), { recursive: true });
    for (let i = 0; i < 1000; i += 1) writeFileSync(at(`many/${i}`), '');
    const before = openDescriptors();
    let count = 0;
    for await (const batch of root.list('', { recursive: true })) {
      expect(batch.length).toBeLessThanOrEqual(256);
      count += batch.length;
    }
    expect(count).toBe(1002);
    for await (const _batch of root.list('', { recursive: true })) break;
    expect(openDescriptors()).toBe(before);
  });

  test.skipIf(process.platform !== 'linux')('gives names that are not UTF-8 and opens them again', async () => {
    const name = Buffer.of(0x66, 0xff, 0xc3, 0x28);
    const folder = Buffer.concat([Buffer.from(`${scene.root}/`), Buffer.of(0xfe)]);
    mkdirSync(folder);
    writeFileSync(Buffer.concat([folder, Buffer.from('/'), name]), 'inside');
    symlinkSync(Buffer.concat([Buffer.of(0xfe), Buffer.from('/'), name]), at('link'));
    const path = `${decodeName(Buffer.of(0xfe))}/${decodeName(name)}`;
    const all = await collect(root.list('', { recursive: true }));
    expect(all.map(entry => entry.path)).toContain(path);
    expect(all).toContainEqual(expect.objectContaining({ path: 'link', target: path }));
    for (const way of [path, path, 'link']) expect(await readAll(await root.open(way))).toBe('inside');
  });

  test.skipIf(process.platform === 'win32')(
    'calls fifos other things, and opening one neither waits nor works',
    async () => {
      execFileSync('mkfifo', [at('fifo')]);
      expect((await root.stat('fifo')).type).toBe('other');
      await expect(root.open('fifo')).rejects.toEqual(code('NOT_A_FILE'));
      await expect(root.open('')).rejects.toEqual(code('NOT_A_FILE'));
      expect(await collect(root.list('', { recursive: true }))).toEqual([
        expect.objectContaining({ path: 'fifo', type: 'other', size: 0 }),
      ]);
    },
  );

  test('does not list below 128 levels, but says so', async () => {
    let path = '';
    const levels: string[] = [];
    for (let i = 0; i < 130; i += 1) {
      path = path === '' ? 'd' : `${path}/d`;
      levels.push(path);
    }
    mkdirSync(at(path), { recursive: true });
    const all = await collect(root.list('', { recursive: true }));
    expect(all.filter(entry => !('error' in entry)).length).toBe(128);
    expect(all.at(-1)).toEqual({ path: levels[127], error: code('BAD_NAME') });
    const lower = await collect(root.list('d/d', { recursive: true }));
    expect(lower.filter(entry => !('error' in entry)).length).toBe(126);
  });

  test.skipIf(process.platform === 'win32')('tells of a folder that may not be read, and goes on', async () => {
    mkdirSync(at('closed'));
    writeFileSync(at('closed/file'), '');
    writeFileSync(at('zz'), '');
    chmodSync(at('closed'), 0);
    chmodSync(scene.base, 0o755);
    // Root may read everything, so for a moment this process is nobody.
    const all = await asNobody(() => collect(root.list('', { recursive: true })));
    expect(all).toContainEqual({ path: 'closed', error: code('ACCESS') });
    expect(all.map(entry => entry.path)).toContain('zz');
    await asNobody(() => expect(root.open('closed/file')).rejects.toEqual(code('ACCESS')));
    chmodSync(at('closed'), 0o700);
  });

  test('says nothing in its errors of where the root lies', async () => {
    symlinkSync(join(scene.outside, 'secret'), at('link'));
    for (const path of ['missing', 'link', 'missing/file']) {
      const error = await root.open(path).catch((reason: unknown) => reason as Error);
      expect((error as Error).message).not.toContain(scene.base);
    }
  });

  test('holds a bounded number of descriptors and none after it is closed', async () => {
    const before = openDescriptors();
    const own = await ReadRoot.open(scene.root, { walk });
    for (let i = 0; i < 200; i += 1) {
      mkdirSync(at(`d${i}`));
      writeFileSync(at(`d${i}/f`), 'inside');
      await readAll(await own.open(`d${i}/f`));
    }
    expect(openDescriptors() - before).toBeLessThanOrEqual(66);
    await own.close();
    await own.close();
    expect(openDescriptors()).toBe(before);
    await expect(own.stat('')).rejects.toEqual(code('CLOSED'));
    await expect(own.open('d1/f')).rejects.toEqual(code('CLOSED'));
  });
});

test('the scene is what the tests think it is', () => {
  const scene = makeScene();
  try {
    expect(readdirSync(scene.outside)).toContain('secret');
    expect(SECRET).not.toContain('inside');
  } finally {
    scene.remove();
  }
});

async function asNobody<T>(action: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return action();
  process.seteuid?.(65534);
  try {
    return await action();
  } finally {
    process.seteuid?.(0);
  }
}
