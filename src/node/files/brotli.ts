import { brotliCompress, brotliDecompress, constants } from 'node:zlib';
import { LineError } from '../../errors.ts';
import type { Compressor } from '../../services/files/coding/compressor.ts';

/** Brotli by node:zlib, in the thread pool, of one compressor a few calls at a time. */
export function brotliCompressor(): Compressor {
  const places = new Places(MAX_AT_ONCE);
  return {
    compress: bytes => places.taking(() => compress(bytes)),
    decompress: (coded, byteLength) => places.taking(() => decompress(coded, byteLength)),
  };
}

function compress(bytes: Uint8Array): Promise<Uint8Array> {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: WINDOW_BITS,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  return new Promise((resolve, reject) => {
    brotliCompress(bytes, { params }, (cause, coded) => {
      if (cause === null) resolve(plain(coded));
      else reject(new LineError('INTERNAL', 'a block could not be compressed', { cause }));
    });
  });
}

/** What is not a stream of just these lengths fails: the decoder stops at the first byte too many. */
function decompress(coded: Uint8Array, byteLength: number): Promise<Uint8Array> {
  const options = { maxOutputLength: byteLength, chunkSize: Math.max(byteLength, MIN_CHUNK_BYTES), info: true };
  return new Promise((resolve, reject) => {
    brotliDecompress(coded, options, (cause, result) => {
      if (cause !== null) {
        reject(new LineError('MISMATCH', 'a compressed block is not what was announced', { cause }));
        return;
      }
      // `info` makes it a pair, which Node's types do not tell.
      const { buffer, engine } = result as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
      if (buffer.length === byteLength && engine.bytesWritten === coded.length) resolve(plain(buffer));
      else reject(new LineError('MISMATCH', 'a compressed block is not as long as announced'));
    });
  });
}

/** As memory of its own: small buffers of Node share theirs. */
function plain(buffer: Buffer): Uint8Array {
  if (buffer.length < buffer.buffer.byteLength) return Uint8Array.from(buffer);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** Lets so many work at once; the others wait in their order. */
class Places {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async taking<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>(resolve => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

/** Half of the thread pool, whose other half is for the disk. */
const MAX_AT_ONCE = 2;
/** About as fast as AES and the disk together; 4 takes twice as long for 3 % (measured on text and logs). */
const QUALITY = 3;
/** 1 MiB, which is a block. */
const WINDOW_BITS = 20;
/** Node takes no less. */
const MIN_CHUNK_BYTES = 64;
