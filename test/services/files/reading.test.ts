import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { decodeName } from '../../../src/protocol/bytes/text.ts';
import type { Entry, Problem } from '../../../src/services/files/entry.ts';
import { collect, openDescriptors } from '../../node/files/scene.ts';
import { bytesOf, code, type Served, serve } from './served.ts';

const numRuns = Number(process.env['POSTERN_PROPERTY_RUNS'] ?? 150);
const CONTENT = randomBytes(3_000_000);

let served: Served;

beforeAll(async () => {
  served = await serve();
  const { at } = served;
  mkdirSync(at('folder/deep/empty'), { recursive: true });
  writeFileSync(at('big'), CONTENT);
  writeFileSync(at('empty'), '');
  writeFileSync(at('folder/one'), 'one', { mode: 0o640 });
  writeFileSync(at('folder/deep/two'), 'twice');
  writeFileSync(at('\n\u001b[2J'), 'control');
  symlinkSync('folder/one', at('inside'));
  symlinkSync('../outside/secret', at('leaving'));
  utimesSync(at('folder/one'), 1, 1_600_000_000 + 0.123_457_5);
});

afterAll(async () => {
  expect(served.faults).toEqual([]);
  await served.end();
});

describe('stat', () => {
  test('tells type, size, time and mode of a file, a folder and the served folder', async () => {
    const { files } = served;
    expect(await files.stat('folder/one')).toEqual({
      path: '',
      type: 'file',
      size: 3,
      mtimeUs: 1_600_000_000_123_457,
      mode: 0o640,
    });
    expect(await files.stat('folder')).toMatchObject({ path: '', type: 'folder', size: 0 });
    expect(await files.stat('')).toMatchObject({ path: '', type: 'folder' });
  });

  test('follows a link that stays inside and refuses one that leaves', async () => {
    expect(await served.files.stat('inside')).toMatchObject({ type: 'file', size: 3 });
    await expect(served.files.stat('leaving')).rejects.toEqual(code('FORBIDDEN'));
  });

  test('tells apart what is missing, what is no name and what is no path', async () => {
    const { files } = served;
    await expect(files.stat('nothing')).rejects.toEqual(code('NOT_FOUND'));
    await expect(files.stat('big/x')).rejects.toEqual(code('NOT_FOUND'));
    await expect(files.stat('../outside/secret')).rejects.toEqual(code('BAD_NAME'));
    await expect(files.stat('/etc/passwd')).rejects.toEqual(code('BAD_NAME'));
    await expect(files.stat('\ud800')).rejects.toEqual(code('BAD_NAME'));
  });

  test('with a signal that is aborted already asks for nothing', async () => {
    await expect(served.files.stat('big', { signal: AbortSignal.abort() })).rejects.toEqual(code('CANCELLED'));
  });
});

describe('list', () => {
  test('gives one level, or all with a folder before what is in it', async () => {
    const { files } = served;
    const flat = await collect(files.list(''));
    expect(flat.map(entry => entry.path).sort()).toEqual(
      ['\n\u001b[2J', 'big', 'empty', 'folder', 'inside', 'leaving'].sort(),
    );
    const paths = (await collect(files.list('', { recursive: true }))).map(entry => entry.path);
    expect(paths).toHaveLength(10);
    expect(paths.indexOf('folder')).toBeLessThan(paths.indexOf('folder/deep'));
    expect(paths.indexOf('folder/deep')).toBeLessThan(paths.indexOf('folder/deep/two'));
  });

  test('gives paths relative to what was asked for, and links as links with what they say', async () => {
    const inside = await collect(served.files.list('folder', { recursive: true }));
    expect(inside.map(entry => entry.path).sort()).toEqual(['deep', 'deep/empty', 'deep/two', 'one']);
    const all = await collect(served.files.list(''));
    expect(all.find(entry => entry.path === 'leaving')).toMatchObject({ type: 'link', target: '../outside/secret' });
  });

  test('of a file, of nothing, and of something outside fails', async () => {
    const listing = (path: string) => collect(served.files.list(path));
    await expect(listing('big')).rejects.toEqual(code('NOT_A_FILE'));
    await expect(listing('nothing')).rejects.toEqual(code('NOT_FOUND'));
    await expect(listing('..')).rejects.toEqual(code('BAD_NAME'));
    await expect(listing('leaving')).rejects.toEqual(expect.objectContaining({ name: 'LineError' }));
  });

  test('streams 20,000 entries in bounded batches, and stops when it is left', async () => {
    const many = await serve();
    mkdirSync(many.at('many'));
    for (let at = 0; at < 20_000; at += 1) writeFileSync(many.at(`many/${at}`), '');
    const before = openDescriptors();
    let count = 0;
    let batches = 0;
    for await (const batch of many.files.list('many')) {
      expect(batch.length).toBeLessThanOrEqual(10_000);
      count += batch.length;
      batches += 1;
    }
    expect(count).toBe(20_000);
    expect(batches).toBeGreaterThan(20);
    for await (const _batch of many.files.list('many')) break;
    await expect.poll(openDescriptors, { timeout: 20_000 }).toBe(before);
    await many.end();
  });

  test('tells of a folder that cannot be read in its place, and goes on', async () => {
    const one: Entry = { path: 'one', type: 'file', size: 1, mtimeUs: 1, mode: 0o644 };
    const closed: Problem = { path: 'closed', error: new LineError('ACCESS', 'no') };
    const half = await serve({
      readStore: root => ({
        stat: path => root.stat(path),
        open: path => root.open(path),
        async *list() {
          yield [closed];
          yield [one];
        },
      }),
    });
    const all = await collect(half.files.list('', { recursive: true }));
    expect(all).toEqual([{ path: 'closed', error: code('ACCESS') }, one]);
    await half.end();
  });

  test.skipIf(process.platform === 'win32')('of a folder that may not be read gives its failure by name', async () => {
    const half = await serve();
    mkdirSync(half.at('closed/inner'), { recursive: true });
    mkdirSync(half.at('open'));
    chmodSync(half.at('closed'), 0);
    chmodSync(half.scene.base, 0o755);
    // Root may read everything, so for a moment this process is nobody.
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.(65534);
    try {
      const all = await collect(half.files.list('', { recursive: true }));
      expect(all).toContainEqual({ path: 'closed', error: code('ACCESS') });
      expect(all.map(entry => entry.path).sort()).toEqual(['closed', 'closed', 'open']);
    } finally {
      if (isRoot) process.seteuid?.(0);
      chmodSync(half.at('closed'), 0o700);
    }
    await half.end();
  });

  // Made of two halves that are moved into one another, because no call takes a path as long as this.
  test.skipIf(process.platform !== 'linux')('goes on past a file whose path is too long to be said', async () => {
    const long = await serve();
    const levels = (length: number) => Array.from({ length }, (_, at) => `${at}`.repeat(240)).join('/');
    mkdirSync(long.at(levels(8)), { recursive: true });
    mkdirSync(long.at(`lower/${levels(7)}`), { recursive: true });
    writeFileSync(long.at(`lower/${levels(7)}/${'n'.repeat(255)}`), 'too deep');
    writeFileSync(long.at('good'), 'good');
    renameSync(long.at('lower'), long.at(`${levels(8)}/${'m'.repeat(240)}`));
    const all = await collect(long.files.list('', { recursive: true }));
    expect(all.map(entry => entry.path)).toContain('good');
    expect(all.filter(entry => 'error' in entry)).toEqual([expect.objectContaining({ error: code('BAD_NAME') })]);
    execFileSync('rm', ['-rf', long.scene.root]);
    await long.end();
  });
});

describe('read', () => {
  test.each([
    ['the whole', {}, 0, 3_000_000],
    ['from an offset to the end', { offset: 2_999_999 }, 2_999_999, 1],
    ['a part', { offset: 1_000_001, length: 1_500_000 }, 1_000_001, 1_500_000],
    ['nothing', { length: 0 }, 0, 0],
    ['nothing at the end', { offset: 3_000_000 }, 3_000_000, 0],
    ['nothing beyond the end', { offset: 3_000_001 }, 3_000_000, 0],
    ['nothing far beyond the end', { offset: Number.MAX_SAFE_INTEGER, length: 5 }, 3_000_000, 0],
    ['as much as there is', { offset: 5, length: Number.MAX_SAFE_INTEGER }, 5, 2_999_995],
  ])('gives %s', async (_, options, start, length) => {
    const file = await served.files.read('big', options);
    expect(file.length).toBe(length);
    expect(file.entry).toMatchObject({ path: '', type: 'file', size: 3_000_000 });
    const bytes = await bytesOf(file.bytes);
    expect(bytes.equals(CONTENT.subarray(start, start + length))).toBe(true);
  });

  test('gives exactly the bytes of any part', async () => {
    const size = 300_000;
    const part = fc.record({ offset: fc.nat(size + 100), length: fc.option(fc.nat(size + 100), { nil: undefined }) });
    writeFileSync(served.at('part'), CONTENT.subarray(0, size));
    await fc.assert(
      fc.asyncProperty(part, async ({ offset, length }) => {
        const file = await served.files.read('part', length === undefined ? { offset } : { offset, length });
        const bytes = await bytesOf(file.bytes);
        expect(bytes.equals(CONTENT.subarray(0, size).subarray(offset, offset + (length ?? size)))).toBe(true);
      }),
      { numRuns },
    );
  });

  test.each([
    { offset: -1 },
    { offset: 0.5 },
    { offset: Number.NaN },
    { offset: 2 ** 53 },
    { length: -1 },
    { length: Number.POSITIVE_INFINITY },
  ])('refuses %j as its caller’s mistake', async options => {
    await expect(served.files.read('big', options)).rejects.toEqual(code('USAGE'));
  });

  test('refuses a folder, a link that leaves and what is not there', async () => {
    await expect(served.files.read('folder')).rejects.toEqual(code('NOT_A_FILE'));
    await expect(served.files.read('')).rejects.toEqual(code('NOT_A_FILE'));
    await expect(served.files.read('leaving')).rejects.toEqual(code('FORBIDDEN'));
    await expect(served.files.read('nothing')).rejects.toEqual(code('NOT_FOUND'));
  });

  test('opens names with control characters and names that are not UTF-8', async () => {
    const name = Buffer.of(0x66, 0xff);
    if (process.platform === 'linux') writeFileSync(Buffer.concat([Buffer.from(`${served.at()}/`), name]), 'bytes');
    expect(String(await bytesOf((await served.files.read('\n\u001b[2J')).bytes))).toBe('control');
    if (process.platform !== 'linux') return;
    expect(String(await bytesOf((await served.files.read(decodeName(name))).bytes))).toBe('bytes');
  });

  test('may be left early, and the host lets go of the file', async () => {
    const before = openDescriptors();
    for (let turn = 0; turn < 20; turn += 1) {
      const file = await served.files.read('big');
      if (turn % 2 === 0) file.close();
      else for await (const _bytes of file.bytes) break;
    }
    await expect.poll(openDescriptors, { timeout: 20_000 }).toBe(before);
  });

  test('a failure of the disk that has no name is the failure of one file', async () => {
    const faulty = await serve({
      readStore: root => ({
        stat: path => root.stat(path),
        list: (path, options) => root.list(path, options),
        open: async path => {
          if (path === 'bad') throw new LineError('INTERNAL', 'failed unexpectedly (EIO)');
          return root.open(path);
        },
      }),
    });
    for (const name of ['bad', 'good', 'hood']) writeFileSync(faulty.at(name), name);
    const { summary, failures } = await faulty.get('', '');
    expect(failures).toEqual(['bad INTERNAL']);
    expect(summary).toMatchObject({ received: 2, failed: 1 });
    await faulty.end();
  });
});

describe('sha256', () => {
  test('is that of the file, be it empty or large', async () => {
    const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest());
    expect(await served.files.sha256('big')).toEqual(sha256(CONTENT));
    expect(await served.files.sha256('empty')).toEqual(sha256(Buffer.alloc(0)));
    expect(await served.files.sha256('inside')).toEqual(sha256(Buffer.from('one')));
  });

  test('fails for what is no file inside', async () => {
    await expect(served.files.sha256('folder')).rejects.toEqual(code('NOT_A_FILE'));
    await expect(served.files.sha256('leaving')).rejects.toEqual(code('FORBIDDEN'));
    await expect(served.files.sha256('../x')).rejects.toEqual(code('BAD_NAME'));
  });
});
