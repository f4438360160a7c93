import type { StreamStyle } from './colors.ts';

/**
 * One line of a terminal that is about now, changes in place, and is gone when what it tells of is over: for work that has
 * no total yet. Whoever makes it closes it; that may be done twice.
 */
export class TransientLine {
  readonly #stream: { write(text: string): unknown };
  readonly #style: StreamStyle;
  readonly #nowMs: () => number;
  #text = '';
  #drawn = '';
  #drawnAtMs = Number.NEGATIVE_INFINITY;
  #state: 'drawing' | 'paused' | 'closed' = 'drawing';

  constructor(stream: { write(text: string): unknown }, style: StreamStyle, nowMs: () => number) {
    this.#stream = stream;
    this.#style = style;
    this.#nowMs = nowMs;
  }

  /** Shows `text`, escaped already, unless another was shown just now: it may be called for every batch of a listing. */
  show(text: string): void {
    this.#text = text;
    if (this.#nowMs() - this.#drawnAtMs >= REDRAW_MS) this.#draw();
  }

  /** Writes a finished line above. */
  print(line: string): void {
    this.#erase();
    this.#stream.write(`${line}\n`);
    this.#draw();
  }

  pause(): void {
    if (this.#state !== 'drawing') return;
    this.#erase();
    this.#state = 'paused';
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'drawing';
    this.#draw();
  }

  close(): void {
    if (this.#state !== 'closed') this.#erase();
    this.#state = 'closed';
  }

  #draw(): void {
    if (this.#state !== 'drawing') return;
    const line = cutTo(this.#text, this.#style.columns() - 1);
    this.#drawnAtMs = this.#nowMs();
    if (line === this.#drawn) return;
    this.#erase();
    this.#stream.write(line);
    this.#drawn = line;
  }

  #erase(): void {
    if (this.#drawn === '') return;
    // A terminal that became narrower has wrapped it.
    const rows = Math.ceil(this.#drawn.length / this.#style.columns());
    this.#stream.write(rows > 1 ? `\r\u001b[${rows - 1}A\u001b[J` : '\r\u001b[K');
    this.#drawn = '';
  }
}

/** Not by the table of widths (width.ts), which takes longer to load than most of what is told of here. */
function cutTo(text: string, columns: number): string {
  const widest = NARROW.test(text) ? 1 : 2;
  const room = Math.max(1, Math.floor(columns / widest));
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}

const NARROW = /^[ -~\u2026]*$/;
const REDRAW_MS = 100;
