import { MAX_MESSAGE_BYTES, QUIET_MS } from '../limits.ts';
import type { ByteSource } from '../net/connection.ts';
import { joinBytes } from './growing-bytes.ts';

/**
 * No frame at all: what the originals take from one recv(1024) is a message. TCP has no such thing, so a message that came
 * in pieces is put together as far as can be told, which is until nothing follows for a moment. Two messages that were
 * sent without a pause stay glued: nothing in the bytes says where the first one ends (docs/framing.md).
 *
 * `undefined` at the end. Throws `TIMEOUT` if nothing comes within `withinMs`.
 */
export async function receiveMessage(source: ByteSource, withinMs?: number): Promise<Uint8Array | undefined> {
  const first = await source.receive(MAX_MESSAGE_BYTES, withinMs);
  if (first === undefined) return undefined;
  const pieces = [first];
  let length = first.length;
  while (length < MAX_MESSAGE_BYTES && (await source.hasMore(QUIET_MS))) {
    const piece = await source.receive(MAX_MESSAGE_BYTES - length);
    if (piece === undefined) break;
    pieces.push(piece);
    length += piece.length;
  }
  return joinBytes(pieces);
}
