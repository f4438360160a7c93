import { LineError } from '../../errors.ts';
import { formatTime, type Zone } from '../../node/index.ts';
import { encodeText } from '../text/encoding.ts';

/**
 * What the time server answers to a datagram, or why it does not.
 *
 * The original formats whatever comes: a format of 6 bytes, `%1400d` for one, makes an answer of 1,400, to an address that
 * may be forged. Here an answer has at most 28 bytes more than its question, the size of the headers of both: so no packet
 * is answered by one more than twice its size (R-T1). An empty question means the original's own format.
 */
export function answerTime(question: Uint8Array, now: Date, zone: Zone): TimeAnswer {
  const format = question.length === 0 ? DEFAULT_FORMAT : decodeFormat(question);
  if (format === undefined) return { refused: 'it is no UTF-8' };
  // What has no directive may be another server's answer: answered, the two would never end.
  if (!format.includes('%')) return { refused: 'it asks for nothing' };
  if (!ALLOWED.test(format)) return { refused: 'it has a directive that is not on the list' };
  const bytes = inFormat(format, now, zone);
  if (bytes === undefined || bytes.length > question.length + MAX_GROWTH_BYTES) {
    return { refused: 'the answer would be too large' };
  }
  return { bytes };
}

export type TimeAnswer = { readonly bytes: Uint8Array } | { readonly refused: string };

/** What an answer may have more than its question: the headers of IPv4 and UDP. */
export const MAX_GROWTH_BYTES = 28;

/** `undefined` for a text that is larger than any time. */
function inFormat(format: string, now: Date, zone: Zone): Uint8Array | undefined {
  try {
    return encodeText(formatTime(format, { unixMs: now.getTime() }, zone), 'utf-8');
  } catch (thrown) {
    if (thrown instanceof LineError) return undefined;
    throw thrown;
  }
}

function decodeFormat(question: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(question);
  } catch {
    // The original dies of it.
    return undefined;
  }
}

const DEFAULT_FORMAT = '%Y-%m-%d %X';
/**
 * Text, and directives of this list (R-T2): no widths, no flags, and no `%%`, so that no answer has a percent sign and none
 * can be taken for a question (R-T1).
 */
const ALLOWED = /^(?:[^%]|%[aAbBcCdDeFhHIjmMprRSTuUwWxXyYz])*$/;
