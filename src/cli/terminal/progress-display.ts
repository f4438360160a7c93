import type { StreamStyle } from './colors.ts';
import { escapeJson } from './escape.ts';
import { formatTimestamp } from './format.ts';
import { type Progress, type ProgressSnapshot, statusLine } from './progress.ts';

export type ProgressMode = 'bar' | 'plain' | 'json' | 'none';
export type ProgressChoice = 'auto' | ProgressMode;

/** What a running display offers to the command that owns it; it must be closed, and may be closed twice. */
export interface ProgressDisplay {
  /** Writes a finished line (already escaped) without tearing the display. */
  print(line: string): void;
  /** Takes the display off the screen, for a question, until `resume`. */
  pause(): void;
  resume(): void;
  /** One line about now, for SIGUSR1 and SIGINFO; in every mode. */
  printStatus(): void;
  /** Ends the display and leaves nothing of it on the screen: the outcome is told by whoever owns it. */
  close(): void;
}

export interface DisplayTarget {
  /** Usually stderr. Only `write` and `resize` events are used. */
  readonly stream: DisplayStream;
  readonly style: StreamStyle;
  readonly clock: DisplayClock;
}

export interface DisplayStream {
  write(text: string): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

export interface DisplayClock {
  /** Wall clock, for the time in JSON. */
  wallMs(): number;
  /** Calls back every `milliseconds` until the returned function is called; must not keep the process alive. */
  every(milliseconds: number, callback: () => void): () => void;
}

/** What `--progress`, `--json` and `--quiet` come to on this stream; what was asked for explicitly wins. */
export function progressMode(
  choice: ProgressChoice,
  style: StreamStyle,
  options: { json?: boolean; quiet?: boolean } = {},
): ProgressMode {
  if (choice !== 'auto') return choice;
  if (options.quiet) return 'none';
  if (options.json) return 'json';
  return style.redraw ? 'bar' : 'plain';
}

export async function showProgress(
  progress: Progress,
  mode: ProgressMode,
  target: DisplayTarget,
): Promise<ProgressDisplay> {
  if (mode !== 'bar') return new LineDisplay(progress, mode, target);
  // Loaded here, because knowing the width of every character costs 50 ms.
  const { BarDisplay } = await import('./progress-bar.ts');
  return new BarDisplay(progress, target);
}

export const systemDisplayClock: DisplayClock = {
  wallMs: () => Date.now(),
  every: (milliseconds, callback) => {
    const timer = setInterval(callback, milliseconds);
    timer.unref();
    return () => clearInterval(timer);
  },
};

/**
 * JSON has a line at the start, each second, and at the end. Plain has one after a second and then each ten: what is done
 * sooner needs none beside its outcome. None has a line only when it is asked for.
 */
export class LineDisplay implements ProgressDisplay {
  readonly #progress: Progress;
  readonly #mode: Exclude<ProgressMode, 'bar'>;
  readonly #target: DisplayTarget;
  readonly #stopTimer: (() => void) | undefined;
  #seconds = 0;
  #isPaused = false;
  #closed = false;

  constructor(progress: Progress, mode: Exclude<ProgressMode, 'bar'>, target: DisplayTarget) {
    this.#progress = progress;
    this.#mode = mode;
    this.#target = target;
    if (mode === 'none') return;
    if (mode === 'json') this.printStatus();
    this.#stopTimer = target.clock.every(1000, () => {
      this.#seconds += 1;
      if (this.#isPaused) return;
      if (mode === 'json' || this.#seconds === 1 || this.#seconds % PLAIN_INTERVAL_SECONDS === 0) this.printStatus();
    });
  }

  print(line: string): void {
    this.#target.stream.write(`${line}\n`);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
  }

  printStatus(): void {
    const state = this.#progress.snapshot();
    const line = this.#mode === 'json' ? jsonStatus(state, this.#target.clock.wallMs()) : statusLine(state);
    this.print(line);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopTimer?.();
    if (this.#mode === 'json') this.printStatus();
  }
}

function jsonStatus(state: ProgressSnapshot, wallMs: number): string {
  return escapeJson({
    type: 'status',
    time: formatTimestamp(wallMs),
    label: state.label,
    finished: state.finished,
    bytes: state.bytes,
    total_bytes: state.totalBytes ?? null,
    items: state.items,
    total_items: state.totalItems ?? null,
    percent: state.percent ?? null,
    bytes_per_second: Math.round(state.bytesPerSecond),
    seconds_left: state.secondsLeft === undefined ? null : Math.ceil(state.secondsLeft),
  });
}

const PLAIN_INTERVAL_SECONDS = 10;
