import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { layOutInput } from '../../../src/cli/input/input-layout.ts';
import { displayWidth } from '../../../src/cli/terminal/width.ts';

/** Rows with a bar where the cursor is. */
function laidOut(text: string, columns: number, { cursor = text.length, maxRows = 10, prompt = '> ' } = {}): string[] {
  const { rows, cursorRow, beforeCursor } = layOutInput({ text, cursor }, prompt, { columns, maxRows });
  expect(rows[cursorRow]!.startsWith(beforeCursor)).toBe(true);
  return rows.map((row, at) => (at === cursorRow ? `${beforeCursor}|${row.slice(beforeCursor.length)}` : row));
}

describe('the layout of an input', () => {
  it('is one row where that is enough', () => {
    expect(laidOut('hello', 20)).toEqual(['> hello|']);
    expect(laidOut('hello', 20, { cursor: 0 })).toEqual(['> |hello']);
  });

  it('goes on under itself, with the last column free', () => {
    expect(laidOut('0123456789', 10)).toEqual(['> 0123456', '  789|']);
    expect(laidOut('0123456', 10)).toEqual(['> 0123456|']);
  });

  it('takes wide characters whole into the next row', () => {
    expect(laidOut('你好你好', 10, { cursor: 3 })).toEqual(['> 你好你|', '  好']);
    expect(laidOut('a👩‍👩‍👧👩‍👩‍👧b', 9)).toEqual(['> a👩‍👩‍👧👩‍👩‍👧b|']);
  });

  it('leaves words of scripts with joiners whole', () => {
    expect(laidOut('می‌خواهم', 20)).toEqual(['> می‌خواهم|']);
  });

  it('has a row for each line', () => {
    expect(laidOut('one\n\ttwo\n', 20)).toEqual(['> one', '      two', '  |']);
    expect(laidOut('one\ntwo', 20, { cursor: 3 })).toEqual(['> one|', '  two']);
  });

  it('cuts what is wider than a row by itself', () => {
    expect(laidOut('\u{e0000}x', 10)).toEqual(['> \\u{e00…', '  x|']);
  });

  it('shows the rows around the cursor where there are too many', () => {
    const text = 'a\nb\nc\nd\ne\nf';
    expect(laidOut(text, 20, { maxRows: 3 })).toEqual(['  d', '  e', '  f|']);
    expect(laidOut(text, 20, { maxRows: 3, cursor: 0 })).toEqual(['> |a', '  b', '  c']);
    expect(laidOut(text, 20, { maxRows: 3, cursor: 4 })).toEqual(['  b', '  |c', '  d']);
    expect(laidOut(text, 20, { maxRows: 1, cursor: 4 })).toEqual(['  |c']);
  });

  it('gives up a prompt that takes half of the window', () => {
    expect(laidOut('hello', 20, { prompt: 'a-long-room-name> ' })).toEqual(['> hello|']);
  });

  it('keeps every row narrower than the window and shows nothing raw, whatever is typed (R-X1)', () => {
    const part = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\n', '你', '\u001b[2J'),
    );
    fc.assert(
      fc.property(fc.array(part), fc.integer({ min: 10, max: 60 }), fc.nat(), (parts, columns, at) => {
        const text = parts.join('').toWellFormed();
        const cursor = at % (text.length + 1);
        const { rows, cursorRow } = layOutInput({ text, cursor }, '> ', { columns, maxRows: 5 });
        expect(rows.length).toBeLessThanOrEqual(5);
        expect(cursorRow).toBeLessThan(rows.length);
        for (const row of rows) {
          expect(displayWidth(row)).toBeLessThan(columns);
          expect(row).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
        }
      }),
    );
  });
});
