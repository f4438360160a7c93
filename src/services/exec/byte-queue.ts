/** Bytes in the order in which they came. Small pieces are copied together, so that many of them cost little more. */
export class ByteQueue {
  #pieces: Uint8Array[] = [];
  /** The end of the queue while it consists of small pieces, filled up to `#used`. */
  #tail: Uint8Array | undefined;
  #used = 0;
  #byteLength = 0;

  get byteLength(): number {
    return this.#byteLength;
  }

  /** Takes over the bytes. */
  push(bytes: Uint8Array): void {
    this.#byteLength += bytes.length;
    if (bytes.length >= SMALL_BYTES) {
      this.#closeTail();
      this.#pieces.push(bytes);
      return;
    }
    if (bytes.length > SMALL_BYTES - this.#used) this.#closeTail();
    this.#tail ??= new Uint8Array(SMALL_BYTES);
    this.#tail.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** The next bytes, or `undefined` if there are none. */
  shift(): Uint8Array | undefined {
    if (this.#pieces.length === 0) this.#closeTail();
    const piece = this.#pieces.shift();
    this.#byteLength -= piece?.length ?? 0;
    return piece;
  }

  clear(): void {
    this.#pieces = [];
    this.#tail = undefined;
    this.#used = 0;
    this.#byteLength = 0;
  }

  #closeTail(): void {
    if (this.#tail === undefined) return;
    if (this.#used > 0) this.#pieces.push(this.#tail.subarray(0, this.#used));
    this.#tail = undefined;
    this.#used = 0;
  }
}

const SMALL_BYTES = 4096;
