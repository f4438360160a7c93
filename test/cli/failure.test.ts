import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeFailure, EXPLANATIONS } from '../../src/cli/failure.ts';
import { LINE_ERROR_CODES, LineError } from '../../src/errors.ts';

describe('describeFailure', () => {
  it('says what failed and where, why, and what to try, in this order', () => {
    const { lines, exit, code } = describeFailure(new LineError('UNREACHABLE', 'connection refused'), {
      what: 'cannot get notes.txt from lab',
      phase: 'connecting',
    });
    expect({ exit, code }).toEqual({ exit: 5, code: 'UNREACHABLE' });
    expect(lines[0]).toBe('postern: cannot get notes.txt from lab');
    expect(lines[1]).toBe('postern: connection refused');
    expect(lines[2]).toMatch(/^hint: /);
  });

  it('has lower-case sentences without a full stop for every code', () => {
    for (const code of LINE_ERROR_CODES) {
      const { lines } = describeFailure(new LineError(code, ''));
      for (const line of lines) expect(line).toMatch(/^(postern|hint): [a-z].*[^.]$/);
      expect(Object.hasOwn(EXPLANATIONS, code)).toBe(true);
    }
  });

  it('lets its own sentence stand alone, beside that of the code, or not at all', () => {
    const last = (code: 'EXISTS' | 'TRUNCATED' | 'AUTH') =>
      describeFailure(new LineError(code, 'said'), { hint: '' }).lines.at(-1);
    expect(last('EXISTS')).toBe('postern: said');
    expect(last('TRUNCATED')).toMatch(/^postern: .+ \(said\)$/);
    expect(last('AUTH')).not.toContain('said');
  });

  it('escapes whatever a peer can put into it, in text and in JSON (R-X1)', () => {
    const hostile = fc.string({ unit: 'binary', maxLength: 20 }).map(text => `${text}\u001b]0;x\u0007\n\u202e`);
    fc.assert(
      fc.property(fc.constantFrom(...LINE_ERROR_CODES), hostile, hostile, (code, message, what) => {
        const { lines, json } = describeFailure(new LineError(code, message), { what, hint: what, verbose: 2 });
        for (const line of [...lines, json]) expect(line).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
      }),
    );
  });

  it('has one JSON form', () => {
    const { json } = describeFailure(new LineError('NOT_FOUND', 'no a.txt there'), {
      what: 'cannot get a.txt from lab',
    });
    expect(JSON.parse(json)).toMatchObject({ type: 'error', code: 'NOT_FOUND', exit: 6 });
    expect(JSON.parse(json).message).toContain('no a.txt there');
  });

  it('shows stacks and causes from -vv on only', () => {
    const error = new LineError('AUTH', 'login failed', { cause: new Error('tag mismatch') });
    expect(describeFailure(error, { verbose: 1 }).lines.join('\n')).not.toMatch(/ at |tag mismatch/);
    const lines = describeFailure(error, { verbose: 2 }).lines.join('\n');
    expect(lines).toMatch(/ at /);
    expect(lines).toMatch(/caused by Error: tag mismatch/);
  });

  it('survives a cause that leads back to itself', () => {
    const error = new Error('round');
    error.cause = error;
    expect(describeFailure(error, { verbose: 2 }).code).toBe('INTERNAL');
  });

  it('takes an abort for a wish and everything foreign for a fault of ours', () => {
    expect(describeFailure(new DOMException('', 'AbortError'))).toMatchObject({ code: 'CANCELLED', exit: 130 });
    expect(describeFailure(new DOMException('', 'TimeoutError'))).toMatchObject({ code: 'TIMEOUT', exit: 124 });
    expect(describeFailure(new TypeError('x'))).toMatchObject({ code: 'INTERNAL', exit: 1 });
    expect(describeFailure('x')).toMatchObject({ code: 'INTERNAL', exit: 1 });
  });

  it('says when a busy server may be tried again', () => {
    const { lines } = describeFailure(new LineError('BUSY', 'busy', { retryAfterSeconds: 60 }));
    expect(lines.at(-1)).toBe('hint: try again in 1 min 0 s');
  });
});
