import { describe, expect, it } from 'vitest';
import { OutputFilter } from '../../../src/cli/terminal/output-filter.ts';

function shown(...pieces: string[]): string {
  const filter = new OutputFilter();
  return pieces.map(piece => filter.filter(piece)).join('') + filter.end();
}

describe('what a remote command prints to a terminal (R-X1)', () => {
  it('passes as text with its lines and tabs', () => {
    expect(shown('a\tb\nc\r\nzweite Zeile, ü, 中文, 😀\n')).toBe('a\tb\nc\r\nzweite Zeile, ü, 中文, 😀\n');
  });

  it('keeps its colours, and gives the terminal its own again', () => {
    expect(shown('\x1b[31mred\x1b[0m\n')).toBe('\x1b[31mred\x1b[0m\n\x1b[0m');
    expect(shown('\x1b[1;38;5;200mx\x1b[38:2::1:2:3my')).toBe('\x1b[1;38;5;200mx\x1b[38:2::1:2:3my\x1b[0m');
    expect(shown('plain')).toBe('plain');
  });

  it.each([
    ['a title', '\x1b]0;owned\x07'],
    ['the clipboard', '\x1b]52;c;aGk=\x07'],
    ['a cursor that moves', '\x1b[2A\x1b[10;10H'],
    ['a screen that is erased', '\x1b[2J'],
    ['a question that the terminal answers (R-X3)', '\x1b[c\x1b[6n\x1b[>q\x1bZ\x05'],
    ['another character set', '\x1b(0\x0e\x0f'],
    ['C1 controls', '\x9b31m\x90\x9d'],
    ['a device string', '\x1bP$q"p\x1b\\'],
    ['a carriage return that overwrites', 'evil\rgood'],
    ['backspaces', 'ab\b\bcd'],
    ['bidi overrides', 'a\u202eb'],
    ['a private mode that looks like a colour', '\x1b[?25m\x1b[>4;2m'],
    ['an endless sequence', `\x1b[${'1;'.repeat(100)}m`],
  ])('shows %s as text', (_, text) => {
    const out = shown(text);
    expect(out).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]/);
    expect(out.length).toBeGreaterThan(text.length);
  });

  it('is the same in whatever pieces it comes', () => {
    const text = 'a\r\n\x1b[31mred\x1b[0m\rx\x1b]0;t\x07\x1b[?25l\x1b\x1b[4mu\x1b[m\r';
    const whole = shown(text);
    expect(shown(...text.split(''))).toBe(whole);
    for (let at = 1; at < text.length; at++) expect(shown(text.slice(0, at), text.slice(at))).toBe(whole);
  });

  it('holds back no more than a sequence that is not finished', () => {
    const filter = new OutputFilter();
    expect(filter.filter('now\x1b[3')).toBe('now');
    expect(filter.filter('1mred')).toBe('\x1b[31mred');
    expect(filter.filter(`\x1b[${'1'.repeat(40)}`)).toMatch(/^\\x1b\[1+$/);
  });
});
