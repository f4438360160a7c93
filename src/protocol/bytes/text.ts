import { LineError } from '../../errors.ts';

// The two names of the web platform that the core needs; both exist in Node and in every browser.
interface Encoder {
  encode(text: string): Uint8Array;
}
interface Decoder {
  decode(bytes: Uint8Array): string;
}
declare const TextEncoder: new () => Encoder;
declare const TextDecoder: new (label: string, options: { fatal: boolean; ignoreBOM: boolean }) => Decoder;

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 of a text without lone surrogates; one is `MALFORMED`, because the encoder would replace it in silence. */
export function encodeUtf8(text: string): Uint8Array {
  if (!text.isWellFormed()) throw new LineError('MALFORMED', 'a text holds half of a surrogate pair');
  return encoder.encode(text);
}

/** Strict: invalid UTF-8 is `MALFORMED`, and a byte order mark is a character like any other. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes);
  } catch (cause) {
    throw new LineError('MALFORMED', 'a text is not UTF-8', { cause });
  }
}

export function encodeAscii(text: string): Uint8Array {
  return Uint8Array.from(text, character => character.charCodeAt(0));
}

/**
 * File names are bytes. Where they are UTF-8 we hold them as text; a byte that is not part of valid UTF-8 becomes the
 * lone surrogate U+DC80 + (byte - 0x80) (as Python's "surrogateescape"), so that a name is always one string and every
 * name can be given back byte for byte. Such a string never goes on the wire as JSON text.
 */
export function decodeName(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    // Not UTF-8: decode what is, escape what is not.
    return decodeEscaping(bytes);
  }
}

/** The inverse of `decodeName`. */
export function encodeName(name: string): Uint8Array {
  if (name.isWellFormed()) return encoder.encode(name);
  const bytes: number[] = [];
  for (const character of name) {
    const code = character.codePointAt(0)!;
    if (code >= 0xdc80 && code <= 0xdcff) bytes.push(code - 0xdc00);
    else if (code >= 0xd800 && code <= 0xdfff) throw new LineError('BAD_NAME', 'a name holds half of a surrogate pair');
    else bytes.push(...encoder.encode(character));
  }
  return Uint8Array.from(bytes);
}

function decodeEscaping(bytes: Uint8Array): string {
  let text = '';
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    if (length === 0) {
      text += String.fromCharCode(0xdc00 + bytes[at]!);
      at += 1;
    } else {
      text += strictDecoder.decode(bytes.subarray(at, at + length));
      at += length;
    }
  }
  return text;
}

/** Length of the valid UTF-8 sequence at `at`, 0 if there is none (RFC 3629, section 4). */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  const expected = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (expected === 0 || at + expected > bytes.length) return 0;
  try {
    strictDecoder.decode(bytes.subarray(at, at + expected));
    return expected;
  } catch {
    // An overlong form, a surrogate or a broken tail: the first byte alone is escaped.
    return 0;
  }
}
