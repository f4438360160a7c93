import iconv from 'iconv-lite';
import { LineError } from '../../errors.ts';

/** The two encodings of the tutorials: their messages are UTF-8, their commands and outputs GBK, as on their machines. */
export type Encoding = 'gbk' | 'utf-8';

/** Throws `USAGE` for text that the encoding has no bytes for, as the originals do. */
export function encodeText(text: string, encoding: Encoding): Uint8Array {
  if (encoding === 'utf-8') return new TextEncoder().encode(text);
  const bytes = iconv.encode(text, 'gbk');
  if (new TextDecoder('gbk').decode(bytes) !== text)
    throw new LineError('USAGE', 'GBK has no bytes for a part of this');
  return new Uint8Array(bytes);
}

/**
 * Text of a peer, whole. What is no text in this encoding comes out as U+FFFD, where the originals die of it. For text that
 * comes in pieces a `TextDecoder` is kept, so that a character that is cut in two is one again.
 */
export function decodeText(bytes: Uint8Array, encoding: Encoding): string {
  return new TextDecoder(encoding, { ignoreBOM: true }).decode(bytes);
}

/**
 * What a command has printed here, in the encoding of the wire. On the tutorials' machines the two are one; elsewhere
 * commands print UTF-8, which a peer that reads GBK would show as something else. What is no UTF-8 goes as it is.
 */
export function reencodeOutput(output: Uint8Array, encoding: Encoding): Uint8Array {
  if (encoding === 'utf-8') return output;
  try {
    return encodeText(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(output), encoding);
  } catch {
    // Bytes, or text that GBK cannot say: whoever reads it may know what they are.
    return output;
  }
}
