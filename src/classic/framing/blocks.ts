import { MAX_BLOCK_BYTES } from '../limits.ts';
import type { ByteSource } from '../net/connection.ts';
import { acceptLength } from './announced.ts';
import { receiveExactly } from './exactly.ts';
import { joinBytes } from './growing-bytes.ts';

/**
 * The first tutorial's cure: `length.to_bytes(4, 'little')` before each block of a file, and an empty block at the end. The
 * byte order is written down and the number has no sign, which is all that `struct 'i'` lacked but a bound.
 */
export function encodeBlock(block: Uint8Array): Uint8Array {
  const length = new Uint8Array(LENGTH_BYTES);
  new DataView(length.buffer).setUint32(0, block.length, true);
  return joinBytes([length, block]);
}

/** The blocks up to the empty one. Throws `SIZE` for a block over `MAX_BLOCK_BYTES`, `TRUNCATED` if the end comes first. */
export async function* receiveBlocks(source: ByteSource): AsyncGenerator<Uint8Array> {
  for (;;) {
    const length = await receiveExactly(source, LENGTH_BYTES);
    const bytes = acceptLength(new DataView(length.buffer, length.byteOffset).getUint32(0, true), MAX_BLOCK_BYTES);
    if (bytes === 0) return;
    yield await receiveExactly(source, bytes);
  }
}

const LENGTH_BYTES = 4;
