import { RUN_LENGTH } from './columns.ts';
import type { Key } from './key.ts';
import { Primer } from './primer.ts';

/** What encrypting and decrypting have in common: where in the stream it is. One for each direction of a conversation. */
abstract class Processor {
  protected readonly key: Key;
  /** Next sums of the stream. */
  readonly #ahead: Uint32Array;
  /** The last values that have gone by, in a circle that begins at `#oldest`. */
  readonly #recent: Uint8Array;
  #oldest = 0;

  /** Throws `USAGE` if the two do not fit. */
  constructor(key: Key, primer: Primer) {
    primer.check(key);
    this.key = key;
    this.#recent = primer.bytes.map(byte => key.values[byte]!);
    this.#ahead = new Uint32Array(key.columns.reach);
    for (let at = 0; at < this.#recent.length; at += RUN_LENGTH) {
      const values = this.#recent.subarray(at, at + RUN_LENGTH);
      key.columns.start(this.#ahead);
      for (const [place, value] of values.entries()) key.columns.pass(place, value);
      key.columns.end(values.length, this.#ahead);
    }
  }

  /** The next bytes of the stream, converted, in a new array. */
  process(input: Uint8Array): Uint8Array {
    const output = new Uint8Array(input.length);
    for (let at = 0; at < input.length; at += RUN_LENGTH) {
      this.#run(input.subarray(at, at + RUN_LENGTH), output.subarray(at));
    }
    return output;
  }

  /** Where the stream is now: with it and the same key, another one goes on from here. */
  get primer(): Primer {
    const inOrder = [...this.#recent.subarray(this.#oldest), ...this.#recent.subarray(0, this.#oldest)];
    return new Primer(Uint8Array.from(inOrder, value => this.key.order[value]!));
  }

  /** The counterpart of a byte of the alphabet that meets `sum`. */
  protected abstract convert(byte: number, sum: number): number;
  /** Which of the two is plain. */
  protected abstract plainOf(input: number, output: number): number;

  #run(input: Uint8Array, output: Uint8Array): void {
    const { values, columns } = this.key;
    columns.start(this.#ahead);
    let place = 0;
    for (let at = 0; at < input.length; at += 1) {
      const byte = input[at]!;
      if (values[byte] === -1) {
        output[at] = byte;
        continue;
      }
      const counterpart = this.convert(byte, columns.sum(place));
      output[at] = counterpart;
      const value = values[this.plainOf(byte, counterpart)]!;
      columns.pass(place, value);
      this.#remember(value);
      place += 1;
    }
    columns.end(place, this.#ahead);
  }

  #remember(value: number): void {
    this.#recent[this.#oldest] = value;
    this.#oldest += 1;
    if (this.#oldest === this.#recent.length) this.#oldest = 0;
  }
}

/** Encrypts a stream, in pieces of any length. */
export class Encrypter extends Processor {
  protected convert(byte: number, sum: number): number {
    return this.key.encoded[sum + this.key.values[byte]!]!;
  }

  protected plainOf(input: number): number {
    return input;
  }
}

/** Decrypts a stream, in pieces of any length. There is nothing to verify: every byte decrypts to one. */
export class Decrypter extends Processor {
  protected convert(byte: number, sum: number): number {
    const value = this.key.decoded[byte]! - sum;
    return this.key.order[value < 0 ? value + this.key.order.length : value]!;
  }

  protected plainOf(_input: number, output: number): number {
    return output;
  }
}
