import type { SourceFile } from '../store.ts';

/**
 * Content-defined chunking (FastCDC, normalised): where a chunk ends depends on the bytes before its end alone, so that
 * after an insertion the chunks behind it are the ones from before. Both ends must cut alike, so everything here is part of
 * the protocol (docs/protocol/4-services.md §1).
 *
 *   1. The first quarter of the average is skipped: no chunk but the last is shorter.
 *   2. Up to the average two more bits of the hash must be zero than behind it; at four averages the length ends it.
 */
export interface Cut {
  readonly offset: number;
  /** Borrowed until the next one is asked for. */
  readonly bytes: Uint8Array;
}

/** The chunks of the first `byteLength` bytes of `file`, in order. A file that has become shorter ends them early. */
export async function* chunksOf(
  file: Pick<SourceFile, 'read'>,
  byteLength: number,
  averageBytes: number,
): AsyncGenerator<Cut, void, void> {
  const buffer = new Uint8Array(Math.min(byteLength, Math.max(BLOCK_BYTES, 2 * maxChunkBytes(averageBytes))));
  let offset = 0;
  let start = 0;
  let end = 0;
  let position = 0;
  let hasMore = byteLength > 0;
  while (hasMore || start < end) {
    if (hasMore && end - start < maxChunkBytes(averageBytes)) {
      buffer.copyWithin(0, start, end);
      end -= start;
      start = 0;
      const room = buffer.subarray(end, end + Math.min(buffer.length - end, byteLength - position));
      const count = await file.read(room, position);
      end += count;
      position += count;
      hasMore = count === room.length && position < byteLength;
      continue;
    }
    const length = cutLength(buffer, start, end, averageBytes);
    yield { offset, bytes: buffer.subarray(start, start + length) };
    offset += length;
    start += length;
  }
}

/** Length of the chunk that begins at `start`. Unless the file ends at `end`, that must be a largest chunk away. */
export function cutLength(bytes: Uint8Array, start: number, end: number, averageBytes: number): number {
  const limit = Math.min(end, start + maxChunkBytes(averageBytes));
  const middle = Math.min(limit, start + averageBytes);
  const first = Math.min(limit, start + minChunkBytes(averageBytes));
  const averageBits = 31 - Math.clz32(averageBytes);
  const cut =
    scan(bytes, first, middle, averageBits + NORMAL_BITS) ?? scan(bytes, middle, limit, averageBits - NORMAL_BITS);
  return (cut ?? limit) - start;
}

/**
 * The end of the first byte from `at` on behind which the upper `bits` of the gear hash are all zero: they depend on the
 * last 32 bytes, lower ones on fewer. Four bytes a turn with the shortest chain of dependent steps: measured, twice as
 * fast as one by one, which test/services/files/chunker.test.ts has as the reference.
 */
function scan(bytes: Uint8Array, from: number, to: number, bits: number): number | undefined {
  const gear = GEAR;
  const mask = -1 << (32 - bits);
  let hash = 0;
  let at = from;
  for (const last = to - 3; at < last; at += 4) {
    const gear0 = gear[bytes[at]!]!;
    const gear1 = gear[bytes[at + 1]!]!;
    const gear2 = gear[bytes[at + 2]!]!;
    const gear3 = gear[bytes[at + 3]!]!;
    const hash0 = ((hash << 1) + gear0) | 0;
    const hash1 = ((hash << 2) + (((gear0 << 1) + gear1) | 0)) | 0;
    const hash2 = ((hash1 << 1) + gear2) | 0;
    hash = ((hash1 << 2) + (((gear2 << 1) + gear3) | 0)) | 0;
    if ((hash0 & mask) === 0) return at + 1;
    if ((hash1 & mask) === 0) return at + 2;
    if ((hash2 & mask) === 0) return at + 3;
    if ((hash & mask) === 0) return at + 4;
  }
  for (; at < to; at += 1) {
    hash = ((hash << 1) + gear[bytes[at]!]!) | 0;
    if ((hash & mask) === 0) return at + 1;
  }
  return undefined;
}

/** The average for a file of this size: a power of two, so that a list stays within some 131,072 chunks. */
export function averageChunkBytes(byteLength: number): number {
  let averageBytes = MIN_AVERAGE_BYTES;
  while (averageBytes * USUAL_CHUNKS < byteLength) averageBytes *= 2;
  return averageBytes;
}

export function minChunkBytes(averageBytes: number): number {
  return averageBytes / MIN_DIVISOR;
}

export function maxChunkBytes(averageBytes: number): number {
  return averageBytes * MAX_FACTOR;
}

/** One random-looking word for each byte, from the additive generator with Murmur3's finish (SplitMix32). */
function gearTable(): Int32Array {
  const table = new Int32Array(256);
  for (let byte = 0; byte < 256; byte += 1) {
    let word = Math.imul(byte + 1, GEAR_STEP);
    word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
    word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
    table[byte] = word ^ (word >>> 16);
  }
  return table;
}

// Of the protocol.
const MIN_AVERAGE_BYTES = 32 * 1024;
const USUAL_CHUNKS = 131_072;
const MIN_DIVISOR = 4;
const MAX_FACTOR = 4;
const NORMAL_BITS = 2;
const GEAR_STEP = 0x9e3779b9;
const GEAR = gearTable();

// Ours.
const BLOCK_BYTES = 1024 * 1024;
