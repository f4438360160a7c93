import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EscapeKeys } from '../../../src/cli/terminal/escape-keys.ts';

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));

/** What is sent, with actions in brackets. */
function typed(keys: EscapeKeys, text: string): string {
  return keys
    .feed(bytes(text))
    .map(part => (typeof part === 'string' ? `[${part}]` : Buffer.from(part).toString('latin1')))
    .join('');
}

describe('escape keys', () => {
  it.each([
    ['~.', '[leave]'],
    ['ls\r~.', 'ls\r[leave]'],
    ['ls\n~?x', 'ls\n[help]x'],
    ['~\u001a', '[suspend]'],
    ['~~', '~'],
    ['~~.', '~.'],
    ['~/bin', '~/bin'],
    ['a~.', 'a~.'],
    ['~', ''],
    ['~a~.', '~a~.'],
    ['~\r~.', '~\r[leave]'],
    ['~?~.', '[help][leave]'],
  ])('%j is %j', (text, expected) => {
    expect(typed(new EscapeKeys(), text)).toBe(expected);
    const keys = new EscapeKeys();
    expect(Array.from(text, key => typed(keys, key)).join('')).toBe(expected);
  });

  it('take a line to begin where they are told', () => {
    const keys = new EscapeKeys();
    expect(typed(keys, 'half')).toBe('half');
    keys.startLine();
    expect(typed(keys, '~.')).toBe('[leave]');
  });

  it('let everything without a ~ at the start of a line through, in whatever pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 8 })), pieces => {
        const keys = new EscapeKeys();
        const sent = pieces.flatMap(piece => keys.feed(piece.map(byte => (byte === 0x7e ? 0x7d : byte))));
        const expected = pieces.flatMap(piece => [...piece].map(byte => (byte === 0x7e ? 0x7d : byte)));
        expect(sent.flatMap<unknown>(part => (typeof part === 'string' ? part : [...part]))).toEqual(expected);
      }),
    );
  });
});
