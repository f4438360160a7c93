import { makeVectorMemory, type VectorMemory } from './vector-adder.ts';

/**
 * The sums that Markov Encryption is made of. With a key of D blocks over N bytes, the value x(t) meets the sum
 *
 *     S(t) = M1[x(t-1)] + M2[x(t-2)] + … + M(D-1)[x(t-D+1)]   (mod N)
 *
 * of what is before it, where each M is a permutation. Read as it is written, a byte costs D - 1 look-ups all over the key.
 * Here each value that has gone by adds one column, all it will ever contribute, to the D - 1 sums ahead of it: one row of
 * numbers on another, four at a time. A sum is below 2^32 for every key that fits into memory, so it is reduced when it is met.
 */
export class Columns {
  /** How many sums a value adds to: D - 1. */
  readonly reach: number;
  readonly modulus: number;
  readonly #memory: VectorMemory;
  /** The sums ahead of the stream that runs now, and as many behind it as have been met in this run. */
  readonly #sums: Uint32Array;
  readonly #columnsAt: number;
  readonly #columnBytes: number;

  /** `shifts[lag - 1][value]` is what a value adds to the sum `lag` places behind it; all of them are below `modulus`. */
  constructor(shifts: readonly Uint8Array[], modulus: number) {
    this.reach = shifts.length;
    this.modulus = modulus;
    const width = 4 * Math.ceil(shifts.length / 4);
    this.#columnBytes = width * NUMBER_BYTES;
    this.#columnsAt = (RUN_LENGTH + width) * NUMBER_BYTES;
    this.#memory = makeVectorMemory(this.#columnsAt + modulus * this.#columnBytes);
    this.#sums = new Uint32Array(this.#memory.buffer, 0, RUN_LENGTH + width);
    const columns = new Uint32Array(this.#memory.buffer, this.#columnsAt, modulus * width);
    for (const [index, shift] of shifts.entries()) {
      for (let value = 0; value < modulus; value += 1) columns[value * width + index] = shift[value]!;
    }
  }

  /** Begins a run of at most `RUN_LENGTH` places for a stream whose next `reach` sums are `ahead`. */
  start(ahead: Uint32Array): void {
    this.#sums.set(ahead);
    this.#sums.fill(0, this.reach);
  }

  /** The sum that is met at `place` of the run, below the modulus. */
  sum(place: number): number {
    return this.#sums[place]! % this.modulus;
  }

  /** Adds the column of the value that was at `place`. */
  pass(place: number, value: number): void {
    const column = this.#columnsAt + value * this.#columnBytes;
    this.#memory.add((place + 1) * NUMBER_BYTES, column, column + this.#columnBytes);
  }

  /** Ends the run at `place`: the sums from there on are put into `ahead`. */
  end(place: number, ahead: Uint32Array): void {
    ahead.set(this.#sums.subarray(place, place + this.reach));
  }
}

/** Places between two moves of the sums to the start of their memory. */
export const RUN_LENGTH = 4096;
const NUMBER_BYTES = 4;
