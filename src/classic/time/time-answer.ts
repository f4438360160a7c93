import { encodeText } from '../text/encoding.ts';
import { formatTime } from './format-time.ts';

/**
 * What the time server answers to a datagram, or why it does not.
 *
 * The original formats whatever comes: a format of 6 bytes, `%1400d` for one, makes an answer of 1,400, to an address that
 * may be forged. Here an answer has at most 28 bytes more than its question, the size of the headers of both: so no packet
 * is answered by one more than twice its size (R-T1). An empty question means the original's own format.
 */
export function answerTime(question: Uint8Array, now: Date): TimeAnswer {
  const format = question.length === 0 ? DEFAULT_FORMAT : decodeFormat(question);
  if (format === undefined) return { refused: 'it is no UTF-8' };
  // What has no directive may be another server's answer: answered, the two would never end.
  if (!format.includes('%')) return { refused: 'it asks for nothing' };
  const text = formatTime(format, now);
  if (text === undefined) return { refused: 'it has a directive that is not on the list' };
  const bytes = encodeText(text, 'utf-8');
  if (bytes.length > question.length + MAX_GROWTH_BYTES) return { refused: 'the answer would be too large' };
  return { bytes };
}

export type TimeAnswer = { readonly bytes: Uint8Array } | { readonly refused: string };

/** What an answer may have more than its question: the headers of IPv4 and UDP. */
export const MAX_GROWTH_BYTES = 28;

function decodeFormat(question: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(question);
  } catch {
    // The original dies of it.
    return undefined;
  }
}

const DEFAULT_FORMAT = '%Y-%m-%d %X';
