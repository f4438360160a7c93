import { LineError } from '../../errors.ts';
import { MAX_MESSAGE_BYTES } from '../limits.ts';
import { type Encoding, encodeText } from '../text/encoding.ts';

/** A command as it goes without a frame. Throws `USAGE` for one that the other side's recv(1024) would cut, and run so. */
export function encodeCommand(line: string, encoding: Encoding): Uint8Array {
  const bytes = encodeText(line, encoding);
  if (bytes.length > MAX_MESSAGE_BYTES) {
    throw new LineError('USAGE', `a command has at most ${MAX_MESSAGE_BYTES} bytes, and this has ${bytes.length}`);
  }
  return bytes;
}
