import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { brotliCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import type { LineError } from '../../../src/errors.ts';
import type { Channel } from '../../../src/line/channel.ts';
import { brotliCompressor } from '../../../src/node/files/brotli.ts';
import { MAX_BLOCK_BYTES } from '../../../src/services/files/coding/content.ts';
import { bytesOf, code, finalNames, type Served, serve } from './served.ts';
import { wantsOn } from './wants.ts';

/** A host that codes badly, by intent or by fault (R-A12): the channel ends with a code, and no file gets a name. */

const SIZE = 3_000_000;
const compressor = brotliCompressor();
const plain = Buffer.alloc(100_000, 'to and fro ');
const coded = brotliCompressSync(plain);

type Send = (channel: Channel, id: number) => Promise<void>;

/** Answers the first want with a file of `SIZE` bytes whose content `send` sends, and has no other file. */
function hostSending(send: Send): (channel: Channel) => Promise<void> {
  const entry = { path: '', type: 'file', size: SIZE, mtime_us: 1, mode: 0o644 };
  return async channel => {
    if (channel.kind === 'files.stat') return channel.send({ t: 'entry', entry });
    for await (const { id } of wantsOn(channel)) {
      if (id > 0) {
        await channel.send({ t: 'failed', id, code: 'NOT_FOUND', reason: '' });
        continue;
      }
      await channel.send({ t: 'file', id, entry, offset: 0, length: SIZE });
      await send(channel, id);
      await channel.send({ t: 'end', id });
    }
  };
}

let served: Served | undefined;

afterEach(async () => {
  await served?.end();
  served = undefined;
});

const block = (id: number, fields: object = {}) => ({
  t: 'coded',
  id,
  coding: 'br',
  length: plain.length,
  bytes: coded.length,
  ...fields,
});
const sendsBlock =
  (fields: object, bytes: Uint8Array = coded): Send =>
  async (channel, id) => {
    await channel.send(block(id, fields));
    await channel.write(bytes);
  };
const sendsZeros =
  (fields: object): Send =>
  (channel, id) =>
    channel.send({ t: 'zeros', id, length: 1, ...fields });

const hostile: [string, Send, LineError['code']][] = [
  ['a run of more zeros than are left', sendsZeros({ length: SIZE + 1 }), 'MISMATCH'],
  [
    'runs that are too many together',
    async (channel, id) => {
      for (const length of [SIZE - 1, 2]) await channel.send({ t: 'zeros', id, length });
    },
    'MISMATCH',
  ],
  ['a run as long as a number can be', sendsZeros({ length: Number.MAX_SAFE_INTEGER }), 'MISMATCH'],
  ['a run of nothing', sendsZeros({ length: 0 }), 'MALFORMED'],
  ['a run below nothing', sendsZeros({ length: -1 }), 'MALFORMED'],
  ['a run of half a byte', sendsZeros({ length: 0.5 }), 'MALFORMED'],
  ['a run of text', sendsZeros({ length: '1' }), 'MALFORMED'],
  ['a run without a length', sendsZeros({ length: undefined }), 'MALFORMED'],
  ['a run of another file', sendsZeros({ id: 7 }), 'PROTOCOL'],
  ['a block of another file', sendsBlock({ id: 7 }), 'PROTOCOL'],
  ['a coding that was not asked for', sendsBlock({ coding: 'zstd' }), 'PROTOCOL'],
  ['a coding that is no text', sendsBlock({ coding: 1 }), 'MALFORMED'],
  ['a block over 1 MiB', sendsBlock({ length: MAX_BLOCK_BYTES + 1 }), 'MALFORMED'],
  ['a block as long as a number can be', sendsBlock({ length: Number.MAX_SAFE_INTEGER }), 'MALFORMED'],
  ['a block of nothing', sendsBlock({ length: 0, bytes: 0 }), 'MALFORMED'],
  ['a block of one byte', sendsBlock({ length: 1, bytes: 1 }), 'MALFORMED'],
  ['no coded bytes', sendsBlock({ bytes: 0 }), 'MALFORMED'],
  ['as many coded bytes as plain ones', sendsBlock({ bytes: plain.length }), 'MALFORMED'],
  ['more coded bytes than plain ones', sendsBlock({ bytes: 2 ** 40 }), 'MALFORMED'],
  ['a length that is too short', sendsBlock({ length: plain.length - 1 }), 'MISMATCH'],
  ['a length that is too long', sendsBlock({ length: plain.length + 1 }), 'MISMATCH'],
  ['bytes that are no stream', sendsBlock({}, randomBytes(coded.length)), 'MISMATCH'],
  ['a stream and more', sendsBlock({ bytes: coded.length + 1 }, Buffer.concat([coded, Buffer.of(0)])), 'MISMATCH'],
  [
    'a stream that grows to 8 MiB',
    async (channel, id) => {
      const bomb = brotliCompressSync(Buffer.alloc(8 * MAX_BLOCK_BYTES));
      await sendsBlock({ length: MAX_BLOCK_BYTES, bytes: bomb.length }, bomb)(channel, id);
    },
    'MISMATCH',
  ],
  [
    'a message inside a block',
    async (channel, id) => {
      await channel.send(block(id));
      await channel.write(coded.subarray(1));
      await channel.send({ t: 'zeros', id, length: 1 });
    },
    'PROTOCOL',
  ],
  [
    'an end inside a block',
    async (channel, id) => {
      await channel.send(block(id));
      await channel.write(coded.subarray(1));
      await channel.end();
    },
    'PROTOCOL',
  ],
  [
    'a block that is more than is left',
    async (channel, id) => {
      await channel.send({ t: 'zeros', id, length: SIZE - plain.length + 1 });
      await sendsBlock({})(channel, id);
    },
    'MISMATCH',
  ],
];

describe('R-A12 a host that sends', () => {
  test.each(hostile)('%s', async (_, send, expected) => {
    served = await serve({ host: hostSending(send) });
    const fetcher = served.files.fetcher({ compressor });
    fetcher.want('f');
    fetcher.want('g');
    const file = (await fetcher.next())!;
    const reading = async (): Promise<void> => {
      while ((await file.read()) !== undefined);
    };
    await expect(reading()).rejects.toEqual(code(expected));
    await expect(fetcher.next()).rejects.toEqual(code(expected));
    await expect(served.get('f', 'f', { compressor })).rejects.toEqual(code(expected));
    expect(finalNames(served.got())).toEqual([]);
  });

  test('fewer zeros than announced: that file is not whole, the next is asked for', async () => {
    served = await serve({ host: hostSending(sendsZeros({ length: SIZE - 1 })) });
    const fetcher = served.files.fetcher({ compressor });
    fetcher.want('f');
    fetcher.want('g');
    const file = (await fetcher.next())!;
    expect(await file.read()).toEqual({ zeros: SIZE - 1 });
    await expect(file.read()).rejects.toEqual(code('MISMATCH'));
    expect((await fetcher.next())!.failure).toEqual(code('NOT_FOUND'));
  });

  test('a compressed block to who takes none', async () => {
    const host = hostSending(sendsBlock({}));
    served = await serve({ host });
    const file = await served.files.read('f');
    await expect(bytesOf(file.bytes)).rejects.toEqual(code('PROTOCOL'));
  });

  test('zeros without end for a stream: they come in pieces, and stopping stops them', async () => {
    served = await serve({
      host: async channel => {
        const { id } = (await channel.readMessage()) as { id: number };
        const entry = { path: '', type: 'file', size: Number.MAX_SAFE_INTEGER, mtime_us: 1, mode: 0o644 };
        await channel.send({ t: 'file', id, entry, offset: 0, length: entry.size });
        await channel.send({ t: 'zeros', id, length: entry.size });
        while ((await channel.read()) !== undefined);
      },
    });
    const file = await served.files.read('f');
    let pieces = 0;
    for await (const piece of file.bytes) {
      expect(piece.length).toBeLessThanOrEqual(1024 * 1024);
      pieces += 1;
      if (pieces === 20) break;
    }
    expect(pieces).toBe(20);
  });

  test('zeros without end for a file: cancelling stops them', async () => {
    const size = 2 ** 50;
    const stop = new AbortController();
    const stopped = new Promise(resolve => stop.signal.addEventListener('abort', resolve));
    const entry = { path: '', type: 'file', size, mtime_us: 1, mode: 0o644 };
    served = await serve({
      host: async channel => {
        if (channel.kind === 'files.stat') return channel.send({ t: 'entry', entry });
        const { id } = (await channel.readMessage()) as { id: number };
        await channel.send({ t: 'file', id, entry, offset: 0, length: size });
        await channel.send({ t: 'zeros', id, length: size });
        await stopped;
      },
    });
    let told = 0;
    const getting = served.get('f', 'f', {
      signal: stop.signal,
      onEvent: event => {
        if (event.type === 'progress') told += 1;
        if (told === 10) stop.abort();
      },
    });
    await expect(getting).rejects.toEqual(code('CANCELLED'));
    expect(told).toBeLessThan(20);
    expect(finalNames(served.got())).toEqual([]);
  });

  test('the same content in any pieces: a block’s end and plain bytes may come together', async () => {
    const tail = randomBytes(5000);
    const stream = Buffer.concat([coded, tail]);
    const rest = SIZE - 2 * (plain.length + tail.length);
    const cuts = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(cuts, async lengths => {
        const host = hostSending(async (channel, id) => {
          for (let round = 0; round < 2; round += 1) {
            await channel.send(block(id));
            let turn = 0;
            for (let at = 0; at < stream.length; turn += 1) {
              const length = lengths[turn % lengths.length]!;
              await channel.write(stream.subarray(at, at + length));
              at += length;
            }
          }
          await channel.send({ t: 'zeros', id, length: rest });
        });
        served = await serve({ host });
        const { summary } = await served.get('f', 'f', { compressor });
        expect(summary).toMatchObject({ received: 1 });
        const expected = Buffer.concat([plain, tail, plain, tail, Buffer.alloc(rest)]);
        expect(readFileSync(served.got('f')).equals(expected)).toBe(true);
        await served.end();
        served = undefined;
      }),
      { numRuns: 20 },
    );
  });
});
