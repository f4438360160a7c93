import type { Compressor } from './compressor.ts';

/**
 * Compresses the blocks of one file for as long as that makes them smaller. Content that does not shrink costs a sample of
 * at most 64 KiB now and then.
 */
export class Shrinkage {
  readonly #compressor: Compressor;
  #isShrinking = false;
  /** Go plain before the next sample. */
  #plainBytesLeft = 0;

  constructor(compressor: Compressor) {
    this.#compressor = compressor;
  }

  /** `bytes` compressed, or `undefined` if they are to go as they are. */
  async shrink(bytes: Uint8Array): Promise<Uint8Array | undefined> {
    if (bytes.length < MIN_BYTES) return undefined;
    if (this.#plainBytesLeft > 0) {
      this.#plainBytesLeft -= bytes.length;
      return undefined;
    }
    if (!this.#isShrinking && bytes.length > MAX_UNSAMPLED_BYTES) {
      const sample = sampleOf(bytes);
      if (!isWorthIt(await this.#compressor.compress(sample), sample)) return this.#goPlain();
    }
    const coded = await this.#compressor.compress(bytes);
    if (!isWorthIt(coded, bytes)) return this.#goPlain();
    this.#isShrinking = true;
    return coded;
  }

  #goPlain(): undefined {
    this.#isShrinking = false;
    this.#plainBytesLeft = PLAIN_BYTES_BETWEEN_SAMPLES;
  }
}

/** From the middle: the head of a file often shrinks where the rest does not. */
function sampleOf(bytes: Uint8Array): Uint8Array {
  const length = Math.min(MAX_SAMPLE_BYTES, bytes.length >> 2);
  const start = (bytes.length - length) >> 1;
  return bytes.subarray(start, start + length);
}

function isWorthIt(coded: Uint8Array, plain: Uint8Array): boolean {
  return coded.length < WORTHWHILE * plain.length;
}

/** Below this, records are padded and a message costs as much as it saves. */
const MIN_BYTES = 1024;
const MAX_UNSAMPLED_BYTES = 16 * 1024;
const MAX_SAMPLE_BYTES = 64 * 1024;
const PLAIN_BYTES_BETWEEN_SAMPLES = 16 * 1024 * 1024;
const WORTHWHILE = 0.9;
