/** Bytes that are collected piece by piece: room is taken for what has come, never for what was announced. */
export class GrowingBytes {
  #room = new Uint8Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Copies `piece`. */
  append(piece: Uint8Array): void {
    if (this.#length + piece.length > this.#room.length) {
      const larger = new Uint8Array(Math.max(this.#room.length * 2, this.#length + piece.length));
      larger.set(this.#room.subarray(0, this.#length));
      this.#room = larger;
    }
    this.#room.set(piece, this.#length);
    this.#length += piece.length;
  }

  /** A view of all of it, good until the next `append`. */
  take(): Uint8Array {
    return this.#room.subarray(0, this.#length);
  }
}

export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const all = new GrowingBytes();
  for (const part of parts) all.append(part);
  return all.take();
}
