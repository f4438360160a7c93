import { LineError, type LineErrorCode } from '../errors.ts';

/**
 * Whether `thrown` says that a line was lost or could not be had just now, so that the same may work over another one.
 * Everything else would only happen again.
 */
export function isLineLost(thrown: unknown): thrown is LineError {
  return thrown instanceof LineError && LOST.has(thrown.code);
}

const LOST: ReadonlySet<LineErrorCode> = new Set(['TRUNCATED', 'UNREACHABLE', 'TIMEOUT', 'BUSY', 'SHUTDOWN']);
