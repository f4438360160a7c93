import type { SourceFile } from './store.ts';

/** A running SHA-256 (FIPS 180-4), given by the platform. */
export interface Sha256 {
  update(bytes: Uint8Array): void;
  /** 32 bytes; called once. */
  digest(): Uint8Array;
}

export type MakeSha256 = () => Sha256;

/** SHA-256 of what lies on disk, read whole; `onProgress` hears how far it is. Throws `CHANGED` as the file does. */
export async function hashFile(
  file: SourceFile,
  makeSha256: MakeSha256,
  onProgress: (bytesDone: number) => Promise<void> | void = () => {},
): Promise<Uint8Array> {
  const hash = makeSha256();
  const { size } = file.entry;
  const buffer = new Uint8Array(Math.min(size, BLOCK_BYTES));
  for (let position = 0; position < size; ) {
    const count = await file.read(buffer.subarray(0, Math.min(buffer.length, size - position)), position);
    if (count === 0) break;
    hash.update(buffer.subarray(0, count));
    position += count;
    await onProgress(position);
  }
  await file.verifyUnchanged();
  return hash.digest();
}

const BLOCK_BYTES = 1024 * 1024;
