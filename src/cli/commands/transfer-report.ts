import type { LineError, TransferEvent } from '../../node/index.ts';
import type { CommandContext } from '../context.ts';
import { escapeJson, escapeText } from '../terminal/escape.ts';
import { formatSize } from '../terminal/format.ts';
import { Progress, type ProgressItem } from '../terminal/progress.ts';
import { type ProgressDisplay, progressMode, showProgress, systemDisplayClock } from '../terminal/progress-display.ts';

/**
 * Tells of a transfer as it goes: the progress display, a line for each failure, JSON items, and the summary. Events go
 * to stderr and items to stdout, because with files on disk stdout carries no data.
 */
export class TransferReport {
  readonly failures: { readonly path: string; readonly error: LineError }[] = [];
  readonly #context: CommandContext;
  readonly #progress: Progress;
  readonly #display: ProgressDisplay;
  readonly #active = new Map<string, ProgressItem>();
  #total = { bytes: 0, items: 0 };
  #counts = { received: 0, identical: 0, skipped: 0, bytes: 0 };
  #lastReceived = '';

  constructor(context: CommandContext, label: string) {
    this.#context = context;
    this.#progress = new Progress(label, () => performance.now());
    const { progress = 'auto', json = false, quiet = false } = context.options;
    const mode = progressMode(progress, context.stderr, { json, quiet });
    this.#display = showProgress(this.#progress, mode, {
      stream: process.stderr,
      style: context.stderr,
      clock: systemDisplayClock,
    });
    context.whenAsked(() => this.#display.printStatus());
    context.onClose(() => this.#display.close());
  }

  /** Files that are there now, whether they came or were there already. */
  get succeeded(): number {
    return this.#counts.received + this.#counts.identical + this.#counts.skipped;
  }

  event(event: TransferEvent): void {
    switch (event.type) {
      case 'found':
        this.#total = { bytes: this.#total.bytes + event.size, items: this.#total.items + 1 };
        this.#progress.expect(this.#total);
        return;
      case 'started':
        this.#active.set(event.path, this.#progress.begin(event.path, event.size));
        return;
      case 'progress':
        this.#active.get(event.path)?.advance(event.bytes);
        return;
      case 'finished':
        this.#finished(event);
        return;
      case 'failed':
        this.failed(event.path, event.error);
        return;
      case 'counted':
        return;
    }
  }

  failed(path: string, error: LineError): void {
    this.#active.get(path)?.end('failed');
    this.#active.delete(path);
    this.failures.push({ path, error });
    if (this.#context.options.json) {
      this.#item({ type: 'item', path, outcome: 'failed', code: error.code, message: error.message });
    } else {
      this.#display.print(`postern: ${escapeText(path)}: ${escapeText(error.message)}`);
    }
  }

  /** Everything has been tried; with failures the display ends without saying 100 %. */
  finish(): void {
    if (this.failures.length === 0) this.#progress.finish();
  }

  close(): void {
    this.#display.close();
  }

  async summarise(): Promise<void> {
    const { received, identical, skipped, bytes } = this.#counts;
    const failed = this.failures.length;
    if (this.#context.options.json) {
      await this.#context.printJson({ type: 'summary', received, identical, skipped, failed, bytes });
      return;
    }
    if (failed > 0) this.#context.note(`${failed} of ${failed + this.succeeded} failed`);
    else if (received === 0 && identical > 0) this.#context.note('everything is there already, identical');
    else if (received === 1 && identical + skipped === 0 && !this.#context.stderr.redraw) {
      this.#context.note(`${escapeText(this.#lastReceived)}  ${formatSize(bytes)}  done, verified`);
    } else {
      this.#context.note(
        `${received} received, ${formatSize(bytes)}${identical > 0 ? `, ${identical} identical` : ''}${
          skipped > 0 ? `, ${skipped} left as they were` : ''
        }; verified`,
      );
    }
  }

  #finished(event: TransferEvent & { type: 'finished' }): void {
    const { path, size, outcome } = event;
    const item = this.#active.get(path) ?? this.#progress.begin(path, size);
    if (item.bytes < size) item.skip(size - item.bytes);
    item.end('done');
    this.#active.delete(path);
    this.#counts[outcome] += 1;
    if (outcome === 'received') {
      this.#counts.bytes += size;
      this.#lastReceived = path;
    }
    if (this.#context.options.json) this.#item({ type: 'item', path, size, outcome });
  }

  /** Order is kept by the stream; a reader that stops is met by the broken pipe. */
  #item(value: Record<string, unknown>): void {
    process.stdout.write(`${escapeJson(value)}\n`);
  }
}
