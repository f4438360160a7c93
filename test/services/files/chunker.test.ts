import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  averageChunkBytes,
  chunksOf,
  cutLength,
  maxChunkBytes,
  minChunkBytes,
} from '../../../src/services/files/comparing/chunker.ts';

const AVERAGE = 32 * 1024;

describe('where chunks end', () => {
  it('is where the slow reference ends them, for any content and average', () => {
    const contents = fc.tuple(fc.nat(), fc.nat({ max: 100_000 }), fc.constantFrom(1, 2, 256));
    fc.assert(
      fc.property(contents, fc.constantFrom(256, 1024, 4096), ([seed, length, values], average) => {
        const bytes = noise(length, seed).map(byte => byte % values);
        expect(cutsOf(bytes, average)).toEqual(referenceCuts(bytes, average));
      }),
      { numRuns: 40 },
    );
  });

  it('is what it always was: both ends of a line must cut alike', () => {
    const digest = createHash('sha256')
      .update(cutsOf(noise(4 * 1024 * 1024, 1), AVERAGE).join(' '))
      .digest('hex');
    expect(digest).toBe(CUTS_OF_NOISE);
  });

  it('depends on what is there and not on where: after an insertion the ends are the same again', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 2_000_000 }), fc.integer({ min: 1, max: 100_000 }), (seed, at, count) => {
        const before = noise(4_000_000, seed);
        const after = Buffer.concat([before.subarray(0, at), noise(count, seed + 1), before.subarray(at)]);
        const endsBefore = new Set(endsOf(cutsOf(before, AVERAGE)).map(end => end - before.length));
        const endsAfter = endsOf(cutsOf(after, AVERAGE)).map(end => end - after.length);
        const foreign = endsAfter.filter(end => !endsBefore.has(end) && end > at - before.length);
        // What is behind the insertion is cut anew for a few chunks only.
        expect(foreign.length).toBeLessThan(20);
      }),
      { numRuns: 15 },
    );
  });
});

describe('the chunks of a file', () => {
  it('are the whole file in order, however it is read, and each within the bounds', async () => {
    for (const length of [0, 1, 8192, 8193, AVERAGE, 1_048_576, 1_048_577, 5_000_000]) {
      const bytes = length % 2 === 0 ? noise(length, length) : new Uint8Array(length);
      const got: Buffer[] = [];
      for await (const { offset, bytes: chunk } of chunksOf(sourceOf(bytes), length, AVERAGE)) {
        expect(offset).toBe(got.reduce((sum, piece) => sum + piece.length, 0));
        expect(chunk.length).toBeLessThanOrEqual(maxChunkBytes(AVERAGE));
        if (offset + chunk.length < length) expect(chunk.length).toBeGreaterThan(minChunkBytes(AVERAGE));
        got.push(Buffer.from(chunk));
      }
      expect(got.map(chunk => chunk.length)).toEqual(cutsOf(bytes, AVERAGE));
      expect(Buffer.concat(got).equals(bytes)).toBe(true);
    }
  });

  it('end early where the file does', async () => {
    const lengths: number[] = [];
    for await (const { bytes } of chunksOf(sourceOf(noise(3_000_000, 1)), 9_000_000, AVERAGE))
      lengths.push(bytes.length);
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(3_000_000);
  });

  it('are about as long as the average says, which grows with the file', () => {
    const cuts = cutsOf(noise(16_000_000, 7), AVERAGE);
    expect(16_000_000 / cuts.length).toBeGreaterThan(0.8 * AVERAGE);
    expect(16_000_000 / cuts.length).toBeLessThan(1.4 * AVERAGE);
    expect(averageChunkBytes(1)).toBe(AVERAGE);
    expect(averageChunkBytes(4 * 2 ** 30)).toBe(AVERAGE);
    expect(averageChunkBytes(4 * 2 ** 30 + 1)).toBe(2 * AVERAGE);
    expect(averageChunkBytes(64 * 2 ** 30)).toBe(16 * AVERAGE);
  });
});

/** Every hash from its own window of 32 bytes, without a trick. */
function referenceCuts(bytes: Uint8Array, average: number): number[] {
  const cuts: number[] = [];
  const bits = Math.log2(average);
  for (let start = 0; start < bytes.length; ) {
    let at = Math.min(start + average / 4, bytes.length);
    const middle = Math.min(start + average, bytes.length);
    const limit = Math.min(start + 4 * average, bytes.length);
    let from = at;
    for (; at < limit; at += 1) {
      if (at === middle) from = middle;
      const zeros = at < middle ? bits + 2 : bits - 2;
      let hash = 0;
      for (let one = Math.max(from, at - 31); one <= at; one += 1) hash = (2 * hash + GEARS[bytes[one]!]!) % 2 ** 32;
      if (hash < 2 ** (32 - zeros)) {
        at += 1;
        break;
      }
    }
    cuts.push(at - start);
    start = at;
  }
  return cuts;
}

function gear(byte: number): number {
  let word = BigInt.asUintN(32, BigInt(byte + 1) * 0x9e3779b9n);
  word = BigInt.asUintN(32, (word ^ (word >> 16n)) * 0x85ebca6bn);
  word = BigInt.asUintN(32, (word ^ (word >> 13n)) * 0xc2b2ae35n);
  return Number(word ^ (word >> 16n));
}

const GEARS = Array.from({ length: 256 }, (_, byte) => gear(byte));

function cutsOf(bytes: Uint8Array, average: number): number[] {
  const cuts: number[] = [];
  for (let start = 0; start < bytes.length; start += cuts.at(-1)!) {
    cuts.push(cutLength(bytes, start, bytes.length, average));
  }
  return cuts;
}

function endsOf(cuts: readonly number[]): number[] {
  let end = 0;
  return cuts.map(length => {
    end += length;
    return end;
  });
}

/** Bytes that anybody can make: x' = 1664525 x + 1013904223 mod 2^32 from the seed, the upper byte of each. */
function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0;
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

function sourceOf(bytes: Uint8Array) {
  return {
    read: async (target: Uint8Array, position: number) => {
      const part = bytes.subarray(position, position + target.length);
      target.set(part);
      return part.length;
    },
  };
}

const CUTS_OF_NOISE = 'ccb540ff6d7f9dec34db7c9cdfd0f7a95787183f979a5fc0daecf70bd8c67c21';
