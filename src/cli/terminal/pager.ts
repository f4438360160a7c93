import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { StreamStyle } from './colors.ts';
import { displayWidth } from './width.ts';

/**
 * Shows a long list page by page: through the user's $PAGER, else by itself. What a peer has named comes here escaped
 * (R-X1); the program that is started is the user's own, and is given nothing of a peer's but these lines.
 */
export interface Pager {
  /** A program of its own is at the terminal now. */
  readonly hasTerminal: boolean;
  /** Takes one line; `false` once the reader has seen enough. */
  write(line: string): Promise<boolean>;
  /** Resolves when the reader is done with what was written. */
  close(): Promise<void>;
}

export interface PagerOptions {
  /** `$PAGER`: a program and its arguments, which no shell reads. */
  readonly program: string | undefined;
  /** What the program finds in its environment. */
  readonly environment: Record<string, string>;
  /** The terminal: where pages of our own go, and its size. */
  readonly stream: { write(text: string): unknown };
  readonly style: StreamStyle;
  /** Asks at the end of a page of our own whether to go on. */
  readonly askForMore: () => Promise<boolean>;
  readonly signal: AbortSignal;
}

export async function openPager(options: PagerOptions): Promise<Pager> {
  return (await startProgram(options)) ?? new OwnPager(options);
}

async function startProgram({ program, environment, signal }: PagerOptions): Promise<Pager | undefined> {
  const [command, ...args] = program?.trim().split(/\s+/) ?? [];
  if (!command) return undefined;
  // Descriptor 2 is the terminal also where standard output is not.
  const child = spawn(command, args, { stdio: ['pipe', 2, 2], env: environment, signal });
  const over = new Promise<void>(resolve => {
    child.once('close', () => resolve());
  });
  try {
    await once(child, 'spawn');
  } catch {
    // There is no such program, or it may not be run: pages of our own do as well.
    return undefined;
  }
  // Killed by the signal; and a reader who leaves before the end is no failure.
  child.on('error', () => {});
  return new ProgramPager(child.stdin!, over);
}

class ProgramPager implements Pager {
  readonly #input: Writable;
  readonly #over: Promise<void>;
  hasTerminal = true;
  #isOver = false;

  constructor(input: Writable, over: Promise<void>) {
    this.#input = input;
    this.#over = over.then(() => {
      this.hasTerminal = false;
      this.#isOver = true;
    });
    input.on('error', () => {
      this.#isOver = true;
    });
  }

  async write(line: string): Promise<boolean> {
    if (this.#isOver) return false;
    const isTaken = this.#input.write(`${line}\n`);
    if (!isTaken) await Promise.race([once(this.#input, 'drain').catch(() => {}), this.#over]);
    return !this.#isOver;
  }

  async close(): Promise<void> {
    this.#input.end();
    await this.#over;
  }
}

class OwnPager implements Pager {
  readonly hasTerminal = false;
  readonly #options: PagerOptions;
  #rows = 0;
  #isOver = false;

  constructor(options: PagerOptions) {
    this.#options = options;
  }

  async write(line: string): Promise<boolean> {
    if (this.#isOver) return false;
    const { stream, style, askForMore } = this.#options;
    const rows = Math.max(1, Math.ceil(displayWidth(line) / style.columns()));
    if (this.#rows > 0 && this.#rows + rows >= style.rows()) {
      this.#rows = 0;
      this.#isOver = !(await askForMore());
      if (this.#isOver) return false;
    }
    stream.write(`${line}\n`);
    this.#rows += rows;
    return true;
  }

  async close(): Promise<void> {}
}
