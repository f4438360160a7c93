import type { LineError, TransferEvent } from '../../../../node/index.ts';
import type { CommandContext } from '../../../context.ts';
import { explainError, explainItem } from '../../../failure.ts';
import { escapeJson, escapeText } from '../../../terminal/escape.ts';
import { formatRate, formatSize } from '../../../terminal/format.ts';
import { Progress, type ProgressItem } from '../../../terminal/progress.ts';
import {
  type ProgressDisplay,
  progressMode,
  showProgress,
  systemDisplayClock,
} from '../../../terminal/progress-display.ts';

/**
 * Tells of a transfer as it goes: the progress display, a line for each failure, JSON items, and the outcome. Events go
 * to stderr and items to stdout, because with files on disk stdout carries no data.
 */
export class TransferReport {
  readonly failures: { readonly path: string; readonly error: LineError }[] = [];
  readonly #context: CommandContext;
  readonly #label: string;
  readonly #active = new Map<string, ProgressItem>();
  #progress: Progress | undefined;
  #display: ProgressDisplay | undefined;
  #total = { bytes: 0, items: 0 };
  #counts = { received: 0, identical: 0, skipped: 0, bytes: 0 };
  #lastPath = '';
  #moved = 0;
  #kept = 0;
  #lost: LineError | undefined;
  /** Told of over the line of now, and over lost ones of the same transfer: that counts once, though it is met again. */
  #now = new Told();
  #before = new Told();
  /** The first failure waits: should nothing else come, it is the failure of the command and told as that. */
  #heldLine: string | undefined;

  constructor(context: CommandContext, label: string) {
    this.#context = context;
    this.#label = label;
  }

  /** From here on it shows how far it is: not before login, so that a question for the passphrase stands alone. */
  async show(): Promise<void> {
    if (this.#display !== undefined) return;
    this.#progress = new Progress(this.#label, () => performance.now());
    const { progress = 'auto', json = false, quiet = false } = this.#context.options;
    const mode = progressMode(progress, this.#context.stderr, { json, quiet });
    const display = await showProgress(this.#progress, mode, {
      stream: process.stderr,
      style: this.#context.stderr,
      clock: systemDisplayClock,
    });
    this.#display = display;
    this.#context.display = display;
    this.#context.whenAsked(() => display.printStatus());
    this.#context.onClose(() => display.close());
  }

  /** Files that are there now, whether they came or were there already. */
  get succeeded(): number {
    return this.#counts.received + this.#counts.identical + this.#counts.skipped;
  }

  /** Grows with every byte and file that gets through, over all lines: whether there is progress. */
  get moved(): number {
    return this.#moved;
  }

  /** The line was lost: files that were under way begin again, what is done stays. */
  startOver(): void {
    for (const item of this.#active.values()) {
      item.restart();
      item.end('failed');
    }
    this.#active.clear();
    this.#before.add(this.#now);
    this.#now = new Told();
  }

  /** Another machine: the same names are other files. */
  startNew(): void {
    this.#now = new Told();
    this.#before = new Told();
  }

  /** The loss of the line as a single file met it, if one did. */
  takeLost(): LineError | undefined {
    const lost = this.#lost;
    this.#lost = undefined;
    return lost;
  }

  /** A file whose size only its end will tell. */
  begin(path: string): void {
    if (this.#progress !== undefined) this.#active.set(path, this.#progress.begin(path));
  }

  event(event: TransferEvent): void {
    switch (event.type) {
      case 'found':
        this.#now.found.add(event.path);
        if (this.#before.found.has(event.path)) return;
        this.#total = { bytes: this.#total.bytes + event.size, items: this.#total.items + 1 };
        this.#progress?.expect(this.#total);
        return;
      case 'started':
        if (this.#progress !== undefined) this.#active.set(event.path, this.#progress.begin(event.path, event.size));
        return;
      case 'progress':
        this.#moved += event.bytes;
        this.#active.get(event.path)?.advance(event.bytes);
        return;
      case 'kept':
        this.#active.get(event.path)?.skip(event.bytes);
        this.#kept += event.bytes;
        return;
      case 'finished':
        this.#finished(event);
        return;
      case 'failed':
        if (event.error.code === 'TRUNCATED' || event.error.code === 'SHUTDOWN') this.#lost = event.error;
        else this.failed(event.path, event.error);
        return;
      case 'counted':
        return;
    }
  }

  failed(path: string, error: LineError): void {
    this.#active.get(path)?.end('failed');
    this.#active.delete(path);
    if (this.#before.done.has(path)) return;
    this.#now.done.add(path);
    const isFirst = this.failures.length === 0 && this.succeeded === 0;
    this.failures.push({ path, error });
    const { code } = error;
    const message = explainError(error);
    if (this.#context.options.json) this.#item({ type: 'item', path, outcome: 'failed', code, message });
    this.#tellHeld();
    this.#heldLine = this.#context.options.json
      ? escapeJson({ type: 'error', path, code, message })
      : `postern: ${escapeText(path)}: ${explainItem(error)}`;
    if (!isFirst) this.#tellHeld();
  }

  /** Takes the display away and tells the outcome. Throws the one failure of a transfer in which nothing else happened. */
  async finish(): Promise<void> {
    const failed = this.failures.length;
    if (failed === 0) this.#progress?.finish();
    this.close();
    const { received, identical, skipped, bytes } = this.#counts;
    if (this.#context.options.json) {
      await this.#context.printJson({ type: 'summary', received, identical, skipped, failed, bytes, kept: this.#kept });
    }
    if (this.#heldLine !== undefined) throw this.failures[0]!.error;
    this.#context.note(failed > 0 ? `postern: ${failed} of ${failed + this.succeeded} failed` : this.#outcome());
  }

  close(): void {
    this.#display?.close();
    this.#context.display = undefined;
  }

  /** `notes.txt  18.4 kB  100 %  done, verified`. */
  #outcome(): string {
    const { received, identical, skipped, bytes } = this.#counts;
    const all = this.succeeded;
    const name = all === 1 ? escapeText(this.#lastPath) : `${all} files`;
    const others: string[] = [];
    if (identical > 0) others.push(all === 1 ? 'identical' : `${identical} identical`);
    if (skipped > 0) others.push(all === 1 ? 'left as it was' : `${skipped} left as they were`);
    if (all === 0) return 'no files there, nothing to do';
    if (received === 0) return `${name}  ${others.join(', ')}`;
    const state = this.#progress?.snapshot();
    if (state !== undefined && state.elapsedMs >= 1000) others.push(formatRate(state.bytesPerSecond));
    return [name, formatSize(bytes), '100 %', ['done', 'verified', ...others].join(', ')].join('  ');
  }

  #finished(event: TransferEvent & { type: 'finished' }): void {
    const { path, size, outcome } = event;
    this.#tellHeld();
    const item = this.#active.get(path) ?? this.#progress?.begin(path, size);
    if (item !== undefined && item.bytes < size) item.skip(size - item.bytes);
    item?.end('done');
    this.#active.delete(path);
    const { done, renamed } = this.#before;
    if (done.has(path) || (outcome === 'identical' && renamed.has(path))) return;
    this.#now.done.add(path);
    if (!this.#now.found.has(path)) this.#now.renamed.add(path.replace(/ \(\d+\)(?=(?:\.[^./]*)?$)/, ''));
    this.#moved += 1;
    this.#counts[outcome] += 1;
    this.#lastPath = path;
    if (outcome === 'received') this.#counts.bytes += size;
    if (this.#context.options.json) this.#item({ type: 'item', path, size, outcome });
  }

  #tellHeld(): void {
    if (this.#heldLine !== undefined) this.#context.tell(this.#heldLine);
    this.#heldLine = undefined;
  }

  /** Order is kept by the stream; a reader that stops is met by the broken pipe. */
  #item(value: Record<string, unknown>): void {
    process.stdout.write(`${escapeJson(value)}\n`);
  }
}

/** Paths of a transfer that were told of. */
class Told {
  readonly found = new Set<string>();
  readonly done = new Set<string>();
  /** Names whose files were received beside them (`--rename`). */
  readonly renamed = new Set<string>();

  add(other: Told): void {
    for (const path of other.found) this.found.add(path);
    for (const path of other.done) this.done.add(path);
    for (const path of other.renamed) this.renamed.add(path);
  }
}
