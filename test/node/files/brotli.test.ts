import { randomBytes } from 'node:crypto';
import { brotliCompressSync, constants } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { brotliCompressor } from '../../../src/node/files/brotli.ts';
import { code } from '../../services/files/served.ts';

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;

describe('the compressor over node:zlib', () => {
  it('gives back what it was given, as memory of its own', async () => {
    const brotli = brotliCompressor();
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 3000 }),
        fc.integer({ min: 1, max: 300 }),
        async (piece, times) => {
          const content = Buffer.concat(Array.from({ length: times }, () => piece)).subarray(0, MiB);
          const coded = await brotli.compress(content);
          const plain = await brotli.decompress(coded, content.length);
          expect(content.equals(plain)).toBe(true);
          expect(plain.buffer.byteLength).toBe(plain.length);
          expect(coded.buffer.byteLength).toBe(coded.length);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('R-A12 stops at the announced length: 1 KiB that stands for 1 GiB costs a block', async () => {
    const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN, BROTLI_PARAM_LGBLOCK } = constants;
    const params = { [BROTLI_PARAM_QUALITY]: 5, [BROTLI_PARAM_LGWIN]: 24, [BROTLI_PARAM_LGBLOCK]: 24 };
    const bomb = brotliCompressSync(Buffer.alloc(GiB), { params });
    expect(bomb.length).toBeLessThanOrEqual(1024);
    const before = process.memoryUsage().rss;
    await expect(brotliCompressor().decompress(bomb, MiB)).rejects.toEqual(code('MISMATCH'));
    expect(process.memoryUsage().rss - before).toBeLessThan(128 * MiB);
  });

  it.each<[string, (coded: Buffer) => Uint8Array, number]>([
    ['one byte more than announced', coded => coded, 4999],
    ['one byte less', coded => coded, 5001],
    ['far less than announced', coded => coded, MiB],
    ['a stream that was cut', coded => coded.subarray(0, -1), 5000],
    ['bytes behind the stream', coded => Buffer.concat([coded, Buffer.of(0)]), 5000],
    ['a second stream', coded => Buffer.concat([coded, coded]), 10_000],
    ['no stream', () => randomBytes(500), 5000],
    ['a byte', () => Buffer.of(0xff), 5000],
  ])('R-A12 refuses %s', async (_, change, byteLength) => {
    const coded = brotliCompressSync(Buffer.from('0123456789'.repeat(500)));
    await expect(brotliCompressor().decompress(change(coded), byteLength)).rejects.toEqual(code('MISMATCH'));
  });

  it('lets those that wait have their turn, also after a failure', async () => {
    const brotli = brotliCompressor();
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) =>
        index % 3 === 0 ? brotli.decompress(Buffer.of(0xff), 100) : brotli.compress(randomBytes(10_000)),
      ),
    );
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(7);
    expect((await brotli.compress(Buffer.alloc(100))).length).toBeLessThan(100);
  });
});
