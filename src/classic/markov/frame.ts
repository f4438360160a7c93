import { LineError } from '../../errors.ts';
import type { Decrypter, Encrypter } from './processor.ts';

/** One object of the conversation: its length minus 1 in 16 bits, little-endian, then itself, all of it encrypted. */
export function encryptFrame(encrypter: Encrypter, content: Uint8Array): Uint8Array {
  if (content.length < 1 || content.length > MAX_FRAME_BYTES) {
    throw new LineError('SIZE', `a frame holds from 1 to ${MAX_FRAME_BYTES} bytes`);
  }
  const frame = new Uint8Array(FRAME_HEADER_BYTES + content.length);
  new DataView(frame.buffer).setUint16(0, content.length - 1, true);
  frame.set(content, FRAME_HEADER_BYTES);
  return encrypter.process(frame);
}

/** How many bytes follow a header: at most `MAX_FRAME_BYTES`, whatever it says. */
export function decryptFrameHeader(decrypter: Decrypter, header: Uint8Array): number {
  const [low, high] = decrypter.process(header) as unknown as [number, number];
  return (high << 8) + low + 1;
}

export const FRAME_HEADER_BYTES = 2;
export const MAX_FRAME_BYTES = 65_536;
