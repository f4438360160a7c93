import { spawnSync } from 'node:child_process';
import type { ReadStream, WriteStream } from 'node:tty';
import { childEnvironment } from '../../node/index.ts';
import { ScreenModes } from './screen-modes.ts';

/**
 * This terminal, lent to a program on another machine: each key goes out at once and unread, each byte of output comes in
 * as it is. However it ends, `leave` gives the terminal back as it was; it may be called twice, and at the end of the
 * process it is called by itself.
 */
export class RawTerminal {
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  #modes = new ScreenModes();
  #isRaw = false;
  /** A line of ours that stands on the screen, and how it is taken away. */
  #status: 'none' | 'on-screen' | 'over-program' | 'in-text' = 'none';
  readonly #leave = (): void => this.leave();

  constructor(input: ReadStream, output: WriteStream) {
    this.#input = input;
    this.#output = output;
  }

  get size(): { readonly columns: number; readonly rows: number } {
    // A terminal that does not know its size says 0.
    return { columns: this.#output.columns || 80, rows: this.#output.rows || 24 };
  }

  enter(): void {
    if (this.#isRaw) return;
    this.#isRaw = true;
    this.#input.resume();
    process.once('exit', this.#leave);
    this.#input.setRawMode(true);
    // Node leaves on that a newline also returns the carriage, which breaks what full-screen programs draw. What is not
    // there to be switched off (Windows) need not be.
    spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'], env: childEnvironment(process.env) });
    this.#output.write(this.#modes.again);
  }

  leave(): void {
    if (this.#isRaw) this.#output.write(this.#modes.end());
    this.suspend();
    this.#modes = new ScreenModes();
  }

  /** Gives the terminal back for a while: what the program has set is set again by `enter`. */
  suspend(): void {
    if (!this.#isRaw) return;
    this.#isRaw = false;
    process.removeListener('exit', this.#leave);
    this.clearStatus();
    this.#output.write(this.#modes.restore);
    // The terminal as it was found, output too.
    this.#input.setRawMode(false);
    this.#input.pause();
  }

  /** Resolves when the terminal has taken it. */
  write(bytes: Uint8Array): Promise<void> {
    const whole = this.#modes.feed(bytes);
    return new Promise(resolve => {
      this.#output.write(whole, () => resolve());
    });
  }

  /** Lines of ours in between. */
  print(...lines: readonly string[]): void {
    this.#output.write(this.#isRaw ? `\r\n${lines.join('\r\n')}\r\n` : `${lines.join('\n')}\n`);
  }

  /**
   * Shows a line about the connection without harm to what stands on the screen: over the last line of a full-screen
   * program, which is then asked to draw itself again, else on the terminal's other screen. Where there is none, in the text.
   */
  showStatus(text: string, term: string): void {
    const { columns, rows } = this.size;
    const line = text.slice(0, columns - 1);
    if (this.#status === 'none') {
      this.#status = this.#modes.isFullScreen ? 'over-program' : OTHER_SCREEN.test(term) ? 'on-screen' : 'in-text';
      if (this.#status === 'on-screen') this.#output.write('\u001b[?1049h\u001b[2J\u001b[H');
      if (this.#status === 'in-text') this.#output.write('\r\n');
    }
    if (this.#status === 'over-program') {
      this.#output.write(`\u001b7\u001b[${rows};1H\u001b[0;7m${line.padEnd(columns - 1)}\u001b[0m\u001b8`);
    } else {
      this.#output.write(`\r${line.padEnd(columns - 1)}\r`);
    }
  }

  /** Takes the line away. `true` if the program has to draw what was under it. */
  clearStatus(): boolean {
    const status = this.#status;
    this.#status = 'none';
    if (status === 'on-screen') this.#output.write('\u001b[?1049l');
    if (status === 'in-text') this.#output.write('\r\n');
    return status === 'over-program';
  }

  /** A program has the whole screen to itself. */
  get isFullScreen(): boolean {
    return this.#modes.isFullScreen;
  }
}

/** Terminals with a second screen, by the names that terminfo has for them. */
const OTHER_SCREEN =
  /^(?:xterm|screen|tmux|rxvt|vte|gnome|konsole|alacritty|foot|kitty|wezterm|ghostty|iterm|st(?:-|$)|putty|contour|mlterm)/;
