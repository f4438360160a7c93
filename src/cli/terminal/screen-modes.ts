/**
 * Follows what a program on another machine does to this terminal, as far as is needed to give it back in order: which
 * modes are switched on, and where a sequence or a character has begun that is not complete. It changes no byte.
 */
export class ScreenModes {
  readonly #changed = new Set<number>();
  #state: State = 'text';
  /** Bytes of a character that are still to come. */
  #rest = 0;
  #parameters = '';
  #held: Uint8Array = NOTHING;
  #hasKeypad = false;

  /**
   * What of `bytes`, behind what was held back, may be written now: it ends where a line of ours could follow. The
   * beginning of a sequence is held back until the rest has come, unless it is longer than any that programs move by.
   */
  feed(bytes: Uint8Array): Uint8Array {
    const all = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    let begun = 0;
    for (let at = this.#held.length; at < all.length; at++) {
      const wasText = this.#state === 'text' && this.#rest === 0;
      if (wasText) begun = at;
      this.#step(all[at]!);
    }
    const isComplete = this.#state === 'text' && this.#rest === 0;
    const end = isComplete || all.length - begun > MAX_HELD_BYTES ? all.length : begun;
    this.#held = all.slice(end);
    return all.subarray(0, end);
  }

  /** What was held back, when nothing more will come. */
  end(): Uint8Array {
    const held = this.#held;
    this.#held = NOTHING;
    return held;
  }

  /** A program has the whole screen to itself. */
  get isFullScreen(): boolean {
    return ALTERNATE.some(mode => this.#changed.has(mode));
  }

  /** Puts back what is not as a shell expects it: after a program that could not do it itself. */
  get restore(): string {
    // A screen is left last, because leaving it brings back the cursor.
    const ordered = [...this.#changed].sort((a, b) => Number(ALTERNATE.includes(a)) - Number(ALTERNATE.includes(b)));
    const modes = ordered.map(mode => switchMode(mode, USUALLY_ON.has(mode))).join('');
    const all = `${modes}${this.#hasKeypad ? '\u001b>' : ''}`;
    return all === '' ? '' : `${all}\u001b[0m`;
  }

  /** Does again what `restore` has put back. */
  get again(): string {
    const modes = [...this.#changed].map(mode => switchMode(mode, !USUALLY_ON.has(mode))).join('');
    return `${modes}${this.#hasKeypad ? '\u001b=' : ''}`;
  }

  #step(byte: number): void {
    if (byte === ESCAPE) {
      // Also in the middle: it begins a new sequence, or ends a string.
      this.#state = this.#state === 'string' ? 'string-escape' : 'escape';
      this.#rest = 0;
      return;
    }
    switch (this.#state) {
      case 'text':
        if (this.#rest > 0 && byte >= 0x80 && byte < 0xc0) this.#rest -= 1;
        else this.#rest = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc0 ? 1 : 0;
        return;
      case 'escape':
        this.#escaped(byte);
        return;
      case 'control':
        if (byte >= 0x40 && byte < 0x7f) this.#control(byte);
        else if (byte === CANCEL) this.#state = 'text';
        else if (this.#parameters.length < MAX_PARAMETERS) this.#parameters += String.fromCharCode(byte);
        return;
      case 'string':
      case 'string-escape':
        this.#state = this.#state === 'string-escape' || byte === BELL || byte === CANCEL ? 'text' : 'string';
    }
  }

  #escaped(byte: number): void {
    if (byte === 0x5b) {
      this.#parameters = '';
      this.#state = 'control';
    } else if (STRING_STARTS.has(byte)) {
      this.#state = 'string';
    } else if (byte < 0x20 || byte >= 0x30) {
      if (byte === 0x3d) this.#hasKeypad = true;
      if (byte === 0x3e || byte === 0x63) this.#hasKeypad = false;
      if (byte === 0x63) this.#changed.clear();
      this.#state = 'text';
    }
  }

  #control(final: number): void {
    this.#state = 'text';
    const isOn = final === 0x68;
    if ((!isOn && final !== 0x6c) || !this.#parameters.startsWith('?')) return;
    for (const number of this.#parameters.slice(1).split(';').map(Number)) {
      if (!FOLLOWED.has(number)) continue;
      if (isOn === USUALLY_ON.has(number)) this.#changed.delete(number);
      else this.#changed.add(number);
    }
  }
}

function switchMode(mode: number, isOn: boolean): string {
  return `\u001b[?${mode}${isOn ? 'h' : 'l'}`;
}

type State = 'text' | 'escape' | 'control' | 'string' | 'string-escape';

const ESCAPE = 0x1b;
const BELL = 0x07;
const CANCEL = 0x18;
/** DCS, SOS, OSC, PM, APC. */
const STRING_STARTS: ReadonlySet<number> = new Set([0x50, 0x58, 0x5d, 0x5e, 0x5f]);
const ALTERNATE: readonly number[] = [47, 1047, 1049];
/** Wrapping, and the cursor that is seen. */
const USUALLY_ON: ReadonlySet<number> = new Set([7, 25]);
/**
 * Keys of the cursor, colours swapped, wrapping, the cursor, other screens, mice and focus, pasting in brackets, drawing at
 * once.
 */
const FOLLOWED: ReadonlySet<number> = new Set([
  1, 5, 7, 9, 25, 47, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 1047, 1049, 2004, 2026,
]);
const MAX_PARAMETERS = 64;
const MAX_HELD_BYTES = 256;
const NOTHING = new Uint8Array(0);
