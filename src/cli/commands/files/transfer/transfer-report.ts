import { keepHeapSmall, type LineError, type Outcome, PathSet, type TransferEvent } from '../../../../node/index.ts';
import type { CommandContext } from '../../../context.ts';
import { type ExitStatus, exitStatusOf } from '../../../exit-status.ts';
import { explainError, explainItem } from '../../../failure.ts';
import { escapeJson, escapeText } from '../../../terminal/escape.ts';
import { formatDuration, formatRate, formatSize } from '../../../terminal/format.ts';
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
 *
 * What it keeps of a file that is done, or failed, is a few bytes: there may be millions.
 */
export class TransferReport {
  /** What the failures come to, each kind once. */
  readonly failureStatuses = new Set<ExitStatus>();
  /** Files that are there may be replaced: what need not come of a file is then no partial of it. */
  replaces = false;
  /** Whether a file may come under another name than it was found by: then the names of all that is found are kept. */
  mayRename = false;
  readonly #context: CommandContext;
  readonly #label: string;
  readonly #active = new Map<string, ProgressItem>();
  #progress: Progress | undefined;
  #display: ProgressDisplay | undefined;
  /** What has been found; once `isFinal`, all there is. */
  readonly #total = { bytes: 0, items: 0, isFinal: false };
  readonly #counts = { received: 0, identical: 0, skipped: 0, failed: 0, removed: 0, bytes: 0 };
  /** As it was when this machine's turn came. */
  #totalBefore = { bytes: 0, items: 0 };
  #isExpected = false;
  #rootsLeft = 0;
  #firstFailure: LineError | undefined;
  #lastPath = '';
  #moved = 0;
  #kept = 0;
  /** What was there of the file under way, until its first byte comes. */
  #found: { readonly path: string; bytes: number } | undefined;
  #lost: LineError | undefined;
  #isWanted = true;
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
    this.#showTotal();
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

  get failures(): number {
    return this.#counts.failed;
  }

  /** Things that were removed, over all lines. */
  get removals(): number {
    return this.#counts.removed;
  }

  /** Grows with every byte and file that gets through, over all lines: whether there is progress. */
  get moved(): number {
    return this.#moved;
  }

  /** All that will come is known beforehand. */
  expect(total: { readonly bytes: number; readonly items: number }): void {
    Object.assign(this.#total, total, { isFinal: true });
    this.#isExpected = true;
    this.#showTotal();
  }

  /** The next of several files or folders begins; when the last one has been counted the whole is known. */
  beginRoot(rootsLeft: number): void {
    this.#rootsLeft = rootsLeft;
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
    // All of it is found again, over the next line.
    if (!this.#isExpected) Object.assign(this.#total, this.#totalBefore, { isFinal: false });
  }

  /** Another machine: the same names are other files. */
  startNew(): void {
    this.#now = new Told();
    this.#before = new Told();
    this.#totalBefore = { bytes: this.#total.bytes, items: this.#total.items };
  }

  /** The loss of the line as a single file met it, if one did. */
  takeLost(): LineError | undefined {
    const lost = this.#lost;
    this.#lost = undefined;
    return lost;
  }

  /** A file whose size only its end will tell. */
  begin(path: string, size?: number): void {
    // Who names them may be the other side, and forget to end them.
    if (this.#progress === undefined || this.#active.size >= MAX_ACTIVE) return;
    this.#active.set(path, this.#progress.begin(path, size));
  }

  event(event: TransferEvent): void {
    switch (event.type) {
      case 'found':
        this.#findOne(event);
        this.#showTotal();
        return;
      case 'unchanged':
        for (const file of event.files) {
          this.#findOne(file);
          this.#finished(file, 'identical');
        }
        this.#showTotal();
        return;
      case 'started':
        this.begin(event.path, event.size);
        return;
      case 'progress':
        this.#moved += event.bytes;
        this.#tellFound(event.path);
        this.#active.get(event.path)?.advance(event.bytes);
        return;
      case 'kept':
        this.#active.get(event.path)?.skip(event.bytes);
        this.#kept += event.bytes;
        if (this.#found?.path === event.path) this.#found.bytes += event.bytes;
        else this.#found = { path: event.path, bytes: event.bytes };
        return;
      case 'finished':
        this.#finished(event, event.outcome);
        return;
      case 'failed':
        if (LOST_UNDER_WAY.has(event.error.code)) this.#lost = event.error;
        else if (!this.#isStopped(event.error)) this.failed(event.path, event.error);
        return;
      case 'counted':
        if (this.#rootsLeft > 0) return;
        this.#total.isFinal = true;
        this.#showTotal();
        return;
    }
  }

  /** The person wants no more of it. */
  stop(): void {
    this.#isWanted = false;
  }

  failed(path: string, error: LineError): void {
    this.#active.get(path)?.end('failed');
    this.#active.delete(path);
    if (this.#before.done.has(path)) return;
    this.#now.done.add(path);
    const isFirst = this.failures === 0 && this.succeeded === 0;
    this.#counts.failed += 1;
    this.#firstFailure ??= error;
    this.failureStatuses.add(exitStatusOf(error.code));
    const { code } = error;
    const message = explainError(error);
    if (this.#context.options.json) this.#item({ type: 'item', path, outcome: 'failed', code, message });
    this.tellHeld();
    this.#heldLine = this.#context.options.json
      ? escapeJson({ type: 'error', path, code, message })
      : `postern: ${escapeText(path)}: ${explainItem(error)}`;
    if (!isFirst) this.tellHeld();
  }

  removed(path: string): void {
    this.#counts.removed += 1;
    this.#moved += 1;
    if (this.#context.options.json) this.#item({ type: 'item', path, outcome: 'removed' });
    else this.#context.detail(`removed ${path}`);
  }

  /**
   * Takes the display away and tells the outcome; `more` goes into the JSON summary. Throws the one failure of a transfer
   * in which nothing else happened.
   */
  async finish(more: Readonly<Record<string, number>> = {}): Promise<void> {
    const { received, identical, skipped, failed, bytes } = this.#counts;
    this.complete();
    if (this.#context.options.json) {
      const kept = this.#kept;
      await this.#context.printJson({ type: 'summary', received, identical, skipped, failed, bytes, kept, ...more });
    }
    if (this.#heldLine !== undefined) throw this.#firstFailure!;
    this.#context.note(failed > 0 ? `postern: ${failed} of ${failed + this.succeeded} failed` : this.#outcome());
  }

  /** Nothing more comes: the display says so, unless something is missing, and goes. */
  complete(): void {
    if (this.failures === 0) this.#progress?.finish();
    this.close();
  }

  /** Tells the failure that waits, where it is not the whole outcome. */
  tellHeld(): void {
    if (this.#heldLine !== undefined) this.#context.tell(this.#heldLine);
    this.#heldLine = undefined;
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
    if (state !== undefined && state.elapsedMs >= 1000) {
      if (state.bytesPerSecond >= 1) others.push(formatRate(state.bytesPerSecond));
      others.push(formatDuration(state.elapsedMs));
    }
    return [name, formatSize(bytes), '100 %', ['done', 'verified', ...others].join(', ')].join('  ');
  }

  #findOne({ path, size }: FoundFile): void {
    if (this.mayRename) this.#now.found.add(path);
    if (this.#total.isFinal) return;
    this.#total.bytes += size;
    this.#total.items += 1;
    if (this.#total.items === MANY_ITEMS) keepHeapSmall();
  }

  #finished({ path, size }: FoundFile, outcome: Outcome): void {
    this.tellHeld();
    this.#found = undefined;
    // Of most files nothing was shown, and to look a name up costs more than all the rest.
    const item = this.#active.size === 0 ? undefined : this.#active.get(path);
    if (item === undefined) this.#progress?.skip(size);
    else {
      if (item.bytes < size) item.skip(size - item.bytes);
      item.end('done');
      this.#active.delete(path);
    }
    const { done, renamed } = this.#before;
    if (done.has(path) || (outcome === 'identical' && renamed.has(path))) return;
    this.#now.done.add(path);
    // Under a name that was not found it was put beside what has that name.
    if (this.mayRename && !this.#now.found.has(path))
      this.#now.renamed.add(path.replace(/ \(\d+\)(?=(?:\.[^./]*)?$)/, ''));
    this.#moved += 1;
    this.#counts[outcome] += 1;
    this.#lastPath = path;
    if (outcome === 'received') this.#counts.bytes += size;
    if (this.#context.options.json) this.#item({ type: 'item', path, size, outcome });
  }

  /** Before the rest of a file comes, how much of it need not: of a large one, or of the only one. */
  #tellFound(path: string): void {
    const found = this.#found;
    if (found?.path !== path) return;
    this.#found = undefined;
    const size = this.#active.get(path)?.totalBytes ?? 0;
    const isOnly = this.#total.isFinal && this.#total.items === 1;
    if (size < LARGE_BYTES && !(isOnly && size > 0)) return;
    const percent = Math.floor((100 * found.bytes) / size);
    const name = escapeText(path);
    this.#context.note(
      this.replaces ? `${name}: ${percent} % of it is there already` : `continuing ${name} at ${percent} %`,
    );
  }

  /** Whoever has just stopped it knows why a file has not come. */
  #isStopped({ code }: LineError): boolean {
    const isWanted = this.#isWanted && !this.#context.signal.aborted;
    return code === 'CANCELLED' && !isWanted && !this.#context.options.json;
  }

  #showTotal(): void {
    const { bytes, items, isFinal } = this.#total;
    if (items > 0) this.#progress?.expect({ bytes, items, growing: !isFinal });
  }

  /** Order is kept by the stream; a reader that stops is met by the broken pipe. */
  #item(value: Record<string, unknown>): void {
    process.stdout.write(`${escapeJson(value)}\n`);
  }
}

interface FoundFile {
  readonly path: string;
  readonly size: number;
}

/** Paths of a transfer that were told of. */
class Told {
  /** Only where files may be renamed, and only over one line. */
  readonly found = new PathSet();
  readonly done = new PathSet();
  /** Names whose files were received beside them (`--rename`). */
  readonly renamed = new PathSet();

  add(other: Told): void {
    this.done.addAll(other.done);
    this.renamed.addAll(other.renamed);
  }
}

/** As a single file meets the loss of the line, or its end because this machine is not let in any more. */
const LOST_UNDER_WAY: ReadonlySet<string> = new Set(['TRUNCATED', 'SHUTDOWN', 'TIMEOUT', 'REVOKED']);
const MAX_ACTIVE = 1000;
const LARGE_BYTES = 64_000_000;
/** From here on memory is worth more than time. */
const MANY_ITEMS = 50_000;
