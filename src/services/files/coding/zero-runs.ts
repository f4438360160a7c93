import type { Content } from './content.ts';

/**
 * A block as what is in it and runs of zeros, in order. Runs count from `MIN_RUN_BYTES` on, and at the edges of the block
 * from one page on, since they may go on in the next one. The parts are views of `block`.
 */
export function cutAtZeros(block: Uint8Array): Content[] {
  const parts: Content[] = [];
  let dataStart = 0;
  for (let at = 0; at < block.length; ) {
    const runEnd = endOfZeros(block, at);
    const atEdge = at === 0 || runEnd === block.length;
    if (runEnd > at && (atEdge || runEnd - at >= MIN_RUN_BYTES)) {
      if (at > dataStart) parts.push(block.subarray(dataStart, at));
      parts.push({ zeros: runEnd - at });
      dataStart = runEnd;
    }
    at = Math.max(runEnd, at + PAGE_BYTES);
  }
  if (block.length > dataStart) parts.push(block.subarray(dataStart));
  return parts;
}

/** Where the run of zero pages that begins at `start` ends; `start` itself if that page has anything else in it. */
function endOfZeros(block: Uint8Array, start: number): number {
  let at = start;
  while (at < block.length) {
    const end = Math.min(at + PAGE_BYTES, block.length);
    if (!isZero(block, at, end)) break;
    at = end;
  }
  return at;
}

/** By words of four bytes where the memory is aligned, which blocks are. */
function isZero(block: Uint8Array, start: number, end: number): boolean {
  let at = start;
  if ((block.byteOffset + start) % 4 === 0) {
    const words = new Uint32Array(block.buffer, block.byteOffset + start, (end - start) >> 2);
    for (let word = 0; word < words.length; word += 1) if (words[word] !== 0) return false;
    at += words.byteLength;
  }
  for (; at < end; at += 1) if (block[at] !== 0) return false;
  return true;
}

const PAGE_BYTES = 4096;
/** Less is not worth a message of its own. */
export const MIN_RUN_BYTES = 64 * 1024;
