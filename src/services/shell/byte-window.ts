import { LineError } from '../../errors.ts';

/**
 * The part of a stream of bytes that somebody still needs, by the number of each byte: from `start`, before which nothing
 * is needed any more, to `end`. Its memory is its capacity, in however small pieces the bytes come.
 */
export class ByteWindow {
  readonly #ring: Uint8Array;
  #start = 0;
  #end = 0;

  constructor(capacityBytes: number) {
    this.#ring = new Uint8Array(capacityBytes);
  }

  get capacityBytes(): number {
    return this.#ring.length;
  }

  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  get roomBytes(): number {
    return this.#ring.length - (this.#end - this.#start);
  }

  /** Appends as many of `bytes` as there is room for, copied, and tells how many that were. */
  push(bytes: Uint8Array): number {
    const length = Math.min(bytes.length, this.roomBytes);
    const at = this.#end % this.#ring.length;
    const untilWrap = Math.min(length, this.#ring.length - at);
    this.#ring.set(bytes.subarray(0, untilWrap), at);
    this.#ring.set(bytes.subarray(untilWrap, length), 0);
    this.#end += length;
    return length;
  }

  /** A copy of at most `maxBytes` from byte `from` on, which lies in the window; shorter where the ring wraps. */
  copy(from: number, maxBytes: number): Uint8Array {
    const at = from % this.#ring.length;
    const length = Math.min(maxBytes, this.#end - from, this.#ring.length - at);
    return this.#ring.slice(at, at + length);
  }

  /** What is before byte `to` is needed no more. Throws `PROTOCOL` for a byte outside the window: peers name it. */
  release(to: number): void {
    if (to < this.#start || to > this.#end) throw new LineError('PROTOCOL', 'a number of bytes that were not sent');
    this.#start = to;
  }

  /** Forgets everything: its bytes will come again. */
  rewind(): void {
    this.#end = this.#start;
  }
}
