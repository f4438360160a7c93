import type { ByteSource } from '../net/connection.ts';
import { acceptLength } from './announced.ts';
import { receiveExactly } from './exactly.ts';
import { joinBytes } from './growing-bytes.ts';
import { NATIVE_INT_BYTES, packNativeInt, unpackNativeInt } from './native-int.ts';

/**
 * The second cure: the length as 4 bytes, `struct.pack('i', length)`, then the bytes. No round trip, and nothing has to be
 * guessed. The number is signed and was never compared with anything; here it is, before a byte is waited for.
 */
export function encodeStruct(bytes: Uint8Array): Uint8Array {
  return joinBytes([packNativeInt(bytes.length), bytes]);
}

/** `undefined` at the end. Throws `MALFORMED` for a negative length, `SIZE` for one over `atMost`. */
export async function receiveStruct(
  source: ByteSource,
  withinMs?: number,
  atMost?: number,
): Promise<Uint8Array | undefined> {
  const first = await source.receive(NATIVE_INT_BYTES, withinMs);
  if (first === undefined) return undefined;
  const rest = await receiveExactly(source, NATIVE_INT_BYTES - first.length);
  return receiveExactly(source, acceptLength(unpackNativeInt(joinBytes([first, rest])), atMost));
}
