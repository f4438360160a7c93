import { describe, expect, it } from 'vitest';
import { EXIT, EXIT_STATUS_TABLE, exitStatus, exitStatusOf, exitStatusOfSignal } from '../../src/cli/exit-status.ts';
import { LINE_ERROR_CODES, LineError, type LineErrorCode } from '../../src/errors.ts';

/** As the contract in docs/cli.md has it; written out again, because scripts rely on it. */
const CONTRACT: Record<number, LineErrorCode[]> = {
  1: ['MALFORMED', 'PROTOCOL', 'FLOW', 'SIZE', 'STATE', 'NO_SPACE', 'INTERNAL'],
  2: ['USAGE'],
  4: ['AUTH', 'PIN', 'GONE', 'REVOKED'],
  5: ['BUSY', 'UNREACHABLE', 'TRUNCATED', 'CLOSED', 'SHUTDOWN'],
  6: ['NOT_FOUND'],
  7: ['REFUSED', 'FORBIDDEN', 'NOT_A_FILE', 'EXISTS', 'BAD_NAME', 'ACCESS', 'TOO_MANY'],
  8: ['INTEGRITY', 'CHANGED', 'MISMATCH'],
  9: ['VERSION', 'UNSUPPORTED'],
  124: ['TIMEOUT'],
  130: ['CANCELLED'],
};

describe('exitStatus', () => {
  it('is that of the contract for every code', () => {
    const contract = Object.entries(CONTRACT).flatMap(([status, codes]) => codes.map(code => [code, Number(status)]));
    expect(Object.fromEntries(contract)).toEqual(
      Object.fromEntries(LINE_ERROR_CODES.map(code => [code, exitStatus(new LineError(code, ''))])),
    );
  });

  it('counts a time-out before there is a line as out of reach', () => {
    expect(exitStatusOf('TIMEOUT', 'connecting')).toBe(5);
    expect(exitStatusOf('AUTH', 'connecting')).toBe(4);
  });

  it('is 1 for everything else that is thrown', () => {
    expect([new Error('x'), 'x', undefined].map(error => exitStatus(error))).toEqual([1, 1, 1]);
  });

  it('is 128 + n by a signal', () => {
    expect([exitStatusOfSignal('SIGINT'), exitStatusOfSignal('SIGTERM'), exitStatusOfSignal('SIGPIPE')]).toEqual([
      130, 143, 141,
    ]);
  });

  it('has every status in the table for the documents, once', () => {
    const listed = EXIT_STATUS_TABLE.map(row => row.status);
    expect(new Set(listed).size).toBe(listed.length);
    expect(new Set<unknown>([...Object.values(EXIT).filter(status => status !== 130), '128+n'])).toEqual(
      new Set(listed),
    );
  });
});
