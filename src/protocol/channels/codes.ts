import { LineError, type LineErrorCode } from '../../errors.ts';

/** Error codes of RESET, GOAWAY and CLOSE (docs/protocol/3-channels.md §7), by number. */
const WIRE_CODES: readonly LineErrorCode[] = [
  'CLOSED', // 0 OK: whoever still waited is told that it is over
  'PROTOCOL',
  'INTERNAL',
  'FLOW',
  'SIZE',
  'STATE',
  'REFUSED',
  'CANCELLED',
  'TIMEOUT',
  'UNSUPPORTED',
  'FORBIDDEN',
  'NOT_FOUND',
  'TOO_MANY',
  'REVOKED',
  'SHUTDOWN',
  'MISMATCH',
  'TRUNCATED',
  'EXISTS',
  'NO_SPACE',
  'CHANGED',
  'NOT_A_FILE',
  'BAD_NAME',
  'ACCESS',
  'UNREACHABLE',
];

export const WIRE_OK = 0;

/** The number that tells the peer of `code`; what has no number of its own is INTERNAL. */
export function wireCode(code: LineErrorCode): number {
  const number = WIRE_CODES.indexOf(code);
  if (number > 0) return number;
  return code === 'MALFORMED' || code === 'INTEGRITY' ? WIRE_CODES.indexOf('PROTOCOL') : WIRE_CODES.indexOf('INTERNAL');
}

/** What the peer's number means here. `reason` is the peer's text: it must be escaped before it is shown. */
export function errorFromWire(number: number, reason: string): LineError {
  const code = WIRE_CODES[number] ?? 'INTERNAL';
  return new LineError(code, reason === '' ? `the other side gave up (${code})` : reason);
}
