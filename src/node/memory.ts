import { setFlagsFromString } from 'node:v8';
import { MessageChannel } from 'node:worker_threads';

/**
 * Gives the memory of a large buffer back at once, in place of some time after the next garbage collection: the next one
 * of its size then gets the same warm pages (docs/decisions/0011-memory-given-back.md has the figures).
 *
 * Whoever calls this must own all of the array's buffer: every other view of it is empty afterwards. Small buffers are
 * left alone; they are cheaper to collect.
 */
export function releaseMemory(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (bytes.length < LARGE_BYTES || buffer.byteLength > bytes.length + MARGIN_BYTES) return;
  try {
    // What is posted to a closed port is detached, as for any port, and then dropped.
    NOWHERE.postMessage(buffer, [buffer as ArrayBuffer]);
  } catch {
    // A buffer that cannot be detached is left to the collector.
  }
}

/**
 * Lets the C library keep freed blocks of up to 16 MiB for the next time: by default it returns them to the system, and
 * each new one costs a page fault per 4 KiB. Freeing one block of that size raises its threshold; nothing touches it.
 */
export function keepFreedMemory(): void {
  // Not filled with zeros: for all blocks but the first that would take a millisecond, at each line that is dialled.
  releaseMemory(Buffer.allocUnsafeSlow(16 * 1024 * 1024));
}

/**
 * From now on the heap is collected before it has grown by much: some tenths more of CPU time, and in a tree of a million
 * files half of the memory. For a program of its own, such as the command; it cannot be taken back.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--optimize-for-size');
}

const LARGE_BYTES = 256 * 1024;
const MARGIN_BYTES = 16 * 1024;
const NOWHERE = closedPort();

function closedPort() {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  port1.close();
  return port1;
}
