/** Makes short messages: fields are appended, `finish` gives one new array. Integers are big-endian. */
export class ByteWriter {
  readonly #parts: Uint8Array[] = [];

  u8(value: number): this {
    return this.bytes(Uint8Array.of(value));
  }

  u16(value: number): this {
    return this.bytes(Uint8Array.of(value >>> 8, value));
  }

  u24(value: number): this {
    return this.bytes(Uint8Array.of(value >>> 16, value >>> 8, value));
  }

  u32(value: number): this {
    return this.bytes(u32Bytes(value));
  }

  u64(value: number): this {
    return this.bytes(u64Bytes(value));
  }

  /** Keeps a reference until `finish`. */
  bytes(value: Uint8Array): this {
    this.#parts.push(value);
    return this;
  }

  finish(): Uint8Array {
    return concatBytes(...this.#parts);
  }
}

export function u32Bytes(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

export function u64Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  putU64(bytes, 0, value);
  return bytes;
}

/** Writes a count below 2^53 at `offset`. */
export function putU64(target: Uint8Array, offset: number, value: number): void {
  const high = Math.floor(value / 0x100000000);
  const low = value >>> 0;
  target[offset] = high >>> 24;
  target[offset + 1] = high >>> 16;
  target[offset + 2] = high >>> 8;
  target[offset + 3] = high;
  target[offset + 4] = low >>> 24;
  target[offset + 5] = low >>> 16;
  target[offset + 6] = low >>> 8;
  target[offset + 7] = low;
}

export function concatBytes(...parts: Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
