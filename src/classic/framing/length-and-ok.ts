import { LineError } from '../../errors.ts';
import { MAX_LENGTH_DIGITS, QUIET_MS } from '../limits.ts';
import type { ByteSource, ByteStream } from '../net/connection.ts';
import { acceptLength } from './announced.ts';
import { receiveExactly } from './exactly.ts';
import { joinBytes } from './growing-bytes.ts';

/**
 * The first cure: the length as decimal text, which the receiver answers with `ok`, then the bytes. The round trip does
 * what a mark at the end of the number would have done: nothing follows the digits until they have been read.
 */
export async function sendAfterOk(stream: ByteStream, bytes: Uint8Array): Promise<void> {
  await stream.send(encodeLengthText(bytes.length));
  const answer = await receiveExactly(stream, OK.length);
  if (!answer.every((byte, at) => byte === OK[at])) {
    throw new LineError('MALFORMED', 'the other side answered a length with something else than ok');
  }
  if (bytes.length > 0) await stream.send(bytes);
}

/** Throws `MALFORMED` and `SIZE` for what is no length or too long a one, and then has not answered it. */
export async function receiveAfterOk(stream: ByteStream, withinMs?: number): Promise<Uint8Array | undefined> {
  const length = await receiveLengthText(stream, withinMs);
  if (length === undefined) return undefined;
  await stream.send(OK);
  // Nothing comes back for nothing, and what we say next would be glued to this ok: originals take both for it.
  if (length === 0) await stream.hasMore(QUIET_MS);
  return receiveExactly(stream, length);
}

export function encodeLengthText(length: number): Uint8Array {
  return new TextEncoder().encode(String(length));
}

/** The digits may come one at a time: they end when nothing follows, because the sender waits for `ok` now. */
export async function receiveLengthText(source: ByteSource, withinMs?: number): Promise<number | undefined> {
  const pieces: Uint8Array[] = [];
  let digits = 0;
  do {
    const piece = await source.receive(MAX_LENGTH_DIGITS + 1 - digits, withinMs);
    if (piece === undefined && digits === 0) return undefined;
    if (piece === undefined) break;
    pieces.push(piece);
    digits += piece.length;
  } while (digits <= MAX_LENGTH_DIGITS && (await source.hasMore(QUIET_MS)));
  const text = new TextDecoder().decode(joinBytes(pieces));
  if (!/^-?\d+$/.test(text)) throw new LineError('MALFORMED', 'the other side sent something else than a length');
  if (digits > MAX_LENGTH_DIGITS) throw new LineError('SIZE', 'the other side announced a length without end');
  return acceptLength(Number(text));
}

export const OK = new TextEncoder().encode('ok');
