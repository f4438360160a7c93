import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Key, KeyDecoder } from '../../../src/cli/input/key-decoder.ts';
import { type EditorRequest, LineEditor } from '../../../src/cli/input/line-editor.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';

const FAMILY = '👩‍👩‍👧';

class Typist {
  readonly editor: LineEditor;
  readonly requests: EditorRequest[] = [];
  readonly #decoder: KeyDecoder;

  constructor(maxBytes = 1000) {
    this.editor = new LineEditor(maxBytes);
    this.#decoder = new KeyDecoder(new ManualClock(), key => {
      const request = this.editor.press(key);
      if (request !== undefined) this.requests.push(request);
    });
  }

  type(keys: string): this {
    this.#decoder.feed(Buffer.from(keys));
    return this;
  }

  /** The text with a bar where the cursor is. */
  get shown(): string {
    const { text, cursor } = this.editor;
    return `${text.slice(0, cursor)}|${text.slice(cursor)}`;
  }
}

const LEFT = '\u001b[D';
const RIGHT = '\u001b[C';
const UP = '\u001b[A';
const DOWN = '\u001b[B';
const HOME = '\u001b[H';
const ALT_ENTER = '\u001b\r';

describe('LineEditor', () => {
  it.each([
    ['moves by characters, not by code points', `a${FAMILY}e\u0301${LEFT}${LEFT}`, `a|${FAMILY}e\u0301`],
    ['moves right and inserts', `ac${HOME}${RIGHT}b`, 'ab|c'],
    ['has Home and End of Emacs', 'two\u0001one \u0005 three', 'one two three|'],
    ['has Ctrl-B and Ctrl-F', 'abc\u0002\u0002\u0006X', 'abX|c'],
    ['takes back a whole character', `a${FAMILY}\u007f`, 'a|'],
    ['takes back a letter with its accent', 'xe\u0301\u0008', 'x|'],
    ['deletes what is under the cursor', `a${FAMILY}b${HOME}${RIGHT}\u001b[3~`, 'a|b'],
    ['deletes with Ctrl-D', 'abc\u0001\u0004', '|bc'],
    ['cuts to the end and puts back', 'one two\u001bb\u000b\u0001\u0019', 'two|one '],
    ['cuts to the start', 'one two\u001b[D\u0015', '|o'],
    ['cuts words between spaces', 'cd /usr/local\u0017', 'cd |'],
    ['cuts words of letters', 'cd /usr/local\u001b\u007f', 'cd /usr/|'],
    ['cuts the word ahead', 'one, two\u0001\u001bd', '|, two'],
    ['moves by words of any script', '你好 мир\u001bb\u001bb|', '||你好 мир'],
    ['moves ahead by words', 'one, two\u0001\u001b[1;5C\u001b[1;5C', 'one, two|'],
    ['puts Backspace in no cut', 'ab\u0017c\u007f\u0019', 'ab|'],
    ['exchanges two characters', `a${FAMILY}\u0014`, `${FAMILY}a|`],
    ['exchanges around the cursor', `abc${LEFT}\u0014`, 'acb|'],
    ['exchanges nothing of one', 'a\u0014', 'a|'],
    ['has several lines', `one${ALT_ENTER}two`, 'one\ntwo|'],
    ['exchanges within a line alone', `one${ALT_ENTER}t\u0014`, 'one\nt|'],
    ['moves up at the same place', `${FAMILY}bc${ALT_ENTER}xy${UP}`, `${FAMILY}b|c\nxy`],
    ['moves up to a shorter line', `a${ALT_ENTER}xyz${UP}`, 'a|\nxyz'],
    ['moves down', `abc${ALT_ENTER}xyz${UP}${LEFT}${DOWN}`, 'abc\nxy|z'],
    ['has Home within a line', `abc${ALT_ENTER}xyz${HOME}`, 'abc\n|xyz'],
    ['cuts within a line', `abc${ALT_ENTER}xyz\u0015`, 'abc\n|'],
    ['joins lines by Backspace', `abc${ALT_ENTER}${HOME}\u007f`, 'abc|'],
    ['takes a paste as it is', 'a\u001b[200~x\ty\r\nz\u001b[201~b', 'ax\ty\nzb|'],
    ['drops controls of a paste', '\u001b[200~a\u001b[2J\u0000\u0007\u009bb\u001b[201~', 'a[2Jb|'],
    ['clears the line by Ctrl-C', 'half a thought\u0003', '|'],
    ['ignores keys that mean nothing', 'a\u001b[5~\u001bq\u0007b', 'ab|'],
  ])('%s', (_, keys, expected) => {
    expect(new Typist().type(keys).shown).toBe(expected);
  });

  it('joins an accent that is typed with the letter before it', () => {
    const typist = new Typist().type(`ab${LEFT}\u0301`);
    expect(typist.shown).toBe('a\u0301|b');
    expect(typist.type('\u007f').shown).toBe('|b');
  });

  it('gives up what was written at Enter', () => {
    const typist = new Typist().type('hello\r');
    expect(typist.requests).toEqual([{ type: 'submit', text: 'hello' }]);
    expect(typist.shown).toBe('|');
  });

  it('leaves by Ctrl-C and Ctrl-D on an empty line alone', () => {
    const typist = new Typist().type('x\u0003').type('y\u007f');
    expect(typist.requests).toEqual([]);
    expect(typist.type('\u0003\u0004').requests).toEqual([{ type: 'leave' }, { type: 'leave' }]);
  });

  it('brings back what was sent, and the draft', () => {
    const typist = new Typist().type('one\rtwo\rtwo\rdraft');
    expect(typist.type(UP).shown).toBe('two|');
    expect(typist.type(UP).shown).toBe('one|');
    expect(typist.type(UP).shown).toBe('one|');
    expect(typist.type('!').type(DOWN).shown).toBe('two|');
    expect(typist.type(DOWN).shown).toBe('draft|');
    expect(typist.type(DOWN).shown).toBe('draft|');
    // What was changed and not sent is as it was.
    expect(typist.type(UP).type(UP).shown).toBe('one|');
    typist.type('\u0003');
    expect(typist.type(UP).shown).toBe('two|');
  });

  it('keeps so many of what was sent', () => {
    const typist = new Typist();
    for (let at = 0; at < 1000; at++) typist.type(`${at}\r`);
    for (let at = 0; at < 1000; at++) typist.type(UP);
    expect(typist.shown).toBe('800|');
  });

  it('completes the word before the cursor, unless more was typed meanwhile', () => {
    const typist = new Typist().type(`say to an${LEFT}${LEFT}${RIGHT}${RIGHT}`);
    expect(typist.type('\t').requests).toEqual([{ type: 'complete', before: 'say to an' }]);
    typist.editor.complete('say to an', 7, 'ann ');
    expect(typist.shown).toBe('say to ann |');
    typist.editor.complete('say to an', 7, 'andrew ');
    expect(typist.shown).toBe('say to ann |');
  });

  it('takes so many bytes and says when that is all', () => {
    const typist = new Typist(10).type('12345678');
    expect(typist.type('你').requests).toEqual([{ type: 'full' }]);
    expect(typist.shown).toBe('12345678|');
    expect(typist.type('ä').requests).toHaveLength(1);
    expect(typist.type('x').requests).toHaveLength(2);
    typist.type(`\u001b[200~${'y'.repeat(1_000_000)}\u001b[201~`);
    expect(typist.editor.text).toBe('12345678ä');
  });

  it('asks its owner for what is not its own', () => {
    const { requests } = new Typist().type('\u000c\u001a');
    expect(requests).toEqual([{ type: 'clear-screen' }, { type: 'suspend' }]);
  });

  it('keeps the cursor between characters, whatever is pressed', () => {
    const names = ['left', 'right', 'home', 'end', 'up', 'down', 'backspace', 'delete', 'alt-b', 'alt-f', 'alt-d'];
    const more = ['ctrl-k', 'ctrl-u', 'ctrl-w', 'ctrl-y', 'ctrl-t', 'enter', 'alt-enter', 'ctrl-d', 'alt-backspace'];
    const key: fc.Arbitrary<Key> = fc.oneof(
      fc.constantFrom(...names, ...more).map(name => ({ type: 'key', name }) as const),
      fc
        .oneof(fc.constantFrom('a', ' ', '\u0301', '\u200d', FAMILY, '👩', '🇩', '你', '\n', '\ud800'), fc.string())
        .map(text => ({ type: 'text', text }) as const),
    );
    fc.assert(
      fc.property(fc.array(key, { maxLength: 60 }), keys => {
        const editor = new LineEditor(200);
        for (const one of keys) {
          editor.press(one);
          const places = Array.from(new Intl.Segmenter().segment(editor.text), ({ index }) => index);
          expect([...places, editor.text.length]).toContain(editor.cursor);
          expect(Buffer.byteLength(editor.text)).toBeLessThanOrEqual(200);
          expect(editor.text.isWellFormed()).toBe(true);
        }
      }),
    );
  });
});
