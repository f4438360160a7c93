import { LineError } from '../../../errors.ts';
import { concatBytes, u32Bytes } from '../../../protocol/bytes/writer.ts';
import type { Entry } from '../entry.ts';
import { type ChunkMac, TAG_BYTES } from './chunk-mac.ts';
import { maxChunkBytes, minChunkBytes } from './chunker.ts';

/** One chunk in a `files.chunks` answer: its length as u32, its tag. */
export const LISTED_BYTES = 4 + TAG_BYTES;

export function encodeListed(length: number, tag: Uint8Array): Uint8Array {
  return concatBytes(u32Bytes(length), tag);
}

/**
 * The chunks of a file as the sender lists them, found again by their tags. Some 100 bytes for each chunk, of which
 * there are as many as the file's size allows: what comes is checked against that while it comes.
 */
export class ChunkList {
  readonly #byteLength: number;
  readonly #averageBytes: number;
  #count = 0;
  #listedBytes = 0;
  #lengths: Uint32Array;
  #tags: Uint8Array;
  #rest: Uint8Array = new Uint8Array(0);
  /**
   * The first chunk with each tag, made once the list is whole. A Map, because the sender chooses the tags: a table of
   * ours without a secret would be slow for the ones that it likes.
   */
  readonly #first = new Map<string, number>();
  /** The next chunk with the same tag plus one, 0 for none. */
  #next = new Uint32Array(0);

  constructor(byteLength: number, averageBytes: number) {
    this.#byteLength = byteLength;
    this.#averageBytes = averageBytes;
    const usual = Math.ceil(byteLength / averageBytes) + 1;
    this.#lengths = new Uint32Array(usual);
    this.#tags = new Uint8Array(usual * TAG_BYTES);
  }

  get count(): number {
    return this.#count;
  }

  lengthOf(chunk: number): number {
    return this.#lengths[chunk]!;
  }

  hasTag(chunk: number, tag: Uint8Array): boolean {
    for (let at = 0; at < TAG_BYTES; at += 1) if (this.#tags[chunk * TAG_BYTES + at] !== tag[at]) return false;
    return true;
  }

  /** Takes the next bytes of the list. Throws `MISMATCH` for chunks that the file cannot have. */
  take(bytes: Uint8Array): void {
    const listed = this.#rest.length === 0 ? bytes : concatBytes(this.#rest, bytes);
    let at = 0;
    for (; at + LISTED_BYTES <= listed.length; at += LISTED_BYTES) {
      const view = new DataView(listed.buffer, listed.byteOffset + at, LISTED_BYTES);
      this.#add(view.getUint32(0), listed.subarray(at + 4, at + LISTED_BYTES));
    }
    this.#rest = listed.slice(at);
  }

  /** To be called after the last `take`. Throws `MISMATCH` if chunks are missing. */
  finish(): void {
    if (this.#rest.length > 0 || this.#listedBytes !== this.#byteLength) {
      throw new LineError('MISMATCH', 'the chunks are not those of the whole file');
    }
    this.#next = new Uint32Array(this.#count);
    // From the last to the first, so that a chain leads upwards.
    for (let chunk = this.#count - 1; chunk >= 0; chunk -= 1) {
      const tag = tagText(this.#tags, chunk * TAG_BYTES);
      this.#next[chunk] = (this.#first.get(tag) ?? -1) + 1;
      this.#first.set(tag, chunk);
    }
  }

  /**
   * The numbers of all chunks with this tag, ascending, and only the first time: a file that repeats itself a thousand
   * times, in both versions or by what the sender claims, would else take a million steps.
   */
  *takeWithTag(tag: Uint8Array): Generator<number, void, void> {
    const text = tagText(tag, 0);
    let chunk = this.#first.get(text) ?? -1;
    this.#first.delete(text);
    for (; chunk >= 0; chunk = this.#next[chunk]! - 1) yield chunk;
  }

  #add(length: number, tag: Uint8Array): void {
    const isLast = this.#listedBytes + length === this.#byteLength;
    const isShort = length === 0 || (length <= minChunkBytes(this.#averageBytes) && !isLast);
    const isLong = length > maxChunkBytes(this.#averageBytes) || this.#listedBytes + length > this.#byteLength;
    if (isShort || isLong) throw new LineError('MISMATCH', 'a chunk came that the file cannot have');
    if (this.#count === this.#lengths.length) {
      this.#lengths = grown(this.#lengths, new Uint32Array(2 * this.#count));
      this.#tags = grown(this.#tags, new Uint8Array(2 * this.#count * TAG_BYTES));
    }
    this.#lengths[this.#count] = length;
    this.#tags.set(tag, this.#count * TAG_BYTES);
    this.#listedBytes += length;
    this.#count += 1;
  }
}

function tagText(bytes: Uint8Array, start: number): string {
  return String.fromCharCode(...bytes.subarray(start, start + TAG_BYTES));
}

function grown<T extends Uint32Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** The answer to `files.chunks`. */
export interface RemoteChunks {
  readonly entry: Entry;
  readonly list: ChunkList;
  /** Makes tags of the same comparison. */
  readonly mac: ChunkMac;
}
