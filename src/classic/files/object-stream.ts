import { constants, deflateSync, inflateSync } from 'node:zlib';
import { LineError } from '../../errors.ts';
import { MAX_INFLATED_BYTES } from '../limits.ts';
import { decryptFrameHeader, encryptFrame, FRAME_HEADER_BYTES } from '../markov/frame.ts';
import { Decrypter, Encrypter } from '../markov/processor.ts';
import type { ByteStream } from '../net/connection.ts';
import { decodePickle } from '../python/pickle-reader.ts';
import type { PickleValue } from '../python/pickle-value.ts';
import { encodePickle } from '../python/pickle-writer.ts';
import type { PasswordKey } from './password-key.ts';

/**
 * A connection over which both sides send each other objects. On its way an object is
 *
 *   1. pickled,
 *   2. compressed by zlib,
 *   3. put behind 16 bits of length,
 *   4. encrypted, each direction as one stream from the connection's start.
 *
 * After a failure it has lost its place and is of no use any more. The connection stays its caller's.
 */
export class ObjectStream {
  readonly #bytes: ByteStream;
  readonly #encrypter: Encrypter;
  readonly #decrypter: Decrypter;

  constructor(bytes: ByteStream, { key, primer }: PasswordKey) {
    this.#bytes = bytes;
    this.#encrypter = new Encrypter(key, primer);
    this.#decrypter = new Decrypter(key, primer);
  }

  /** Resolves when the system has taken all of it; `TIMEOUT` if that takes nothing for `withinMs`. */
  async send(value: PickleValue, withinMs: number): Promise<void> {
    const compressed = deflateSync(encodePickle(value), { level: constants.Z_BEST_COMPRESSION });
    await this.#bytes.send(encryptFrame(this.#encrypter, compressed), withinMs);
  }

  /**
   * The peer's next object, or `undefined` if the connection ends before it begins; `TRUNCATED` if it ends in the midst of
   * it, `TIMEOUT` if it is not whole after `withinMs`. `AUTH` if what comes makes no sense: another password, or altered on
   * the way, which nobody can tell apart.
   */
  async receive(withinMs: number): Promise<PickleValue | undefined> {
    const deadline = performance.now() + withinMs;
    const header = await this.#exactly(FRAME_HEADER_BYTES, deadline);
    if (header === undefined) return undefined;
    const content = await this.#exactly(decryptFrameHeader(this.#decrypter, header), deadline);
    if (content === undefined) throw truncated();
    return decodePickle(inflate(this.#decrypter.process(content)));
  }

  /** `undefined` if the end comes at once. One deadline for all pieces: a peer that sends byte by byte gains nothing. */
  async #exactly(length: number, deadline: number): Promise<Uint8Array | undefined> {
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length; ) {
      const left = deadline - performance.now();
      if (left <= 0) throw timeout();
      const piece = await this.#bytes.receive(length - filled, left);
      if (piece === undefined && filled === 0) return undefined;
      if (piece === undefined) throw truncated();
      bytes.set(piece, filled);
      filled += piece.length;
    }
    return bytes;
  }
}

/** No more than `MAX_INFLATED_BYTES`, whatever a few bytes would become (R-A12). */
function inflate(bytes: Uint8Array): Uint8Array {
  try {
    return inflateSync(bytes, { maxOutputLength: MAX_INFLATED_BYTES });
  } catch (cause) {
    if (cause instanceof RangeError) throw new LineError('SIZE', 'an object grows too large when it is inflated');
    throw new LineError('AUTH', 'what came makes no sense: another password, or altered on the way', { cause });
  }
}

function timeout(): LineError {
  return new LineError('TIMEOUT', 'the other side takes too long, or has another password');
}

function truncated(): LineError {
  return new LineError('TRUNCATED', 'the connection ended in the midst of an object');
}
