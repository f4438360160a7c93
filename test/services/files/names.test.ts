import { describe, expect, test } from 'vitest';
import { decodeName } from '../../../src/protocol/bytes/text.ts';
import { checkLinkTarget, checkPath, quotePath } from '../../../src/services/files/names.ts';

const badName = expect.objectContaining({ code: 'BAD_NAME' });

describe('checkPath', () => {
  test.each([
    ['', []],
    ['a', ['a']],
    ['a/b c/.hidden', ['a', 'b c', '.hidden']],
    ['...', ['...']],
    ['..a/b..', ['..a', 'b..']],
    ['é/é', ['é', 'é']],
    ['C:\\x', ['C:\\x']],
    ['CON', ['CON']],
    [`${'n'.repeat(255)}`, ['n'.repeat(255)]],
  ])('takes %j on posix', (path, names) => {
    expect(checkPath(path, 'posix')).toEqual(names);
  });

  test.each([
    '/',
    '/etc/passwd',
    '//server/share',
    'a//b',
    'a/',
    '.',
    '..',
    './a',
    'a/.',
    '../a',
    'a/../b',
    'a/..',
    'a\0b',
    'n'.repeat(256),
    'é'.repeat(128),
    Array(129).fill('d').join('/'),
    Array(60).fill('n'.repeat(70)).join('/'),
    '\ud800',
    'a\udfff',
  ])('R-F1 R-F4 refuses %j everywhere', path => {
    expect(() => checkPath(path, 'posix')).toThrow(badName);
    expect(() => checkPath(path, 'windows')).toThrow(badName);
  });

  test.each([
    'C:',
    'C:\\x',
    'C:x',
    '\\\\server\\share',
    '..\\x',
    'a\\..\\..\\x',
    'file:stream',
    'file::$DATA',
    'a<b',
    'a>b',
    'a"b',
    'a|b',
    'a?b',
    'a*b',
    'a\u0001b',
    'a\nb',
    'dot.',
    'dots...',
    'space ',
    'folder./x',
    'CON',
    'con',
    'nul.txt',
    'NUL.tar.gz',
    'aux .txt',
    'a/PRN/b',
    'COM1',
    'com9.log',
    'LPT0',
    'COM\u00b9',
    'CONIN$',
    'conout$.x',
    decodeName(Uint8Array.of(0x61, 0xff)),
  ])('R-F1 refuses %j on windows', path => {
    expect(() => checkPath(path, 'windows')).toThrow(badName);
    expect(() => checkPath(path, 'posix')).not.toThrow();
  });

  test.each(['console', 'nullable.txt', 'COM', 'COM10', 'a.con', ' leading', 'auxiliary/x'])(
    'takes %j on windows',
    path => {
      expect(() => checkPath(path, 'windows')).not.toThrow();
    },
  );

  test('takes a name that is not UTF-8, but only under the one string that stands for it', () => {
    const name = decodeName(Uint8Array.of(0x61, 0xc3, 0x28, 0xff));
    expect(checkPath(name, 'posix')).toEqual([name]);
    // Bytes C3 A9, which are "é": an escaped spelling of valid UTF-8.
    expect(() => checkPath('\udcc3\udca9', 'posix')).toThrow(badName);
  });
});

describe('checkLinkTarget', () => {
  test.each([
    ['l', 'x'],
    ['l', 'a/b/'],
    ['l', './x'],
    ['a/l', '..'],
    ['a/l', '../x'],
    ['a/b/l', '../../x/y'],
    ['a/b/l', './.././../x'],
    ['a/l', '..x'],
  ])('takes %j to %j', (path, target) => {
    expect(() => checkLinkTarget(path, target)).not.toThrow();
  });

  test.each([
    ['l', ''],
    ['l', '/'],
    ['l', '/etc/passwd'],
    ['l', '..'],
    ['l', '../x'],
    ['a/l', '../../x'],
    ['a/l', '.././../x'],
    ['a/b/l', 'x/..'],
    ['a/b/l', 's/../x'],
    ['a/b/l', '../s/../x'],
    ['l', 'a\0b'],
    ['l', `${'d/'.repeat(2048)}x`],
    ['', 'x'],
    ['../l', 'x'],
    ['l', '\ud800'],
  ])('R-F2 refuses %j to %j', (path, target) => {
    expect(() => checkLinkTarget(path, target)).toThrow(badName);
  });

  test.each(['C:\\x', 'C:x', '\\x', '..\\x', 'a\\..\\..\\x', 'NUL'])('R-F2 refuses a target %j on windows', target => {
    expect(() => checkLinkTarget('a/l', target, 'windows')).toThrow(badName);
  });
});

test('an error names a path without raw control characters or halves of surrogate pairs', () => {
  const quoted = quotePath(`a\u001b[2J\n${decodeName(Uint8Array.of(0xff))}${'x'.repeat(5000)}`);
  expect(quoted).toMatch(/^[\x20-\x7e…]{1,120}$/);
  expect(quoted.isWellFormed()).toBe(true);
});
