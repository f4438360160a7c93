import { LineError } from '../../errors.ts';
import { MAX_HEADER_BYTES } from '../limits.ts';
import type { ByteSource } from '../net/connection.ts';
import { acceptLength } from './announced.ts';
import { receiveExactly } from './exactly.ts';
import { joinBytes } from './growing-bytes.ts';
import { encodeStruct, receiveStruct } from './struct-length.ts';

/**
 * The third cure: 4 bytes with the length of a header, the header as JSON, then the bytes that it tells of. It can say more
 * than a length; the original's says `{"total_size": 5}`, with the space that Python's json puts there.
 */
export function encodeWithHeader(bytes: Uint8Array): Uint8Array {
  return joinBytes([encodeStruct(new TextEncoder().encode(`{"total_size": ${bytes.length}}`)), bytes]);
}

/** `undefined` at the end. Throws `MALFORMED` and `SIZE` for headers that lie. */
export async function receiveWithHeader(source: ByteSource, withinMs?: number): Promise<Uint8Array | undefined> {
  const header = await receiveStruct(source, withinMs, MAX_HEADER_BYTES);
  return header === undefined ? undefined : receiveExactly(source, decodeTotalSize(header));
}

/** Of all that a header may say only the one number is taken. */
function decodeTotalSize(header: Uint8Array): number {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(header));
  } catch (cause) {
    throw new LineError('MALFORMED', 'the other side sent a header that is no JSON', { cause });
  }
  const isObject = typeof value === 'object' && value !== null && Object.hasOwn(value, 'total_size');
  const size = isObject ? (value as { total_size: unknown }).total_size : undefined;
  if (typeof size !== 'number') throw new LineError('MALFORMED', 'the header says no total_size');
  return acceptLength(size);
}
