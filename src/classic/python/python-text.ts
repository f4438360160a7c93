import { LineError } from '../../errors.ts';

/**
 * UTF-8 as Python's "surrogatepass" has it, which pickles use: half of a surrogate pair, which UTF-8 forbids, is three bytes
 * like any other character of its size.
 */
export function encodePythonText(text: string): Uint8Array {
  if (text.isWellFormed()) return encoder.encode(text);
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (isSurrogate(code)) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
    else bytes.push(...encoder.encode(character));
  }
  return Uint8Array.from(bytes);
}

/** The inverse of `encodePythonText`; `MALFORMED` for what it never gives. */
export function decodePythonText(bytes: Uint8Array): string {
  const parts: string[] = [];
  let start = 0;
  for (let at = 0; at + 2 < bytes.length; at += 1) {
    // The first two of the three bytes of U+D800 to U+DFFF; valid UTF-8 has no such pair.
    if (bytes[at] !== 0xed || bytes[at + 1]! < 0xa0) continue;
    parts.push(decodeStrict(bytes.subarray(start, at)));
    parts.push(decodeSurrogate(bytes[at + 1]!, bytes[at + 2]!));
    start = at + 3;
    at += 2;
  }
  return parts.join('') + decodeStrict(bytes.subarray(start));
}

function decodeSurrogate(second: number, third: number): string {
  if (second > 0xbf || third < 0x80 || third > 0xbf) throw new LineError('MALFORMED', 'a text is not UTF-8');
  return String.fromCharCode(0xd000 | ((second & 0x3f) << 6) | (third & 0x3f));
}

function decodeStrict(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new LineError('MALFORMED', 'a text is not UTF-8', { cause });
  }
}

function isSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdfff;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
