import { InputHistory } from './input-history.ts';
import type { Key } from './key-decoder.ts';
import {
  clusters,
  lineEnd,
  lineStart,
  placeAfter,
  placeBefore,
  placeFrom,
  spacedWordBefore,
  wordAfter,
  wordBefore,
} from './positions.ts';

/** What a key asks of whoever owns the editor. */
export type EditorRequest =
  /** Enter: the text, which is no longer in the editor. */
  | { readonly type: 'submit'; readonly text: string }
  /** Tab: `before` is the text up to the cursor, whose last word may be completed. */
  | { readonly type: 'complete'; readonly before: string }
  /** Some of what was typed or pasted did not fit. */
  | { readonly type: 'full' }
  | { readonly type: 'leave' | 'clear-screen' | 'suspend' };

/**
 * The text that somebody is writing, with a cursor in it, as keys change it. It may have several lines, by a paste or
 * Alt-Enter. How it is drawn is of no concern here (input-layout.ts).
 */
export class LineEditor {
  readonly #history = new InputHistory();
  readonly #maxBytes: number;
  #text = '';
  #cursor = 0;
  /** What was cut last, for Ctrl-Y. */
  #cut = '';

  /** Takes no more than `maxBytes` of UTF-8. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get text(): string {
    return this.#text;
  }

  /** In UTF-16 units. */
  get cursor(): number {
    return this.#cursor;
  }

  press(key: Key): EditorRequest | undefined {
    if (key.type !== 'key') return this.#insert(key.text);
    switch (ACTIONS.get(key.name)) {
      case 'submit':
        return this.#submit();
      case 'line feed':
        return this.#insert('\n');
      case 'clear or leave':
        if (this.#text === '') return { type: 'leave' };
        this.#history.leave();
        this.#change('', 0);
        return undefined;
      case 'delete or leave':
        if (this.#text === '') return { type: 'leave' };
        this.#remove(placeAfter(this.#text, this.#cursor));
        return undefined;
      case 'complete':
        return { type: 'complete', before: this.#text.slice(0, this.#cursor) };
      case 'clear screen':
        return { type: 'clear-screen' };
      case 'suspend':
        return { type: 'suspend' };
      case 'up':
        this.#up();
        return undefined;
      case 'down':
        this.#down();
        return undefined;
      case 'transpose':
        this.#transpose();
        return undefined;
      case 'put back':
        return this.#insert(this.#cut);
      case undefined:
        this.#moveOrRemove(key.name);
        return undefined;
    }
  }

  /** Puts `word` in place of the end of `before`, from `start` on, unless something else was typed meanwhile. */
  complete(before: string, start: number, word: string): void {
    if (this.#text.slice(0, this.#cursor) !== before) return;
    this.#remove(start);
    this.#insert(word);
  }

  #moveOrRemove(name: string): void {
    const move = MOVES.get(name);
    const removal = REMOVALS.get(name);
    if (move !== undefined) this.#cursor = move(this.#text, this.#cursor);
    if (removal === undefined) return;
    const cut = this.#remove(removal.to(this.#text, this.#cursor));
    if (removal.isCut && cut !== '') this.#cut = cut;
  }

  #submit(): EditorRequest {
    const text = this.#text;
    this.#history.add(text);
    this.#change('', 0);
    return { type: 'submit', text };
  }

  #insert(typed: string): EditorRequest | undefined {
    const clean = typed.toWellFormed().replace(CONTROLS, '');
    const text = firstBytes(clean, this.#maxBytes - Buffer.byteLength(this.#text));
    const before = this.#text.slice(0, this.#cursor) + text;
    this.#change(before + this.#text.slice(this.#cursor), before.length);
    return text.length < clean.length ? { type: 'full' } : undefined;
  }

  /** Removes what stands between the cursor and `place`, and gives it back. */
  #remove(place: number): string {
    const from = Math.min(place, this.#cursor);
    const to = Math.max(place, this.#cursor);
    const removed = this.#text.slice(from, to);
    this.#change(this.#text.slice(0, from) + this.#text.slice(to), from);
    return removed;
  }

  /** The character before the cursor goes behind the next one; at the end of a line its last two change places. */
  #transpose(): void {
    const isAtEnd = this.#cursor === lineEnd(this.#text, this.#cursor);
    const end = isAtEnd ? this.#cursor : placeAfter(this.#text, this.#cursor);
    const middle = placeBefore(this.#text, end);
    const start = placeBefore(this.#text, middle);
    if (middle <= lineStart(this.#text, this.#cursor)) return;
    const swapped = this.#text.slice(middle, end) + this.#text.slice(start, middle);
    this.#change(this.#text.slice(0, start) + swapped + this.#text.slice(end), end);
  }

  /** One line up, and from the first line to what was sent before. */
  #up(): void {
    const start = lineStart(this.#text, this.#cursor);
    if (start > 0) this.#toLine(lineStart(this.#text, start - 1));
    else this.#recall(this.#history.older(this.#text));
  }

  #down(): void {
    const end = lineEnd(this.#text, this.#cursor);
    if (end < this.#text.length) this.#toLine(end + 1);
    else this.#recall(this.#history.newer());
  }

  /** To the same place, by the number of characters before it, in the line that begins at `start`. */
  #toLine(start: number): void {
    const before = clusters(this.#text.slice(lineStart(this.#text, this.#cursor), this.#cursor)).length;
    const line = clusters(this.#text.slice(start, lineEnd(this.#text, start)));
    this.#cursor = start + line.slice(0, before).join('').length;
  }

  #recall(text: string | undefined): void {
    if (text !== undefined) this.#change(text, text.length);
  }

  #change(text: string, cursor: number): void {
    this.#text = text;
    // What comes to stand side by side may have become one character.
    this.#cursor = placeFrom(text, cursor);
  }
}

/** As much of the beginning as takes no more than so many bytes, cut between characters. */
function firstBytes(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  let used = 0;
  let end = 0;
  for (const cluster of clusters(text.slice(0, Math.max(0, maxBytes)))) {
    used += Buffer.byteLength(cluster);
    if (used > maxBytes) break;
    end += cluster.length;
  }
  return text.slice(0, end);
}

type Place = (text: string, cursor: number) => number;

type Action =
  | 'submit'
  | 'line feed'
  | 'clear or leave'
  | 'delete or leave'
  | 'complete'
  | 'clear screen'
  | 'suspend'
  | 'up'
  | 'down'
  | 'transpose'
  | 'put back';

const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([
  ['enter', 'submit'],
  ['alt-enter', 'line feed'],
  ['ctrl-c', 'clear or leave'],
  ['ctrl-d', 'delete or leave'],
  ['tab', 'complete'],
  ['ctrl-l', 'clear screen'],
  ['ctrl-z', 'suspend'],
  ['up', 'up'],
  ['ctrl-p', 'up'],
  ['down', 'down'],
  ['ctrl-n', 'down'],
  ['ctrl-t', 'transpose'],
  ['ctrl-y', 'put back'],
]);

const MOVES: ReadonlyMap<string, Place> = new Map<string, Place>([
  ['left', placeBefore],
  ['ctrl-b', placeBefore],
  ['right', placeAfter],
  ['ctrl-f', placeAfter],
  ['home', lineStart],
  ['ctrl-a', lineStart],
  ['end', lineEnd],
  ['ctrl-e', lineEnd],
  ['alt-b', wordBefore],
  ['alt-left', wordBefore],
  ['ctrl-left', wordBefore],
  ['alt-f', wordAfter],
  ['alt-right', wordAfter],
  ['ctrl-right', wordAfter],
  ['ctrl-home', () => 0],
  ['ctrl-end', text => text.length],
]);

/** From the cursor to a place; what is cut comes back with Ctrl-Y. */
const REMOVALS: ReadonlyMap<string, { readonly to: Place; readonly isCut: boolean }> = new Map([
  ['backspace', { to: placeBefore, isCut: false }],
  ['ctrl-h', { to: placeBefore, isCut: false }],
  ['delete', { to: placeAfter, isCut: false }],
  ['ctrl-k', { to: lineEnd, isCut: true }],
  ['ctrl-u', { to: lineStart, isCut: true }],
  ['ctrl-w', { to: spacedWordBefore, isCut: true }],
  ['alt-backspace', { to: wordBefore, isCut: true }],
  ['ctrl-backspace', { to: wordBefore, isCut: true }],
  ['alt-d', { to: wordAfter, isCut: true }],
  ['ctrl-delete', { to: wordAfter, isCut: true }],
]);

/** No message needs them, and no terminal should be sent them: all controls but line feeds and tabs. */
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
