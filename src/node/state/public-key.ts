import { createHash } from 'node:crypto';
import { LineError } from '../../errors.ts';
import { encodeAscii } from '../../protocol/bytes/text.ts';

/** The forms in which people and files see a static public key (docs/protocol/1-handshake.md §7). */

/** `line1-x25519 <base64url>`. */
export function publicKeyText(publicKey: Uint8Array): string {
  return `${KEY_TYPE} ${Buffer.from(publicKey).toString('base64url')}`;
}

/** The inverse of `publicKeyText`; anything else is `MALFORMED`. */
export function parsePublicKey(text: string): Uint8Array {
  const [type, key, ...rest] = text.split(' ');
  const bytes = type === KEY_TYPE && key !== undefined && rest.length === 0 ? decodeKey(key) : undefined;
  if (bytes === undefined) throw new LineError('MALFORMED', `a public key is ${KEY_TYPE} and 43 characters`);
  return bytes;
}

/** 32 letters and digits for reading aloud: base32 of the first 20 bytes of SHA-256("line1 static" || key). */
export function fingerprint(publicKey: Uint8Array): string {
  const hash = createHash('sha256').update(encodeAscii('line1 static')).update(publicKey).digest();
  return base32(hash.subarray(0, 20));
}

/** The 32 bytes of a key in base64url, `undefined` for any other text (a second spelling of the same bytes too). */
export function decodeKey(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.length === 32 && bytes.toString('base64url') === text ? Uint8Array.from(bytes) : undefined;
}

/** RFC 4648, lower case, without padding; here always a multiple of five bytes. */
function base32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[(held >>> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return text;
}

const KEY_TYPE = 'line1-x25519';
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
