import { LineError } from '../../errors.ts';
import { encodeAscii } from '../bytes/text.ts';
import { ByteWriter } from '../bytes/writer.ts';
import type { CryptoProvider } from './provider.ts';

/**
 * The one way line1 derives a key: HKDF-Expand under a label that names the purpose, so that no two purposes share a
 * key. `secret` is already uniform: the result of `extract`, or of another `kdf`.
 */
export function kdf(
  provider: CryptoProvider,
  secret: Uint8Array,
  name: string,
  context: Uint8Array,
  length: number,
): Uint8Array {
  const label = encodeAscii(`line1 ${name}`);
  const info = new ByteWriter().u16(length).u8(label.length).bytes(label).u16(context.length).bytes(context).finish();
  return expand(provider, secret, info, length);
}

/** HKDF-Extract with SHA-512 (RFC 5869, section 2.2). */
export function extract(provider: CryptoProvider, salt: Uint8Array, inputKey: Uint8Array): Uint8Array {
  return provider.hmacSha512(salt, inputKey);
}

/** HKDF-Expand with SHA-512 (RFC 5869, section 2.3). */
export function expand(provider: CryptoProvider, secret: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  if (length > MAX_EXPAND_BYTES) throw new LineError('USAGE', 'more bytes asked for than HKDF can derive');
  const output = new Uint8Array(length);
  let block: Uint8Array = new Uint8Array(0);
  for (let offset = 0, count = 1; offset < length; offset += HASH_BYTES, count++) {
    block = provider.hmacSha512(secret, block, info, Uint8Array.of(count));
    output.set(block.subarray(0, length - offset), offset);
  }
  return output;
}

const HASH_BYTES = 64;
const MAX_EXPAND_BYTES = 255 * HASH_BYTES;
