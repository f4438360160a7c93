import { putU64 } from '../../../protocol/bytes/writer.ts';
import type { Aead } from '../../../protocol/crypto/provider.ts';
import type { SourceFile } from '../store.ts';

/**
 * Comparing what two ends hold, chunk by chunk, without sending it (docs/protocol/4-services.md): a leaf is the GMAC of
 * one chunk under a key of this comparison alone. It says nothing outside the session, and costs a tenth of a hash.
 */
export const CHUNK_BYTES = 4 * 1024 * 1024;
export const LEAF_BYTES = 16;

export function chunkCount(byteLength: number): number {
  return Math.ceil(byteLength / CHUNK_BYTES);
}

/** The leaves of the first `byteLength` bytes of `file`, in order. */
export async function* leavesOf(
  file: Pick<SourceFile, 'read'>,
  byteLength: number,
  aead: Aead,
): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, byteLength));
  const nonce = new Uint8Array(12);
  for (let index = 0; index * CHUNK_BYTES < byteLength; index += 1) {
    const start = index * CHUNK_BYTES;
    const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, byteLength - start));
    const count = await file.read(chunk, start);
    putU64(nonce, 4, index);
    // GMAC is GCM over associated data alone: what comes back is the tag.
    const [leaf] = aead.seal(nonce, chunk.subarray(0, count), []);
    yield leaf!;
  }
}
