import { describe, expect, test } from 'vitest';
import { LineError } from '../../src/errors.ts';
import { codeOf, toLineError, translating } from '../../src/node/node-errors.ts';

const systemError = (code: string) =>
  Object.assign(new Error(`${code}: something, open '/home/someone/secret place'`), { code });

describe('toLineError', () => {
  test.each([
    ['ENOENT', 'NOT_FOUND'],
    ['ENOTDIR', 'NOT_FOUND'],
    ['EACCES', 'ACCESS'],
    ['EPERM', 'ACCESS'],
    ['EROFS', 'ACCESS'],
    ['EEXIST', 'EXISTS'],
    ['EISDIR', 'NOT_A_FILE'],
    ['ENOSPC', 'NO_SPACE'],
    ['EDQUOT', 'NO_SPACE'],
    ['ELOOP', 'FORBIDDEN'],
    ['ENAMETOOLONG', 'BAD_NAME'],
    ['EINVAL', 'BAD_NAME'],
    ['EMFILE', 'TOO_MANY'],
    ['ECONNREFUSED', 'UNREACHABLE'],
    ['EAI_AGAIN', 'UNREACHABLE'],
    ['ETIMEDOUT', 'UNREACHABLE'],
    ['ECONNRESET', 'TRUNCATED'],
    ['EPIPE', 'TRUNCATED'],
    ['EADDRINUSE', 'ACCESS'],
    ['EIO', 'INTERNAL'],
    ['toString', 'INTERNAL'],
  ])('makes %s a %s that tells no path of this machine', (code, ours) => {
    const cause = systemError(code);
    const error = toLineError(cause, '"a/b"');
    expect(error).toMatchObject({ name: 'LineError', code: ours, cause });
    expect(error.message).toContain('"a/b"');
    expect(error.message).not.toContain('/home');
  });

  test('leaves our own errors as they are, and takes anything else', () => {
    const ours = new LineError('CHANGED', 'x');
    expect(toLineError(ours, 'y')).toBe(ours);
    for (const strange of [undefined, null, 'text', new Error('x'), { code: 5 }])
      expect(toLineError(strange, 'y').code).toBe('INTERNAL');
  });
});

test('translating hands through what is returned and translates what is thrown', () => {
  expect(translating('x', () => 5)).toBe(5);
  const failing = () => {
    throw systemError('ENOENT');
  };
  expect(() => translating('x', failing)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
});

test('codeOf takes only texts for codes', () => {
  expect(codeOf(systemError('EIO'))).toBe('EIO');
  expect(codeOf({ code: 5 })).toBeUndefined();
  expect(codeOf(null)).toBeUndefined();
});
