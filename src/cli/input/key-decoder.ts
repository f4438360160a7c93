import { TextDecoder } from 'node:util';
import type { Clock, Timer } from '../../node/index.ts';

/** What was typed: text as it stands, a piece of what was pasted, or a key by its name (`enter`, `ctrl-a`, `alt-left`). */
export type Key =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'paste'; readonly text: string }
  | { readonly type: 'key'; readonly name: string };

/**
 * Bytes of a terminal to keys. They may come in pieces, cut anywhere. A lone ESC is a key once nothing has followed it for
 * a moment; the beginning of any other sequence is held until its end has come, because a slow connection may cut there
 * too. What is no known key is swallowed whole, so that no part of it is taken for text.
 */
export class KeyDecoder {
  readonly #clock: Clock;
  readonly #onKey: (key: Key) => void;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  #state: 'text' | 'escape' | 'control' | 'shift' | 'string' | 'string-escape' | 'paste' = 'text';
  /** Behind `ESC [`, without its last character. */
  #parameters = '';
  #text = '';
  /** The last of a paste, which may be the beginning of its end. */
  #held = '';
  /** Characters of a string that the terminal answers with. */
  #stringLength = 0;
  #afterReturn = false;
  #timer: Timer | undefined;

  constructor(clock: Clock, onKey: (key: Key) => void) {
    this.#clock = clock;
    this.#onKey = onKey;
  }

  feed(bytes: Uint8Array): void {
    this.#timer?.cancel();
    let text = this.#utf8.decode(bytes, { stream: true });
    while (text !== '') text = this.#state === 'paste' ? this.#pasted(text) : this.#read(text);
    if (this.#state === 'escape' || this.#state === 'shift') {
      this.#timer = this.#clock.after(LONE_ESCAPE_MS, () => this.#endOfSequence());
    }
  }

  /** Nothing is told any more of what is held. */
  close(): void {
    this.#timer?.cancel();
  }

  /** Nothing has followed: it was the key Escape, or Alt with an O. */
  #endOfSequence(): void {
    const name = this.#state === 'shift' ? 'alt-O' : 'escape';
    this.#state = 'text';
    this.#key(name);
  }

  /** Gives back what follows the beginning of a paste. */
  #read(text: string): string {
    let at = 0;
    for (const character of text) {
      this.#step(character);
      at += character.length;
      if (this.#state === 'paste') break;
    }
    this.#flushText();
    return text.slice(at);
  }

  /** Gives back what follows the end of the paste. What may be the beginning of its end is kept. */
  #pasted(text: string): string {
    const all = this.#held + text;
    const end = all.indexOf(PASTE_END);
    this.#held = end === -1 ? beginningOfEnd(all) : '';
    this.#paste(end === -1 ? all.slice(0, all.length - this.#held.length) : all.slice(0, end));
    if (end === -1) return '';
    this.#state = 'text';
    return all.slice(end + PASTE_END.length);
  }

  #step(character: string): void {
    switch (this.#state) {
      case 'text':
        this.#plain(character);
        return;
      case 'escape':
        this.#escaped(character);
        return;
      case 'control':
        this.#control(character);
        return;
      case 'shift':
        this.#state = 'text';
        this.#key(SHIFTED.get(character) ?? '');
        return;
      case 'paste':
        return;
      case 'string':
      case 'string-escape':
        this.#stringLength += 1;
        if (character === '\u0007' || this.#state === 'string-escape' || this.#stringLength > MAX_STRING) {
          this.#state = 'text';
        } else if (character === ESCAPE) {
          this.#state = 'string-escape';
        }
    }
  }

  #plain(character: string): void {
    if (character === ESCAPE) {
      this.#flushText();
      this.#state = 'escape';
      return;
    }
    const name = CONTROLS.get(character);
    if (name === undefined) this.#text += character;
    else this.#key(name);
  }

  #escaped(character: string): void {
    this.#state = 'text';
    if (character === '[') {
      this.#parameters = '';
      this.#state = 'control';
    } else if (character === 'O') {
      this.#state = 'shift';
    } else if (character === ESCAPE) {
      // The first of the two was a key.
      this.#key('escape');
      this.#state = 'escape';
    } else if (STRING_STARTS.has(character)) {
      this.#stringLength = 0;
      this.#state = 'string';
    } else {
      this.#key(`alt-${CONTROLS.get(character) ?? character}`);
    }
  }

  #control(character: string): void {
    if (character === ESCAPE) {
      this.#state = 'escape';
    } else if (character >= '@' && character <= '~') {
      const sequence = this.#parameters + character;
      this.#state = sequence === PASTE_START ? 'paste' : 'text';
      if (this.#state === 'paste') this.#afterReturn = false;
      else this.#key(nameOf(this.#parameters, character));
    } else if (character < ' ' || character > '~') {
      // No sequence has it: whatever began is over.
      this.#state = 'text';
      this.#plain(character);
    } else if (this.#parameters.length < MAX_PARAMETERS) {
      this.#parameters += character;
    }
  }

  #flushText(): void {
    const text = this.#text;
    this.#text = '';
    if (text !== '') this.#onKey({ type: 'text', text });
  }

  /** Line ends come as the terminal likes: each becomes one line feed. */
  #paste(told: string): void {
    if (told === '') return;
    const follows = this.#afterReturn && told.startsWith('\n') ? told.slice(1) : told;
    this.#afterReturn = told.endsWith('\r');
    const text = follows.replace(/\r\n?/g, '\n');
    if (text !== '') this.#onKey({ type: 'paste', text });
  }

  #key(name: string): void {
    this.#flushText();
    if (name !== '') this.#onKey({ type: 'key', name });
  }
}

/** What at the end of `text` is the beginning of what ends a paste. */
function beginningOfEnd(text: string): string {
  for (let length = Math.min(PASTE_END.length - 1, text.length); length > 0; length--) {
    if (PASTE_END.startsWith(text.slice(-length))) return text.slice(-length);
  }
  return '';
}

/** Of `ESC [ parameters final`, with modifiers as xterm tells them: `1;5C` is Ctrl and right. `''` for an unknown key. */
function nameOf(parameters: string, final: string): string {
  const [first = '', modifier = '1'] = parameters.split(';');
  const base = final === '~' ? NUMBERED.get(first) : final === 'Z' ? 'shift-tab' : SHIFTED.get(final);
  if (base === undefined) return '';
  const bits = Number(modifier) - 1;
  const held = [bits & 4 ? 'ctrl-' : '', bits & 2 ? 'alt-' : '', bits & 1 ? 'shift-' : ''];
  return Number.isInteger(bits) && bits > 0 && bits < 16 ? `${held.join('')}${base}` : base;
}

const ESCAPE = '\u001b';
const PASTE_START = '200~';
const PASTE_END = '\u001b[201~';
/** DCS, SOS, OSC, PM, APC. */
const STRING_STARTS: ReadonlySet<string> = new Set(['P', 'X', ']', '^', '_']);
const SHIFTED: ReadonlyMap<string, string> = new Map([
  ['A', 'up'],
  ['B', 'down'],
  ['C', 'right'],
  ['D', 'left'],
  ['H', 'home'],
  ['F', 'end'],
  ['M', 'enter'],
]);
const NUMBERED: ReadonlyMap<string, string> = new Map([
  ['1', 'home'],
  ['7', 'home'],
  ['4', 'end'],
  ['8', 'end'],
  ['3', 'delete'],
  ['5', 'page-up'],
  ['6', 'page-down'],
]);
const CONTROLS: ReadonlyMap<string, string> = new Map([
  ...Array.from(
    { length: 26 },
    (_, at) => [String.fromCharCode(at + 1), `ctrl-${String.fromCharCode(at + 97)}`] as const,
  ),
  ['\u0000', 'ctrl-space'],
  ['\u001c', 'ctrl-\\'],
  ['\u001d', 'ctrl-]'],
  ['\u001e', 'ctrl-^'],
  ['\u001f', 'ctrl-_'],
  ['\t', 'tab'],
  ['\n', 'enter'],
  ['\r', 'enter'],
  ['\u0008', 'backspace'],
  ['\u007f', 'backspace'],
]);
/** Long enough for the rest of a sequence on a slow connection, too short to be noticed behind the key. */
const LONE_ESCAPE_MS = 100;
const MAX_PARAMETERS = 32;
/** Of a string that never ends, so that what is typed afterwards is not lost with it. */
const MAX_STRING = 4096;
