import { LineError } from '../../errors.ts';
import { SILENCE_MS } from '../limits.ts';
import type { ByteSource } from '../net/connection.ts';
import { GrowingBytes } from './growing-bytes.ts';

/**
 * Exactly `length` bytes, however they come: one at a time, or glued to what follows, which is left for the next call.
 * The caller has compared `length` with a bound.
 *
 * Throws `TRUNCATED` if the end comes first, `TIMEOUT` if nothing comes for `silenceMs`.
 */
export async function receiveExactly(
  source: ByteSource,
  length: number,
  silenceMs: number = SILENCE_MS,
): Promise<Uint8Array> {
  const bytes = new GrowingBytes();
  while (bytes.length < length) {
    const piece = await source.receive(length - bytes.length, silenceMs);
    if (piece === undefined) {
      throw new LineError('TRUNCATED', `the other side announced ${length} bytes and sent ${bytes.length}`);
    }
    bytes.append(piece);
  }
  return bytes.take();
}
