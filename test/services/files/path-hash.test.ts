import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hashPath } from '../../../src/services/files/syncing/path-hash.ts';

/** HalfSipHash with 64 bits of output as its authors describe it, `words` with the length in the last one. */
function halfSipHash(words: readonly number[], key: Int32Array, rounds: number, finalRounds: number): [number, number] {
  const v = Uint32Array.of(key[0]!, key[1]! ^ 0xee, key[0]! ^ 0x6c796765, key[1]! ^ 0x74656462);
  const rotate = (at: number, bits: number): void => {
    v[at] = (v[at]! << bits) | (v[at]! >>> (32 - bits));
  };
  const mix = (sum: number, other: number, bits: number): void => {
    v[sum]! += v[other]!;
    rotate(other, bits);
    v[other]! ^= v[sum]!;
  };
  const round = (): void => {
    mix(0, 1, 5);
    rotate(0, 16);
    mix(2, 3, 8);
    mix(0, 3, 7);
    mix(2, 1, 13);
    rotate(2, 16);
  };
  for (const word of words) {
    v[3]! ^= word;
    for (let count = 0; count < rounds; count += 1) round();
    v[0]! ^= word;
  }
  const finish = (): number => {
    for (let count = 0; count < finalRounds; count += 1) round();
    return (v[1]! ^ v[3]!) >>> 0;
  };
  v[2]! ^= 0xee;
  const one = finish();
  v[1]! ^= 0xdd;
  return [one, finish()];
}

function wordsOf(path: string): number[] {
  const units = Array.from({ length: path.length }, (_, at) => path.charCodeAt(at));
  const words = [];
  while (units.length > 1) words.push(units.shift()! | (units.shift()! << 16));
  return [...words, (path.length << 16) | (units[0] ?? 0)];
}

test('the reference gives the first vector of its authors', () => {
  const key = Int32Array.of(0x03020100, 0x07060504);
  expect(halfSipHash([0], key, 2, 4)).toEqual([0x591f8d21, 0xc83cb8b9]);
});

test('a path is hashed as the reference does it, under any key', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.integer(), fc.integer(), (path, one, other) => {
      const key = Int32Array.of(one, other);
      const [first, second] = halfSipHash(wordsOf(path), key, 1, 3);
      expect(hashPath(path, key)).toEqual([(first | 1) >>> 0, second]);
    }),
  );
});
