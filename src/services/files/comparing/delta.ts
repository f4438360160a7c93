import type { ReceivingFile, SourceFile } from '../store.ts';
import { Turns } from '../turns.ts';
import type { ChunkList, RemoteChunks } from './chunk-list.ts';
import { averageChunkBytes, chunksOf, maxChunkBytes, minChunkBytes } from './chunker.ts';
import { type Range, Ranges } from './ranges.ts';

/**
 * A new version of a file from the one that is here (docs/decisions/0014-delta.md).
 *
 *   1. What an earlier session left in the partial is kept where it is what the sender lists for that place.
 *   2. The old version is cut as the sender cut the new one. Each chunk that the list has is written to all its places,
 *      the very bytes whose tag was made, so that an old version that changes meanwhile does no harm.
 *   3. What is still missing is the answer: those ranges have to be fetched.
 */
export async function findInOldVersion(
  theirs: RemoteChunks,
  old: Pick<SourceFile, 'read' | 'entry'>,
  file: ReceivingFile,
  options: DeltaOptions,
): Promise<Range[]> {
  const { list, mac, entry } = theirs;
  const averageBytes = averageChunkBytes(entry.size);
  const offsets = offsetsOf(list);
  const isHere = new Uint8Array(list.count);
  const kept = new Kept(options.onKept);
  const turns = new Turns(options.signal);
  if (file.keptBytes > 0) {
    const buffer = new Uint8Array(maxChunkBytes(averageBytes));
    for (let chunk = 0; chunk < list.count; chunk += 1) {
      const length = list.lengthOf(chunk);
      if (offsets[chunk]! + length > file.keptBytes) break;
      const bytes = buffer.subarray(0, length);
      await file.read(bytes, offsets[chunk]!);
      if (list.hasTag(chunk, mac(bytes))) {
        isHere[chunk] = 1;
        kept.add(length);
      }
      await turns.after(length);
    }
  }
  for await (const { bytes } of chunksOf(old, old.entry.size, averageBytes)) {
    // The short end of a file could be guessed by a sender that sees what is asked for; it costs little to fetch.
    if (bytes.length <= minChunkBytes(averageBytes)) continue;
    for (const chunk of list.takeWithTag(mac(bytes))) {
      if (isHere[chunk] === 1 || list.lengthOf(chunk) !== bytes.length) continue;
      await file.write(bytes, offsets[chunk]!);
      isHere[chunk] = 1;
      kept.add(bytes.length);
    }
    await turns.after(bytes.length);
  }
  kept.flush();
  const missing = new Ranges();
  for (let chunk = 0; chunk < list.count; chunk += 1) {
    if (isHere[chunk] === 0) missing.add(offsets[chunk]!, list.lengthOf(chunk));
  }
  return missing.all;
}

export interface DeltaOptions {
  readonly signal: AbortSignal;
  /** Hears of bytes that need not come, in portions. */
  readonly onKept: (bytes: number) => void;
}

/** Whether finding out what has changed is worth it, and within what is planned for. */
export function isDeltaWorthIt(newBytes: number, oldBytes: number): boolean {
  return Math.min(newBytes, oldBytes) > MIN_DELTA_BYTES && Math.max(newBytes, oldBytes) <= MAX_DELTA_BYTES;
}

function offsetsOf(list: ChunkList): Float64Array {
  const offsets = new Float64Array(list.count);
  for (let chunk = 1; chunk < list.count; chunk += 1) {
    offsets[chunk] = offsets[chunk - 1]! + list.lengthOf(chunk - 1);
  }
  return offsets;
}

/** Tells in portions. */
class Kept {
  readonly #tell: (bytes: number) => void;
  #bytes = 0;

  constructor(tell: (bytes: number) => void) {
    this.#tell = tell;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= PORTION_BYTES) this.flush();
  }

  flush(): void {
    if (this.#bytes > 0) this.#tell(this.#bytes);
    this.#bytes = 0;
  }
}

const MIN_DELTA_BYTES = 1024 * 1024;
/** Up to here a list has at most some 500,000 chunks. */
const MAX_DELTA_BYTES = 64 * 2 ** 30;
const PORTION_BYTES = 1024 * 1024;
