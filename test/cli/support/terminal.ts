import { type IPty, spawn } from '@lydell/node-pty';
import xterm from '@xterm/headless';
import { onTestFinished } from 'vitest';
import { type Environment, type Home, MAIN } from './command.ts';

export interface TerminalOptions {
  readonly cwd?: string;
  readonly env?: Environment;
  readonly columns?: number;
  readonly rows?: number;
  /** Runs it from a shell, which then says how it ended, and whether the terminal is as it was. */
  readonly throughShell?: boolean;
  /** Another script in place of the command. */
  readonly main?: string;
  /** Another program, with its arguments, in place of all that. */
  readonly program?: readonly string[];
}

/** The command in a real terminal, and what stands on its screen. */
export class InTerminal {
  readonly ended: Promise<{ status: number; signal: number | undefined }>;
  /** All that was written, raw. */
  raw = '';
  readonly #pty: IPty;
  readonly #screen: xterm.Terminal;
  #waiting: (() => void)[] = [];
  #isOver = false;

  constructor(home: Home, args: readonly string[], options: TerminalOptions = {}) {
    const size = { cols: options.columns ?? 100, rows: options.rows ?? 30 };
    this.#screen = new xterm.Terminal({ ...size, allowProposedApi: true });
    const command = [process.execPath, options.main ?? MAIN, ...args];
    const throughShell = ['/bin/sh', '-c', COMPARE_SETTINGS, 'sh', ...command];
    const [file, ...rest] = options.program ?? (options.throughShell ? throughShell : command);
    this.#pty = spawn(file!, rest, {
      ...size,
      cwd: options.cwd ?? home.path,
      env: home.environment(options.env),
    });
    this.#pty.onData(data => {
      this.raw += data;
      this.#screen.write(data, () => this.#wake());
    });
    this.ended = new Promise(resolve => {
      this.#pty.onExit(({ exitCode, signal }) => {
        this.#isOver = true;
        this.#screen.write('', () => {
          this.#wake();
          resolve({ status: exitCode, signal });
        });
      });
    });
    onTestFinished(async () => {
      if (!this.#isOver) this.#pty.kill('SIGKILL');
      await this.ended;
    });
  }

  get pid(): number {
    return this.#pty.pid;
  }

  type(text: string): void {
    this.#pty.write(text);
  }

  /** What a keyboard sends may be cut anywhere. */
  typeBytes(bytes: Uint8Array): void {
    // Its type tells of texts alone.
    this.#pty.write(Buffer.from(bytes) as unknown as string);
  }

  signal(name: NodeJS.Signals): void {
    this.#pty.kill(name);
  }

  resize(columns: number, rows: number): void {
    this.#pty.resize(columns, rows);
    this.#screen.resize(columns, rows);
  }

  /** What stands on the screen, one string a line, without what is empty at the ends. */
  screen(): string {
    const buffer = this.#screen.buffer.active;
    const lines: string[] = [];
    for (let at = 0; at < buffer.length; at++) lines.push(buffer.getLine(at)!.translateToString(true));
    return lines.join('\n').trimEnd();
  }

  /** Resolves when the screen shows what matches; rejects if the command ends without. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.screen());
      if (found !== null) return found;
      if (this.#isOver) throw new Error(`ended without ${pattern}:\n${this.screen()}`);
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** HUP is for the command alone: the shell stays to look after it. */
const COMPARE_SETTINGS = `
  before=$(stty -a); "$@"; status=$?
  [ "$(stty -a)" = "$before" ] && same='as it was' || same=changed
  echo "ended with $status, $same"`;
