import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ScreenModes } from '../../../src/cli/terminal/screen-modes.ts';

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'utf8'));
const fed = (modes: ScreenModes, text: string) => Buffer.from(modes.feed(bytes(text))).toString('utf8');

describe('the modes of a screen', () => {
  it('are put back as a shell expects them, the screen last', () => {
    const modes = new ScreenModes();
    fed(modes, '\u001b[?1049h\u001b[?25l\u001b[?1;2004h\u001b=');
    expect(modes.isFullScreen).toBe(true);
    expect(modes.restore).toBe('\u001b[?25h\u001b[?1l\u001b[?2004l\u001b[?1049l\u001b>\u001b[0m');
    expect(modes.again).toBe('\u001b[?1049h\u001b[?25l\u001b[?1h\u001b[?2004h\u001b=');
    fed(modes, '\u001b[?2004;1;1049l\u001b[?25h\u001b>');
    expect(modes.isFullScreen).toBe(false);
    expect(modes.restore).toBe('');
  });

  it('are not changed by what only looks like it: in a title, without a question mark, after a reset', () => {
    const modes = new ScreenModes();
    fed(modes, '\u001b]0;\u001b\\[?1049h\u0007\u001b[1049h[?1049h');
    fed(modes, '\u001b[?1000h\u001bc');
    expect(modes.restore).toBe('');
  });

  it.each([
    ['text\u001b[3', 'text', '8;5m'],
    ['text\u001b', 'text', '[0m'],
    ['text\u001b]0;a title', 'text', ' goes on\u0007'],
    ['text\u001bP1$r', 'text', '0m\u001b\\'],
  ])('of %j hold back the beginning of what is not complete', (first, shown, second) => {
    const modes = new ScreenModes();
    expect(fed(modes, first)).toBe(shown);
    expect(fed(modes, `${second}more`)).toBe(`${first.slice(shown.length)}${second}more`);
  });

  it('hold back half a character, and nothing for long', () => {
    const modes = new ScreenModes();
    const euro = bytes('a€');
    expect(Buffer.from(modes.feed(euro.subarray(0, 2)))).toEqual(Buffer.from('a'));
    expect(Buffer.from(modes.feed(euro.subarray(2)))).toEqual(Buffer.from('€'));
    expect(fed(modes, `\u001b]52;c;${'A'.repeat(1000)}`)).toHaveLength(1007);
  });

  it('lose no byte and add none', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.constantFrom('\u001b', '\u001b[?25', 'l', '\u001b]', '\u0007', '€', ';').map(bytes),
    );
    fc.assert(
      fc.property(fc.array(piece), pieces => {
        const modes = new ScreenModes();
        const shown = pieces.map(one => Buffer.from(modes.feed(one)));
        expect(Buffer.compare(Buffer.concat([...shown, modes.end()]), Buffer.concat(pieces))).toBe(0);
      }),
    );
  });
});
