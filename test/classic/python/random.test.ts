import { describe, expect, it } from 'vitest';
import { PythonRandom } from '../../../src/classic/index.ts';
import { choice, shuffle } from '../../../src/classic/python/random.ts';
import { setOrder } from '../../../src/classic/python/set-order.ts';
import { fromHex, toHex } from '../../support/bytes.ts';
import { readVectors } from '../support/files-vectors.ts';

interface RandomVectors {
  readonly below: readonly number[];
  readonly cases: readonly {
    readonly seed?: string;
    readonly seedHex?: string;
    readonly bits32: readonly number[];
    readonly bits32After1305: readonly number[];
    readonly below: readonly number[];
    readonly shuffled: readonly number[];
    readonly chosenAfterShuffle: readonly number[];
  }[];
}

const { below, cases } = readVectors<RandomVectors>('python/random.json');
const sets = readVectors<readonly { readonly added: string; readonly listed: string }[]>('python/set-order.json');

describe("Python's random.Random", () => {
  it.each(cases.map(one => [JSON.stringify(one.seed ?? one.seedHex).slice(0, 40), one] as const))(
    'makes of the seed %s what Python makes of it',
    (_, vector) => {
      const random = () => new PythonRandom(vector.seed ?? fromHex(vector.seedHex!));
      const words = random();
      const take = (count: number) => Array.from({ length: count }, () => words.bits(32));
      expect(take(5)).toEqual(vector.bits32);
      take(1300);
      expect(take(3)).toEqual(vector.bits32After1305);
      const numbers = random();
      expect(below.map(limit => numbers.below(limit))).toEqual(vector.below);
      const shuffling = random();
      const items = Uint8Array.from({ length: 40 }, (_item, at) => at);
      shuffle(items, shuffling);
      expect([...items]).toEqual(vector.shuffled);
      const hundred = Uint8Array.from({ length: 100 }, (_item, at) => at);
      expect(vector.chosenAfterShuffle.map(() => choice(hundred, shuffling))).toEqual(vector.chosenAfterShuffle);
    },
  );

  it('takes no text that Python could not encode', () => {
    expect(() => new PythonRandom('\ud800')).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});

describe("a set's order", () => {
  it.each(sets.map(({ added, listed }) => [added.length / 2, added, listed] as const))(
    'is that of CPython, %i bytes',
    (_, added, listed) => {
      expect(toHex(setOrder(fromHex(added)))).toBe(listed);
    },
  );
});
