import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeJson, escapeLogLine, escapeProse, escapeText } from '../../../src/cli/terminal/escape.ts';
import { decodeName } from '../../../src/protocol/bytes/text.ts';

/** Written by code point, apart from the properties that the implementation asks for. */
function isUnsafe(code: number): boolean {
  return UNSAFE_RANGES.some(([first, last]) => code >= first && code <= last);
}

const UNSAFE_RANGES: readonly (readonly [number, number])[] = [
  [0x00, 0x1f],
  [0x7f, 0x9f],
  [0xad, 0xad],
  [0x034f, 0x034f],
  [0x061c, 0x061c],
  [0x115f, 0x1160],
  [0x180b, 0x180f],
  [0x200b, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0x3164, 0x3164],
  [0xd800, 0xdfff],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
  [0xfff9, 0xfffb],
  [0xe0000, 0xe0fff],
];

const codePoint = fc.oneof(
  fc.integer({ min: 0, max: 0x10ffff }),
  fc.constantFrom(...UNSAFE_RANGES).chain(([first, last]) => fc.integer({ min: first, max: last })),
);
/** Any string of UTF-16, dangerous ones first. */
const anyText = fc
  .array(codePoint, { maxLength: 40 })
  .map(codes => codes.map(code => String.fromCodePoint(code)).join(''));

describe('escapeText', () => {
  it('lets no control, bidi, invisible or broken character through, whatever comes in (R-X1)', () => {
    fc.assert(
      fc.property(anyText, text => {
        for (const character of escapeText(text)) expect(isUnsafe(character.codePointAt(0)!)).toBe(false);
      }),
    );
  });

  it('covers each single dangerous code point (R-X1)', () => {
    for (const [first, last] of UNSAFE_RANGES) {
      for (let code = first; code <= last; code++) {
        expect(escapeText(`a${String.fromCodePoint(code)}b`)).toMatch(/^a\\(n|r|t|x[0-9a-f]{2}|u\{[0-9a-f]+\})b$/);
      }
    }
  });

  it('leaves printable text as it is', () => {
    const text = 'résumé 日本語 файл עברית हिन्दी 🎉 a\u0301 C:\\new "quoted" ~`|';
    expect(escapeText(text)).toBe(text);
  });

  it.each([
    ['a\nb\tc\rd', 'a\\nb\\tc\\rd'],
    ['\u001b[2J', '\\x1b[2J'],
    ['\u0000\u007f', '\\x00\\x7f'],
    ['\u009b31m', '\\u{9b}31m'],
    ['exe\u202egpj', 'exe\\u{202e}gpj'],
    ['\ufeffx', '\\u{feff}x'],
    ['\u{e0041}', '\\u{e0041}'],
    ['\ud800x', '\\u{d800}x'],
  ])('writes %j visibly', (text, escaped) => {
    expect(escapeText(text)).toBe(escaped);
  });

  it('shows a byte of a name that is not UTF-8 as that byte (R-X1)', () => {
    expect(escapeText(decodeName(Uint8Array.of(0x66, 0x9b, 0xff)))).toBe('f\\x9b\\xff');
  });
});

describe('escapeProse', () => {
  it('leaves emoji and words whole', () => {
    const text = '👩‍👩‍👧 ❤️ 1️⃣ 🏴󠁧󠁢󠁳󠁣󠁴󠁿 🏳️‍🌈 👍🏽 🇩🇪 می‌خواهم क्‍ष résumé 日本語';
    expect(escapeProse(text)).toBe(text);
  });

  it('shows what joins nothing (R-X1)', () => {
    expect(escapeProse('a\u200db \u200d👩 👩\u200dx 1\ufe0f a\ufe0f \u{e0061} ا\u200c')).toBe(
      'a\\u{200d}b \\u{200d}👩 👩\\u{200d}x 1\\u{fe0f} a\\u{fe0f} \\u{e0061} ا\\u{200c}',
    );
  });

  it('lets through nothing but joiners, looks and tags that escapeText would not (R-X1)', () => {
    const joiner = /\u200c|\u200d|\ufe0f|[\u{e0061}-\u{e007f}]/u;
    const parts = fc.oneof(anyText, fc.constantFrom('👩', '\u200d', '\ufe0f', 'ا', '\u200c', '🏴', '1'));
    fc.assert(
      fc.property(fc.array(parts), all => {
        for (const character of escapeProse(all.join(''))) {
          if (!joiner.test(character)) expect(isUnsafe(character.codePointAt(0)!)).toBe(false);
        }
      }),
    );
  });
});

describe('escapeJson', () => {
  it('gives the same value back, on one line without a raw control character (R-X1, R-X2)', () => {
    fc.assert(
      fc.property(anyText, text => {
        const line = escapeJson({ name: text });
        expect(JSON.parse(line)).toEqual({ name: text });
        for (const character of line) expect(isUnsafe(character.codePointAt(0)!)).toBe(false);
      }),
    );
  });
});

describe('escapeLogLine', () => {
  it('stays one line without a raw control character in any field (R-X2)', () => {
    fc.assert(
      fc.property(anyText, anyText, anyText, (event, name, value) => {
        for (const character of escapeLogLine(event, { [name]: value })) {
          expect(isUnsafe(character.codePointAt(0)!)).toBe(false);
        }
      }),
    );
  });

  it('lets no value forge another field (R-X2)', () => {
    const line = escapeLogLine('read', { path: 'a allowed=true\n"', from: '::1', size: 3, note: undefined, empty: '' });
    expect(line).toBe('read path="a allowed=true\\\\n\\"" from=::1 size=3 empty=""');
  });
});
