import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatDuration,
  formatLocalTime,
  formatRate,
  formatSize,
  formatTimeLeft,
  formatTimestamp,
} from '../../../src/cli/terminal/format.ts';
import { displayWidth, truncateToWidth } from '../../../src/cli/terminal/width.ts';

describe('sizes and times', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [18_432, '18.4 kB'],
    [999_949, '999.9 kB'],
    [999_950, '1.0 MB'],
    [1_500_000_000, '1.5 GB'],
    [2 ** 53, '9.0 PB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });

  it('never shows four digits before the decimal point', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), bytes => {
        expect(formatSize(bytes)).toMatch(/^(\d{1,3} B|\d{1,3}\.\d [kMGTPE]B)$/);
      }),
    );
  });

  it('shows a rate per second', () => {
    expect(formatRate(12_345_678.9)).toBe('12.3 MB/s');
    expect(formatRate(0.4)).toBe('0 B/s');
  });

  it.each([
    [0, '0 ms'],
    [350, '350 ms'],
    [999.6, '1.0 s'],
    [4_240, '4.2 s'],
    [9_960, '10 s'],
    [59_400, '59 s'],
    [185_000, '3 min 5 s'],
    [7_620_000, '2 h 7 min'],
    [273_600_000, '3 d 4 h'],
  ])('%d ms took %s', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });

  it('rounds the time left up', () => {
    expect(formatTimeLeft(0.1)).toBe('1 s');
    expect(formatTimeLeft(59.5)).toBe('1 min 0 s');
  });

  it('writes RFC 3339 for programs and a fixed width for people', () => {
    expect(formatTimestamp(0)).toBe('1970-01-01T00:00:00.000Z');
    expect(formatLocalTime(1_700_000_000_000)).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d$/);
  });
});

describe('truncateToWidth', () => {
  it('never exceeds the width, leaves what fits, and keeps whole characters', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 30 });
    fc.assert(
      fc.property(text, fc.integer({ min: 0, max: 40 }), fc.constantFrom('start', 'end'), (whole, columns, keep) => {
        const cut = truncateToWidth(whole, columns, keep as 'start' | 'end');
        expect(displayWidth(cut)).toBeLessThanOrEqual(columns);
        if (displayWidth(whole) <= columns && columns > 0) expect(cut).toBe(whole);
        else if (columns > 0)
          expect(keep === 'end' ? whole.endsWith(cut.slice(1)) : whole.startsWith(cut.slice(0, -1))).toBe(true);
      }),
    );
  });

  it('counts columns, not characters', () => {
    expect(truncateToWidth('日本語の名前', 7)).toBe('日本語…');
    expect(truncateToWidth('folder/file.txt', 9, 'end')).toBe('…file.txt');
  });
});
