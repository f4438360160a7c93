import { RUN_LENGTH } from './columns.ts';
import type { Conversion, Key } from './key.ts';
import { Primer } from './primer.ts';

/** What encrypting and decrypting have in common: where in the stream it is. One for each direction of a conversation. */
class Processor {
  readonly #key: Key;
  readonly #conversion: Conversion;
  /** Next sums of the stream. */
  readonly #ahead: Uint32Array;
  /** The last values that have gone by, in a circle that begins at `#oldest`. */
  readonly #recent: Uint8Array;
  #oldest = 0;

  /** Throws `USAGE` if the two do not fit. */
  constructor(key: Key, primer: Primer, conversion: Conversion) {
    primer.check(key);
    this.#key = key;
    this.#conversion = conversion;
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
    return new Primer(Uint8Array.from(inOrder, value => this.#key.order[value]!));
  }

  #run(input: Uint8Array, output: Uint8Array): void {
    const { values, columns, order } = this.#key;
    const { starts, ends, isEncrypting } = this.#conversion;
    columns.start(this.#ahead);
    let place = 0;
    for (let at = 0; at < input.length; at += 1) {
      const byte = input[at]!;
      if (values[byte] === -1) {
        output[at] = byte;
        continue;
      }
      const sum = columns.sum(place);
      const counterpart = ends[isEncrypting ? starts[byte]! + sum : starts[byte]! + order.length - sum]!;
      output[at] = counterpart;
      const value = values[isEncrypting ? byte : counterpart]!;
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
  constructor(key: Key, primer: Primer) {
    super(key, primer, key.encrypting);
  }
}

/** Decrypts a stream, in pieces of any length. There is nothing to verify: every byte decrypts to one. */
export class Decrypter extends Processor {
  constructor(key: Key, primer: Primer) {
    super(key, primer, key.decrypting);
  }
}
