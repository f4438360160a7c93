import { createHash } from 'node:crypto';
import { LineError } from '../../errors.ts';
import { MersenneTwister } from './mersenne-twister.ts';

/** Where choices come from: numbers that are equally likely, or that only look so. */
export interface Chooser {
  /** A whole number from 0 to `limit - 1`; `limit` is from 1 to 2^32 - 1. */
  below(limit: number): number;
}

/**
 * `random.Random(seed)` of Python 3 for a text or bytes (version 2 of its seeding): the same seed gives the same choices,
 * here and there, so whoever can guess the seed has them all.
 */
export class PythonRandom implements Chooser {
  readonly #twister: MersenneTwister;

  /** Throws `USAGE` for a text with half of a surrogate pair, which Python cannot encode either. */
  constructor(seed: string | Uint8Array) {
    if (typeof seed === 'string' && !seed.isWellFormed()) {
      throw new LineError('USAGE', 'a seed holds half of a surrogate pair');
    }
    const bytes = typeof seed === 'string' ? new TextEncoder().encode(seed) : seed;
    const digest = createHash('sha512').update(bytes).digest();
    this.#twister = new MersenneTwister(wordsOfNumber(bytes, digest));
  }

  /** `getrandbits(count)`, for up to 32. */
  bits(count: number): number {
    return this.#twister.next() >>> (32 - count);
  }

  below(limit: number): number {
    const count = 32 - Math.clz32(limit);
    for (;;) {
      const number = this.bits(count);
      if (number < limit) return number;
    }
  }
}

/** `shuffle(items)`, in place. */
export function shuffle(items: Uint8Array, chooser: Chooser): void {
  for (let last = items.length - 1; last > 0; last -= 1) {
    const other = chooser.below(last + 1);
    const item = items[last]!;
    items[last] = items[other]!;
    items[other] = item;
  }
}

/** `choice(items)`; there is at least one. */
export function choice(items: Uint8Array, chooser: Chooser): number {
  return items[chooser.below(items.length)]!;
}

/** The big-endian number that `seed` and its digest make, in words of 32 bits with the lowest first and no zeros at the end. */
function wordsOfNumber(seed: Uint8Array, digest: Uint8Array): Uint32Array {
  const bytes = new Uint8Array(seed.length + digest.length);
  bytes.set(seed);
  bytes.set(digest, seed.length);
  bytes.reverse();
  const length = bytes.findLastIndex(byte => byte !== 0) + 1;
  const words = new Uint32Array(Math.max(1, Math.ceil(length / 4)));
  for (let at = 0; at < length; at += 1) words[at >>> 2]! |= bytes[at]! << (8 * (at & 3));
  return words;
}
