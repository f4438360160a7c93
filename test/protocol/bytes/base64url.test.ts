import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBase64url, encodeBase64url } from '../../../src/protocol/bytes/base64url.ts';
import { code } from '../../services/files/served.ts';

describe('base64url', () => {
  it('is written as Node writes it, and read back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
        const text = encodeBase64url(bytes);
        expect(text).toBe(Buffer.from(bytes).toString('base64url'));
        expect(decodeBase64url(text)).toEqual(bytes);
      }),
    );
  });

  it.each([
    ['a character of plain base64', 'ab+/'],
    ['padding', 'ab=='],
    ['a space', 'ab c'],
    ['a character behind the table', 'abcĀ'],
    ['half of a surrogate pair', 'abc\ud800'],
    ['one character too few', 'abcde'],
    ['bits that are left over', 'ab_'],
  ])('is refused with %s', (_, text) => {
    expect(() => decodeBase64url(text)).toThrow(code('MALFORMED'));
  });
});
