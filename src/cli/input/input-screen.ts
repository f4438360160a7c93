import type { Clock, Timer } from '../../node/index.ts';
import { displayWidth, truncateToWidth } from '../terminal/width.ts';
import { layOutInput } from './input-layout.ts';

/** What of a terminal is drawn on. */
export interface ScreenTerminal {
  /** Calls back when the terminal has taken it. */
  write(text: string, taken: () => void): unknown;
  columns(): number;
  rows(): number;
  /** How a line about what is now looks. */
  dim(text: string): string;
}

/** What stands at the bottom: a text with a cursor, behind a prompt. */
export interface ScreenInput {
  readonly prompt: string;
  readonly text: string;
  readonly cursor: number;
}

/**
 * Lines that scroll above, in the terminal's own scrollback, and an input at the bottom that none of them tears. All that
 * comes within one frame is drawn in one write. Long lines are left to the terminal to wrap, so that they follow when it is
 * resized and are copied whole. Lines, prompt and status are escaped by whoever gives them.
 *
 * The rows of the input are ended by us and never by the terminal, and so stay what they are when it is resized, but for
 * rows that do not fit any more: terminals disagree on what becomes of those. Then the screen is begun anew below, and the
 * last lines are written once more; it would be worse to erase one of them.
 */
export class InputScreen {
  readonly #terminal: ScreenTerminal;
  readonly #clock: Clock;
  readonly #input: () => ScreenInput;
  #state: 'on' | 'off' = 'off';
  #status = '';
  /** Lines to come with the next frame. */
  #waiting: string[] = [];
  /** The last lines above. */
  readonly #recent: string[] = [];
  /** What of the input is on the screen. */
  #drawn: DrawnInput = NOTHING;
  #frame: Timer | undefined;
  #drawnAtMs = Number.NEGATIVE_INFINITY;
  #untaken = 0;
  #roomy: (() => void)[] = [];

  /** `input` is asked at each frame. */
  constructor(terminal: ScreenTerminal, clock: Clock, input: () => ScreenInput) {
    this.#terminal = terminal;
    this.#clock = clock;
    this.#input = input;
  }

  enter(): void {
    if (this.#state === 'on') return;
    this.#state = 'on';
    this.#write(PASTE_ON);
    this.#draw();
  }

  /** Takes the input away, and the terminal is as before, with the lines that have come. May be called twice. */
  leave(): void {
    if (this.#state === 'off') return;
    this.#frame?.cancel();
    this.#frame = undefined;
    this.#state = 'off';
    this.#write(this.#erased() + this.#takeLines() + PASTE_OFF);
  }

  /** Writes lines above, with the next frame. */
  print(...lines: readonly string[]): void {
    if (this.#state === 'off') {
      this.#write(lines.map(line => `${line}\r\n`).join(''));
      return;
    }
    this.#waiting.push(...lines);
    this.update();
  }

  /** Resolves when the terminal keeps up with what is printed: whoever prints what others send waits for it. */
  async room(): Promise<void> {
    while (this.#waiting.length > MAX_WAITING_LINES || this.#untaken > 0) {
      await new Promise<void>(resolve => this.#roomy.push(resolve));
    }
  }

  /** A line above the input about what is now; `''` for none. */
  setStatus(status: string): void {
    if (status === this.#status) return;
    this.#status = status;
    this.update();
  }

  /** The input has changed. */
  update(): void {
    if (this.#state === 'off') return;
    const due = this.#drawnAtMs + FRAME_MS - this.#clock.now();
    this.#frame ??= this.#clock.after(Math.max(0, due), () => this.#draw());
  }

  /** The terminal has another size. */
  resized(): void {
    if (this.#state === 'off') return;
    const { rows, row } = this.#drawn;
    const fits = rows.every(width => width <= this.#terminal.columns()) && row < this.#terminal.rows();
    if (fits) this.#draw();
    else this.#beginAnew();
  }

  /** Ctrl-L: nothing but the input. */
  clear(): void {
    if (this.#state === 'off') return;
    this.#recent.length = 0;
    this.#drawn = NOTHING;
    this.#write('\u001b[H\u001b[2J');
    this.#draw();
  }

  /** Pushes what is on the screen into the scrollback, and writes the last lines again. */
  #beginAnew(): void {
    const lines = [...this.#recent, ...this.#waiting].slice(-this.#terminal.rows());
    this.#waiting = lines;
    this.#recent.length = 0;
    this.#drawn = NOTHING;
    const rows = this.#terminal.rows();
    this.#write(`\u001b[${rows};1H${'\r\n'.repeat(rows)}\u001b[H\u001b[J`);
    this.#draw();
  }

  #draw(): void {
    this.#frame?.cancel();
    this.#frame = undefined;
    this.#drawnAtMs = this.#clock.now();
    const erased = this.#erased();
    const lines = this.#takeLines();
    this.#write(`${erased}${lines}${this.#layOut()}`);
    for (const resolve of this.#roomy.splice(0)) resolve();
  }

  /** To the beginning of what was drawn, and nothing behind it. */
  #erased(): string {
    const { row } = this.#drawn;
    this.#drawn = NOTHING;
    return `\r${row > 0 ? `\u001b[${row}A` : ''}\u001b[J`;
  }

  #takeLines(): string {
    const lines = this.#waiting;
    this.#waiting = [];
    this.#recent.push(...lines.slice(-MAX_RECENT_LINES));
    this.#recent.splice(0, this.#recent.length - MAX_RECENT_LINES);
    return lines.map(line => `${line}\r\n`).join('');
  }

  /** The rows of the input, without wrapping: a terminal that takes a character to be wider than we do cuts it. */
  #layOut(): string {
    const columns = this.#terminal.columns();
    const { prompt, ...input } = this.#input();
    const maxRows = Math.max(1, Math.floor(this.#terminal.rows() / 2));
    const { rows, cursorRow, beforeCursor } = layOutInput(input, prompt, { columns, maxRows });
    const status = this.#status === '' || this.#terminal.rows() < 3 ? [] : [truncateToWidth(this.#status, columns - 1)];
    const all = [...status.map(text => this.#terminal.dim(text)), ...rows];
    const row = status.length + cursorRow;
    this.#drawn = { rows: all.map(text => displayWidth(text)), row };
    const below = all.length - 1 - row;
    // Written once more up to the cursor: so it stands right even where the terminal has other ideas of widths.
    return `${NO_WRAP}${all.join('\r\n')}${below > 0 ? `\u001b[${below}A` : ''}\r${beforeCursor}${WRAP}`;
  }

  #write(text: string): void {
    this.#untaken += 1;
    this.#terminal.write(text, () => {
      this.#untaken -= 1;
      if (this.#untaken === 0) for (const resolve of this.#roomy.splice(0)) resolve();
    });
  }
}

interface DrawnInput {
  /** Widths. */
  readonly rows: readonly number[];
  /** Which of them the cursor is in. */
  readonly row: number;
}

const NOTHING: DrawnInput = { rows: [], row: 0 };
const FRAME_MS = 20;
const MAX_WAITING_LINES = 1000;
/** More than windows have rows. */
const MAX_RECENT_LINES = 200;
const NO_WRAP = '\u001b[?7l';
const WRAP = '\u001b[?7h';
const PASTE_ON = '\u001b[?2004h';
const PASTE_OFF = '\u001b[?2004l';
