import { toLineError } from '../../../line/abort.ts';
import type { DownloadSummary } from './download.ts';
import type { Outcome, TransferEvent, TransferredFile } from './events.ts';

/** What a download has come to, and who is told of it. */
export class Tally {
  readonly #onEvent: ((event: TransferEvent) => void | Promise<void>) | undefined;
  readonly #counts = { received: 0, identical: 0, skipped: 0, failed: 0, bytes: 0 };
  /** Files that are there through this transfer; beyond the bound, old partials of further ones stay where they are. */
  readonly #completed = new Set<string>();
  /** Of them those that have come since a partial was met, which happens in few transfers. */
  #latest: string[] = [];
  #told: Promise<void> | undefined;

  constructor(onEvent: ((event: TransferEvent) => void | Promise<void>) | undefined) {
    this.#onEvent = onEvent;
  }

  get summary(): DownloadSummary {
    return this.#counts;
  }

  tell(event: TransferEvent): void {
    const told = this.#onEvent?.(event);
    if (told !== undefined) this.#told = told;
  }

  /** Whether what was last told has not been taken: a listener that is slow holds the transfer back, by `heard`. */
  get isWaitedFor(): boolean {
    return this.#told !== undefined;
  }

  async heard(): Promise<void> {
    const told = this.#told;
    await told;
    if (told === this.#told) this.#told = undefined;
  }

  received(path: string, size: number): void {
    this.#counts.bytes += size;
    this.finish(path, size, 'received');
  }

  finish(path: string, size: number, outcome: Outcome): void {
    this.#count(outcome, path);
    this.tell({ type: 'finished', path, size, outcome });
  }

  /** Files that needed no more than a glance. */
  unchanged(files: readonly TransferredFile[]): void {
    if (files.length === 0) return;
    for (const { path } of files) this.#count('identical', path);
    this.tell({ type: 'unchanged', files });
  }

  fail(path: string, thrown: unknown): void {
    this.#counts.failed += 1;
    this.tell({ type: 'failed', path, error: toLineError(thrown) });
  }

  hasCompleted(path: string): boolean {
    for (const completed of this.#latest) this.#completed.add(completed);
    this.#latest = [];
    return this.#completed.has(path);
  }

  #count(outcome: Outcome, path: string): void {
    this.#counts[outcome] += 1;
    if (outcome === 'skipped') return;
    if (this.#completed.size + this.#latest.length < MAX_COMPLETED_REMEMBERED) this.#latest.push(path);
  }
}

const MAX_COMPLETED_REMEMBERED = 100_000;
