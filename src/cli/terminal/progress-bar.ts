import { formatSize } from './format.ts';
import { type Progress, type ProgressItem, type ProgressSnapshot, progressParts, statusLine } from './progress.ts';
import type { DisplayTarget, ProgressDisplay } from './progress-display.ts';
import { displayWidth, truncateToWidth } from './width.ts';

/**
 * The bar: one line of the whole and up to three of active files, drawn again in place.
 *
 * Between two drawings the cursor rests at the start of the last line. A terminal that gets narrower wraps the lines above
 * it, and how many rows they take then follows from their widths. (At the start of the first line nothing would have to
 * be counted, but xterm.js moves the cursor down for lines that wrap below it.) The cursor is never hidden: there is
 * nothing to restore should we be killed.
 */
export class BarDisplay implements ProgressDisplay {
  readonly #progress: Progress;
  readonly #target: DisplayTarget;
  readonly #stopTimer: () => void;
  readonly #onResize = () => {
    this.#resized = true;
  };
  readonly #onExit = () => this.#clear();
  #drawn = '';
  #widthsAbove: number[] = [];
  /** The terminal may have wrapped what stands there, so the next drawing is due even if it is the same. */
  #resized = false;
  #state: 'drawing' | 'paused' | 'closed' = 'drawing';

  constructor(progress: Progress, target: DisplayTarget) {
    this.#progress = progress;
    this.#target = target;
    this.#stopTimer = target.clock.every(REDRAW_MS, () => this.#draw());
    target.stream.on('resize', this.#onResize);
    process.on('exit', this.#onExit);
    this.#draw();
  }

  print(line: string): void {
    this.#clear();
    this.#target.stream.write(`${line}\n`);
    this.#draw();
  }

  pause(): void {
    if (this.#state !== 'drawing') return;
    this.#clear();
    this.#state = 'paused';
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'drawing';
    this.#draw();
  }

  printStatus(): void {
    this.print(statusLine(this.#progress.snapshot()));
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#stopTimer();
    this.#target.stream.off('resize', this.#onResize);
    process.off('exit', this.#onExit);
    this.#clear();
    this.#state = 'closed';
  }

  #draw(): void {
    if (this.#state !== 'drawing') return;
    const columns = this.#columns();
    const state = this.#progress.snapshot();
    // A single file has its name and its figures in the first line already.
    const active = state.totalItems === 1 ? [] : state.active;
    const rows = Math.max(0, Math.min(ACTIVE_ROWS, this.#target.style.rows() - 2));
    const lines = [totalLine(state, columns), ...active.slice(0, rows).map(item => itemLine(item, columns))];
    const drawing = lines.map(line => line + ERASE_LINE_REST).join('\n');
    if (drawing === this.#drawn && !this.#resized) return;
    this.#target.stream.write(`${this.#toFirstLine()}${drawing}${ERASE_BELOW}\r`);
    this.#drawn = drawing;
    this.#widthsAbove = lines.slice(0, -1).map(displayWidth);
    this.#resized = false;
  }

  #clear(): void {
    if (this.#drawn === '') return;
    this.#target.stream.write(this.#toFirstLine() + ERASE_BELOW);
    this.#drawn = '';
    this.#widthsAbove = [];
  }

  #toFirstLine(): string {
    const columns = this.#target.style.columns();
    const rows = this.#widthsAbove.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0);
    return rows === 0 ? '\r' : `\r\u001b[${rows}A`;
  }

  /** One less than there are: a character in the last column makes some terminals wrap and others not. */
  #columns(): number {
    return this.#target.style.columns() - 1;
  }
}

/** Label, bar and figures; with little room first the bar goes, then the label is cut, then the figures. */
function totalLine(state: ProgressSnapshot, columns: number): string {
  const figures = progressParts(state).join('  ');
  const room = columns - displayWidth(figures);
  const label = truncateToWidth(state.label, Math.max(room - 2, Math.min(MIN_LABEL_COLUMNS, columns)));
  const barRoom = room - displayWidth(label) - 6;
  const bar =
    state.percent !== undefined && !state.finished && barRoom >= BAR_COLUMNS ? `  ${drawBar(state.percent)}` : '';
  return truncateToWidth(`${label}${bar}  ${figures}`, columns);
}

function drawBar(percent: number): string {
  const filled = Math.floor((percent / 100) * BAR_COLUMNS);
  return `[${'#'.repeat(filled)}${'-'.repeat(BAR_COLUMNS - filled)}]`;
}

/** The end of a path says more than its beginning, so that end stays. */
function itemLine(item: ProgressItem, columns: number): string {
  const size =
    item.totalBytes === undefined
      ? formatSize(item.bytes)
      : `${formatSize(item.bytes)} of ${formatSize(item.totalBytes)}`;
  const name = truncateToWidth(item.name, Math.max(columns - displayWidth(size) - 4, MIN_LABEL_COLUMNS), 'end');
  return truncateToWidth(`  ${name}  ${size}`, columns);
}

const ERASE_LINE_REST = '\u001b[K';
const ERASE_BELOW = '\u001b[J';
const REDRAW_MS = 100;
const ACTIVE_ROWS = 3;
const BAR_COLUMNS = 20;
const MIN_LABEL_COLUMNS = 8;
