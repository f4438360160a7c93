import { randomBytes } from 'node:crypto';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { brotliCompressor } from '../../../src/node/files/brotli.ts';
import { CHUNK_BYTES } from '../../../src/services/files/comparing/leaves.ts';
import type { SourceFile } from '../../../src/services/files/store.ts';
import type { MemoryTransport } from '../../../src/transports/memory.ts';
import { type Changed, serveChanges } from './changed.ts';
import { bytesOf, code, namesBelow, type Served, type ServeOptions, serve } from './served.ts';

const MiB = 1024 * 1024;
const brotli = brotliCompressor();

let served: Served | undefined;
let changed: Changed | undefined;

async function setUp(options: ServeOptions = {}): Promise<Served> {
  served = await serve({ compressor: brotli, ...options });
  return served;
}

afterEach(async () => {
  expect([...(served?.faults ?? []), ...(changed?.faults ?? [])]).toEqual([]);
  await served?.end();
  await changed?.end();
  served = undefined;
  changed = undefined;
});

/** Bytes that this end has written so far. */
function countingWrites(transport: MemoryTransport): () => number {
  const write = vi.spyOn(transport, 'write');
  return () => write.mock.calls.flatMap(([segments]) => segments).reduce((sum, { length }) => sum + length, 0);
}

/** A file of `size` bytes with holes everywhere but at these places. */
function writeSparse(path: string, size: number, data: readonly (readonly [number, Uint8Array])[] = []): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, size);
  for (const [position, bytes] of data) writeSync(fd, bytes, 0, bytes.length, position);
  closeSync(fd);
}

const diskBytes = (path: string): number => statSync(path).blocks * 512;
const text = (length: number): Buffer =>
  Buffer.alloc(length, 'all work and no play makes jack a dull boy, line 1234\n');

describe('a sparse file', () => {
  const size = 96 * MiB + 777;
  const write = (path: string): void =>
    writeSparse(path, size, [
      [0, randomBytes(300_000)],
      [40 * MiB + 4097, randomBytes(200_000)],
      [90 * MiB, randomBytes(100)],
    ]);

  test('arrives sparse, and moves little more than its data', async () => {
    const { at, got, get, transports } = await setUp();
    write(at('f'));
    const sent = countingWrites(transports[1]);
    const { summary, events } = await get('f', 'f');
    expect(summary).toMatchObject({ received: 1, bytes: size });
    expect(readFileSync(got('f')).equals(readFileSync(at('f')))).toBe(true);
    expect(sent()).toBeLessThan(MiB);
    expect(events.reduce((sum, event) => (event.type === 'progress' ? sum + event.bytes : sum), 0)).toBe(size);
    if (process.platform === 'linux') expect(diskBytes(got('f'))).toBeLessThan(diskBytes(at('f')) + 256 * 1024);
  });

  test('arrives sparse where it is put, and --checksum finds it whole', async () => {
    changed = await serveChanges();
    const { own, at, put, transports } = changed;
    write(own('f'));
    const sent = countingWrites(transports[0]);
    expect((await put('f', 'f', { checksum: true })).summary).toMatchObject({ received: 1, failed: 0 });
    expect(readFileSync(at('f')).equals(readFileSync(own('f')))).toBe(true);
    expect(sent()).toBeLessThan(MiB);
    if (process.platform === 'linux') expect(diskBytes(at('f'))).toBeLessThan(diskBytes(own('f')) + 256 * 1024);
  });

  test('that is nothing but a hole arrives with its size', async () => {
    const { at, got, get } = await setUp();
    writeSparse(at('f'), 5 * MiB + 1);
    for (const checksum of [false, true]) {
      expect((await get('f', `f-${checksum}`, { checksum })).summary).toMatchObject({ received: 1, failed: 0 });
      expect(readFileSync(got(`f-${checksum}`)).equals(Buffer.alloc(5 * MiB + 1))).toBe(true);
    }
  });

  test('read as a stream is real zeros, in bounded pieces, from any place', async () => {
    const { at, files } = await setUp();
    writeSparse(at('f'), 9 * MiB, [[3 * MiB, Buffer.from('here')]]);
    const { bytes } = await files.read('f', { offset: 3 * MiB - 70_000, length: 5 * MiB });
    const pieces: Uint8Array[] = [];
    for await (const piece of bytes) pieces.push(piece);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(MiB);
    const part = readFileSync(at('f'))
      .subarray(3 * MiB - 70_000)
      .subarray(0, 5 * MiB);
    expect(Buffer.concat(pieces).equals(part)).toBe(true);
  });

  test('writes its zeros over what a partial and an older version have in their place', async () => {
    const { at, got, get } = await setUp();
    const content = Buffer.concat([randomBytes(CHUNK_BYTES), Buffer.alloc(2 * CHUNK_BYTES), randomBytes(1000)]);
    writeSparse(at('f'), content.length, [
      [0, content.subarray(0, CHUNK_BYTES)],
      [3 * CHUNK_BYTES, content.subarray(3 * CHUNK_BYTES)],
    ]);
    const stale = Buffer.concat([content.subarray(0, CHUNK_BYTES), randomBytes(CHUNK_BYTES + 5000)]);
    writeFileSync(got('f.0-0123abcd.postern-part'), stale, { mode: 0o600 });
    expect((await get('f', 'f')).events.some(({ type }) => type === 'kept')).toBe(true);
    expect(readFileSync(got('f')).equals(content)).toBe(true);
    writeFileSync(got('f'), Buffer.concat([content.subarray(0, CHUNK_BYTES), randomBytes(CHUNK_BYTES)]));
    utimesSync(got('f'), 1, 1);
    await get('f', 'f', { conflict: 'force' });
    expect(readFileSync(got('f')).equals(content)).toBe(true);
  });

  test('goes plain to who does not take zeros', async () => {
    const { at, client } = await setUp();
    writeSparse(at('f'), 2 * MiB);
    const channel = client.open('files.get', { codings: ['zeros', 7, 'BR'] });
    await channel.send({ t: 'want', id: 0, path: 'f' });
    await channel.end();
    let bytes = 0;
    const messages: unknown[] = [];
    for await (const item of channel) {
      if (item instanceof Uint8Array) bytes += item.length;
      else messages.push(item['t']);
    }
    expect([bytes, messages]).toEqual([2 * MiB, ['file', 'end']]);
  });
});

describe('R-A12 compression', () => {
  test('moves less of what shrinks, in both directions', async () => {
    const content = Buffer.concat([text(3 * MiB), randomBytes(10), text(100_000)]);
    const { at, got, get, transports } = await setUp();
    writeFileSync(at('f'), content);
    const down = countingWrites(transports[1]);
    expect((await get('f', 'f', { compressor: brotli })).summary).toMatchObject({ received: 1 });
    expect(readFileSync(got('f')).equals(content)).toBe(true);
    expect(down()).toBeLessThan(100_000);
    changed = await serveChanges({ compressor: brotli });
    writeFileSync(changed.own('f'), content);
    const up = countingWrites(changed.transports[0]);
    expect((await changed.put('f', 'f', { compressor: brotli })).summary).toMatchObject({ received: 1 });
    expect(readFileSync(changed.at('f')).equals(content)).toBe(true);
    expect(up()).toBeLessThan(100_000);
  });

  test('is off unless it is asked for', async () => {
    const content = text(2 * MiB);
    const { at, got, get, transports } = await setUp();
    writeFileSync(at('f'), content);
    const down = countingWrites(transports[1]);
    await get('f', 'f');
    expect(readFileSync(got('f')).equals(content)).toBe(true);
    expect(down()).toBeGreaterThan(content.length);
    changed = await serveChanges({ compressor: brotli });
    writeFileSync(changed.own('f'), content);
    const up = countingWrites(changed.transports[0]);
    await changed.put('f', 'f');
    expect(up()).toBeGreaterThan(content.length);
  });

  test('of an upload is its own side to say, whatever the host asks for', async () => {
    let answered: unknown[] = [];
    changed = await serveChanges({
      host: async (channel, line) => {
        const asking = line.open('files.get', { offer: channel.request['offer'], codings: ['zero', 'br'] });
        await asking.send({ t: 'want', id: 0, path: '' });
        await asking.end();
        for await (const item of asking) if (!(item instanceof Uint8Array)) answered = [...answered, item['t']];
        await channel.send({ t: 'summary', received: 0, identical: 0, skipped: 0, failed: 0, bytes: 0 });
      },
    });
    writeFileSync(changed.own('f'), text(2 * MiB));
    await changed.put('f', 'f');
    expect(answered).toEqual(['file', 'end']);
    answered = [];
    await changed.put('f', 'f', { compressor: brotli });
    expect(answered).toEqual(['file', 'coded', 'coded', 'end']);
  });

  test('costs what does not shrink a sample now and then', async () => {
    const compress = vi.fn((bytes: Uint8Array) => brotli.compress(bytes));
    const { at, got, get } = await setUp({ compressor: { ...brotli, compress } });
    const content = randomBytes(40 * MiB);
    writeFileSync(at('f'), content);
    await get('f', 'f', { compressor: brotli });
    expect(readFileSync(got('f')).equals(content)).toBe(true);
    expect(compress.mock.calls.map(([{ length }]) => length)).toEqual([65_536, 65_536, 65_536]);
  });

  test('leaves off where content stops to shrink, takes it up again, and leaves small files alone', async () => {
    const compress = vi.fn((bytes: Uint8Array) => brotli.compress(bytes));
    const { at, got, get } = await setUp({ compressor: { ...brotli, compress } });
    const content = Buffer.concat([text(2 * MiB), randomBytes(17 * MiB), text(3 * MiB)]);
    writeFileSync(at('f'), content);
    await get('f', 'f', { compressor: brotli });
    expect(readFileSync(got('f')).equals(content)).toBe(true);
    const sizes = compress.mock.calls.map(([{ length }]) => length);
    // A sample, two blocks, the first that does not shrink; 16 MiB later a sample, and the rest.
    expect(sizes).toEqual([65_536, MiB, MiB, MiB, 65_536, MiB, MiB, MiB]);
    compress.mockClear();
    writeFileSync(at('small'), text(1000));
    await get('small', 'small', { compressor: brotli });
    expect(compress).not.toHaveBeenCalled();
  });
});

describe('content in any coding', () => {
  test('is the same as plain, from any point on and over any partial or older version', async () => {
    const { at, got, get, files } = await setUp();
    const stretch = fc.tuple(fc.constantFrom('hole', 'text', 'random'), fc.integer({ min: 1, max: 5 * MiB }));
    const run = fc.record({
      stretches: fc.array(stretch, { minLength: 1, maxLength: 5 }),
      compress: fc.boolean(),
      checksum: fc.boolean(),
      before: fc.constantFrom('nothing', 'partial', 'damaged partial', 'older version'),
      cut: fc.double({ min: 0, max: 1, noNaN: true }),
      part: fc.tuple(fc.nat(8 * MiB), fc.nat(4 * MiB)),
    });
    let turn = 0;
    await fc.assert(
      fc.asyncProperty(run, async ({ stretches, compress, checksum, before, cut, part }) => {
        turn += 1;
        const name = `f${turn}`;
        const parts = stretches.map(
          ([kind, length]) =>
            [
              kind,
              kind === 'hole' ? Buffer.alloc(length) : kind === 'text' ? text(length) : randomBytes(length),
            ] as const,
        );
        const content = Buffer.concat(parts.map(([, bytes]) => bytes));
        let position = 0;
        const data: [number, Uint8Array][] = [];
        for (const [kind, bytes] of parts) {
          if (kind !== 'hole') data.push([position, bytes]);
          position += bytes.length;
        }
        writeSparse(at(name), content.length, data);
        const kept = Buffer.from(content.subarray(0, Math.floor(cut * content.length)));
        if (before === 'damaged partial')
          kept
            .subarray(kept.length >> 1)
            .subarray(0, 100_000)
            .fill(9);
        if (before === 'older version') {
          writeFileSync(got(name), Buffer.concat([randomBytes(50_000), kept]));
          utimesSync(got(name), 1, 1);
        } else if (before !== 'nothing') writeFileSync(got(`${name}.0-0123abcd.postern-part`), kept, { mode: 0o600 });
        const compressor = compress ? brotli : undefined;
        const { failures } = await get(name, name, { compressor, checksum, conflict: 'force' });
        expect(failures).toEqual([]);
        expect(readFileSync(got(name)).equals(content)).toBe(true);
        const [offset, length] = part;
        const stream = await files.read(name, { offset, length, compressor });
        expect((await bytesOf(stream.bytes)).equals(content.subarray(offset, offset + length))).toBe(true);
      }),
      { numRuns: Number(process.env['POSTERN_PROPERTY_RUNS'] ?? 25) },
    );
    expect(namesBelow(got()).filter(name => name.endsWith('.postern-part') && !name.includes('.0-'))).toEqual([]);
  });

  /** Reads the first block and then does as told. */
  const failingAfterOne = (file: SourceFile, fail: () => Promise<number>): SourceFile => ({
    entry: file.entry,
    read: (target, position) => (position === 0 ? file.read(target, position) : fail()),
    verifyUnchanged: () => file.verifyUnchanged(),
    close: () => file.close(),
  });

  test.each([true, false])('that cannot be read on is that file’s failure alone (compressed: %s)', async compress => {
    const { at, got, get } = await setUp({
      readStore: root => ({
        stat: path => root.stat(path),
        list: (path, options) => root.list(path, options),
        open: async path => {
          const file = await root.open(path);
          if (path !== 'd/bad') return file;
          return failingAfterOne(file, () => Promise.reject(new LineError('ACCESS', 'a disk that fails')));
        },
      }),
    });
    mkdirSync(at('d'));
    // What does not shrink is written in pieces that are waited for, with the next block under way.
    const content = randomBytes(3 * MiB);
    for (const name of ['d/a', 'd/bad', 'd/z']) writeFileSync(at(name), content);
    const compressor = compress ? brotli : undefined;
    expect((await get('d', 'd', { compressor })).failures).toEqual(['d/bad ACCESS']);
    expect(readFileSync(got('d/z')).equals(content)).toBe(true);
  });

  test('that becomes shorter while it is sent is CHANGED', async () => {
    const { at, files } = await setUp({
      readStore: root => ({
        stat: path => root.stat(path),
        list: (path, options) => root.list(path, options),
        open: async path => failingAfterOne(await root.open(path), async () => 0),
      }),
    });
    writeFileSync(at('f'), text(3 * MiB));
    const { bytes } = await files.read('f', { compressor: brotli });
    await expect(bytesOf(bytes)).rejects.toEqual(code('CHANGED'));
  });
});
