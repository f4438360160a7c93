import { describe, expect, it } from 'vitest';
import { streamStyle } from '../../../src/cli/terminal/colors.ts';

const terminal = { isTTY: true, columns: 120, rows: 40 };
const pipe = { isTTY: false };

describe('streamStyle', () => {
  it.each([
    ['a terminal', terminal, {}, 'auto', true],
    ['a pipe', pipe, {}, 'auto', false],
    ['NO_COLOR', terminal, { NO_COLOR: '1' }, 'auto', false],
    ['an empty NO_COLOR', terminal, { NO_COLOR: '' }, 'auto', true],
    ['TERM=dumb', terminal, { TERM: 'dumb' }, 'auto', false],
    ['FORCE_COLOR on a pipe', pipe, { FORCE_COLOR: '1' }, 'auto', true],
    ['FORCE_COLOR over NO_COLOR', pipe, { FORCE_COLOR: '1', NO_COLOR: '1' }, 'auto', true],
    ['FORCE_COLOR=0', terminal, { FORCE_COLOR: '0' }, 'auto', false],
    ['--color=never over FORCE_COLOR', terminal, { FORCE_COLOR: '1' }, 'never', false],
    ['--color=always over NO_COLOR', pipe, { NO_COLOR: '1' }, 'always', true],
    ['a forced terminal', pipe, { POSTERN_FORCE_TTY: '60' }, 'auto', true],
  ] as const)('decides colour for %s', (_, stream, environment, choice, color) => {
    const style = streamStyle(stream, environment, choice);
    expect(style.color).toBe(color);
    expect(style.colors.red('x')).toBe(color ? '\u001b[31mx\u001b[39m' : 'x');
  });

  it('decides for each stream alone', () => {
    expect([streamStyle(pipe, {}).terminal, streamStyle(terminal, {}).terminal]).toEqual([false, true]);
  });

  it('takes the width of the stream, follows it, and falls back to 80', () => {
    const changing = { isTTY: true, columns: 100 };
    const style = streamStyle(changing, {});
    expect(style.columns()).toBe(100);
    changing.columns = 50;
    expect(style.columns()).toBe(50);
    expect(streamStyle({ isTTY: true, columns: 0, rows: 0 }, {}).columns()).toBe(80);
    expect(streamStyle(pipe, {}).rows()).toBe(24);
  });

  it('is a terminal of the forced width, and ignores a width that is none', () => {
    expect(streamStyle(pipe, { POSTERN_FORCE_TTY: '60' })).toMatchObject({ terminal: true, redraw: true });
    expect(streamStyle(terminal, { POSTERN_FORCE_TTY: '60' }).columns()).toBe(60);
    expect(streamStyle(pipe, { POSTERN_FORCE_TTY: 'wide' }).terminal).toBe(false);
  });

  it('does not draw again on a dumb terminal', () => {
    expect(streamStyle(terminal, { TERM: 'dumb' })).toMatchObject({ terminal: true, redraw: false });
  });
});
