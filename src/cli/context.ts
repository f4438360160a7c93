import { isatty } from 'node:tty';
import type { LineErrorCode, StretchedPassphrase } from '../node/index.ts';
import type { ExitStatus, Phase } from './exit-status.ts';
import type { HeadStart } from './head-start.ts';
import { type ColorChoice, type StreamStyle, streamStyle } from './terminal/colors.ts';
import { escapeJson, escapeText } from './terminal/escape.ts';
import type { ProgressChoice, ProgressDisplay } from './terminal/progress-display.ts';
import { canAsk } from './terminal/prompt.ts';
import { TransientLine } from './terminal/transient-line.ts';

/** Options that every command has. */
export interface OutputOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  /** How often `-v` was given. */
  readonly verbose?: number;
  readonly color?: ColorChoice;
  readonly progress?: ProgressChoice;
  /** `false` under `--no-input`. */
  readonly input?: boolean;
  readonly yes?: boolean;
}

/** What a running command has around it: its outputs, its options, the wish to stop, and what it says when it fails. */
export class CommandContext {
  readonly options: OutputOptions;
  /** From POSTERN_PASSWORD, which is gone from the environment. */
  readonly passphraseFromEnvironment: string | undefined;
  readonly headStart: HeadStart | undefined;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  readonly stdout: StreamStyle;
  readonly stderr: StreamStyle;
  /** What is being done, for the first line of a failure: `cannot get notes.txt from lab`. */
  doing: string | undefined;
  phase: Phase = 'working';
  /** Why it failed, where the command knows better than the code. */
  why: string | undefined;
  /** What to try after a failure, where the command knows better than the code; `''` for nothing. */
  hint: string | undefined;
  /** The login was by the key of this machine: what it may do was settled when it was paired. */
  isByKey = false;
  /** The display that holds lines of the terminal now: what is written must pass through it. */
  display: Pick<ProgressDisplay, 'print' | 'pause' | 'resume'> | undefined;
  /** Whether another program has the terminal now, so that Ctrl-C means that one. */
  isTerminalLent = (): boolean => false;
  /** Offered each signal that would end the command; `true` says that it is taken care of. */
  takeSignal: ((signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') => boolean) | undefined;
  /** For commands whose exit status is not theirs alone: how they tell a failure of their own. */
  failureStatus: ((code: LineErrorCode) => ExitStatus) | undefined;
  /** For commands that end without an error and yet not with 0. */
  exitStatus: number | undefined;
  /** What was asked or read once, for the next time it is needed; by `HOST:PORT`, or `''` for every host. */
  readonly passphrases = new Map<string, StretchedPassphrase>();
  /** Told while a question stands on the terminal. */
  #held: string[] | undefined;
  #status: (() => void) | undefined;
  readonly #cleanups: (() => void)[] = [];

  constructor(
    options: OutputOptions,
    passphraseFromEnvironment: string | undefined,
    signal: AbortSignal,
    headStart?: HeadStart,
  ) {
    this.options = options;
    this.headStart = headStart;
    this.passphraseFromEnvironment = passphraseFromEnvironment;
    this.signal = signal;
    this.stdout = streamStyle(process.stdout, process.env, options.color);
    this.stderr = streamStyle(process.stderr, process.env, options.color);
  }

  /**
   * Somebody sits at the terminal, sees what is written, and has not asked to be left alone: for questions that a script
   * is not asked. POSTERN_FORCE_TTY makes nobody sit there.
   */
  get isAttended(): boolean {
    const { json, yes, input } = this.options;
    return !json && !yes && input !== false && isatty(0) && isatty(2) && canAsk();
  }

  /** A line of the answer, on stdout. The caller has escaped what is not its own. */
  async print(line: string): Promise<void> {
    await this.write(`${line}\n`);
  }

  /** Text or bytes on stdout; resolves when they are taken, so that a slow reader slows the sender. */
  write(data: string | Uint8Array): Promise<void> {
    return new Promise(resolve => {
      // A failure to write ends the process (run.ts), so there is nothing to reject with.
      process.stdout.write(data, () => resolve());
    });
  }

  /** One JSON document or line on stdout. */
  async printJson(value: unknown): Promise<void> {
    await this.print(escapeJson(value));
  }

  /** A line for people on stderr; silent under `-q` and `--json`. */
  note(line: string): void {
    if (!this.options.quiet && !this.options.json) this.tell(line);
  }

  /** A line on stderr in any case. The caller has escaped what is not its own. */
  tell(line: string): void {
    if (this.#held !== undefined && this.#held.length < MAX_HELD_LINES) this.#held.push(line);
    else if (this.display === undefined) process.stderr.write(`${line}\n`);
    else this.display.print(line);
  }

  /** As `note`, only with `-v`. */
  detail(line: string): void {
    if ((this.options.verbose ?? 0) > 0) this.note(escapeText(line));
  }

  /** Runs `work` with a line on the terminal that is about now, and that `show` changes; afterwards it is gone. */
  async transient<T>(text: string, work: (show: (text: string) => void) => Promise<T>): Promise<T> {
    if (this.options.quiet || this.options.json || !this.stderr.redraw || this.display !== undefined) {
      return work(() => {});
    }
    const line = new TransientLine(process.stderr, this.stderr, () => performance.now());
    const end = (): void => {
      line.close();
      if (this.display === line) this.display = undefined;
    };
    this.onClose(end);
    this.display = line;
    line.show(text);
    try {
      return await work(now => line.show(now));
    } finally {
      end();
    }
  }

  /** Runs a question with the terminal to itself: the display is away, and lines wait, but those that it says itself. */
  async alone<T>(question: (say: (line: string) => void) => Promise<T>): Promise<T> {
    const held: string[] = [];
    this.#held = held;
    this.display?.pause();
    try {
      return await question(line => process.stderr.write(`${line}\n`));
    } finally {
      this.#held = undefined;
      this.display?.resume();
      for (const line of held) this.tell(line);
    }
  }

  /** What SIGUSR1 prints. */
  whenAsked(show: () => void): void {
    this.#status = show;
  }

  showStatus(): void {
    this.#status?.();
  }

  /** Called when the command is over, however it ends. */
  onClose(action: () => void): void {
    this.#cleanups.push(action);
  }

  close(): void {
    for (const action of this.#cleanups.splice(0)) action();
  }
}

/** Beyond it lines disturb the question; one transfer tells less while it waits for an answer. */
const MAX_HELD_LINES = 1000;
