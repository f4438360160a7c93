import { LineError } from '../../errors.ts';
import { MAX_OUTPUT_BYTES } from '../limits.ts';

/** A length that a peer has announced, once it is within its bound: before anything is waited for or allocated. */
export function acceptLength(length: number, atMost: number = MAX_OUTPUT_BYTES): number {
  if (!Number.isSafeInteger(length) || length < 0) {
    throw new LineError('MALFORMED', `the other side announced a length of ${length}`);
  }
  if (length > atMost) {
    throw new LineError('SIZE', `the other side announced ${length} bytes, and ${atMost} are taken`);
  }
  return length;
}
