import { LineError } from '../../errors.ts';

/**
 * A cursor over received bytes that cannot read past their end: a field that is not wholly there is `MALFORMED`.
 * Integers are big-endian. Views are handed out, never copies; they live as long as the buffer they look into.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Bytes not yet read. */
  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#offset;
  }

  u8(): number {
    return this.take(1)[0]!;
  }

  u16(): number {
    const at = this.take(2);
    return (at[0]! << 8) | at[1]!;
  }

  u24(): number {
    const at = this.take(3);
    return (at[0]! << 16) | (at[1]! << 8) | at[2]!;
  }

  u32(): number {
    const at = this.take(4);
    return at[0]! * 0x1000000 + ((at[1]! << 16) | (at[2]! << 8) | at[3]!);
  }

  /** A count below 2^53; a larger one is refused, because numbers beyond lose their low bits without a sign. */
  u64(): number {
    const high = this.u32();
    const low = this.u32();
    if (high >= 0x200000) throw new LineError('MALFORMED', 'a 64-bit count is 2^53 or more');
    return high * 0x100000000 + low;
  }

  /** A view of the next `length` bytes. */
  take(length: number): Uint8Array {
    if (length > this.remaining) throw new LineError('MALFORMED', 'a field ends after its message');
    const view = this.#bytes.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return view;
  }

  /** A view of everything left. */
  rest(): Uint8Array {
    return this.take(this.remaining);
  }

  /** Says that the message must end here. */
  finish(): void {
    if (this.remaining !== 0) throw new LineError('MALFORMED', 'bytes follow the last field');
  }
}
