import { escapeText } from './escape.ts';
import { formatRate, formatSize, formatTimeLeft } from './format.ts';

/**
 * How far a piece of work has come: one model, drawn by progress-display.ts. Counting is cheap enough for every chunk;
 * whoever shows it asks for a snapshot when it is time to draw.
 */
export class Progress {
  /** What is being done, escaped: `get notes.txt`. */
  readonly label: string;
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #rate: RateMeter;
  readonly #active = new Set<ProgressItem>();
  #bytes = 0;
  #totalBytes: number | undefined;
  #items = 0;
  #totalItems: number | undefined;
  #isGrowing = false;
  #percent = 0;
  #finishedAt: number | undefined;

  /** `now` is a clock in milliseconds that only moves forward. */
  constructor(label: string, now: () => number) {
    this.label = escapeText(label);
    this.#now = now;
    this.#startedAt = now();
    this.#rate = new RateMeter(this.#startedAt);
  }

  /** What is known of the whole; either may stay unknown. While it is `growing` there is no percentage of it. */
  expect(total: { bytes?: number | undefined; items?: number | undefined; growing?: boolean }): void {
    if (total.bytes !== undefined) this.#totalBytes = total.bytes;
    if (total.items !== undefined) this.#totalItems = total.items;
    this.#isGrowing = total.growing === true;
  }

  /** Begins an item under a name as the peer gave it; it counts as done at its `end`. */
  begin(name: string, totalBytes?: number): ProgressItem {
    const item = new ProgressItem(name, totalBytes, {
      count: (bytes, moved) => this.#count(bytes, moved),
      end: (ended, done) => {
        if (this.#active.delete(ended) && done) this.#items += 1;
      },
    });
    this.#active.add(item);
    return item;
  }

  /** An item that is done as soon as it is known, of bytes that need not be moved. */
  skip(totalBytes: number): void {
    this.#bytes += totalBytes;
    this.#items += 1;
  }

  /** The work is complete: only now it is 100 %. A failed one is never finished. */
  finish(): void {
    this.#finishedAt ??= this.#now();
    this.#active.clear();
  }

  snapshot(): ProgressSnapshot {
    const now = this.#finishedAt ?? this.#now();
    const finished = this.#finishedAt !== undefined;
    const elapsedMs = now - this.#startedAt;
    const rate = finished ? this.#rate.overall(elapsedMs) : this.#rate.at(now);
    const left = this.#totalBytes === undefined ? undefined : Math.max(0, this.#totalBytes - this.#bytes);
    return {
      label: this.label,
      finished,
      elapsedMs,
      bytes: this.#bytes,
      totalBytes: finished ? this.#bytes : this.#totalBytes,
      items: this.#items,
      totalItems: this.#totalItems,
      growing: this.#isGrowing && !finished,
      percent: this.#advancePercent(finished),
      bytesPerSecond: rate,
      secondsLeft: finished ? 0 : left !== undefined && !this.#isGrowing && rate > 0 ? left / rate : undefined,
      active: [...this.#active],
    };
  }

  #count(bytes: number, moved: boolean): void {
    this.#bytes += bytes;
    if (moved) this.#rate.add(bytes, this.#now());
  }

  /** A total that grows or a file that starts over must not run the display backwards. */
  #advancePercent(finished: boolean): number | undefined {
    if (finished) return 100;
    if (this.#totalBytes === undefined || this.#isGrowing) return undefined;
    const now = this.#totalBytes === 0 ? 0 : Math.floor((this.#bytes / this.#totalBytes) * 100);
    this.#percent = Math.max(this.#percent, Math.min(99, now));
    return this.#percent;
  }
}

/** One file under way. Counts of an item that has ended change nothing any more. */
export class ProgressItem {
  readonly totalBytes: number | undefined;
  readonly #name: string;
  readonly #owner: ItemOwner;
  #bytes = 0;
  #ended = false;

  constructor(name: string, totalBytes: number | undefined, owner: ItemOwner) {
    this.#name = name;
    this.totalBytes = totalBytes;
    this.#owner = owner;
  }

  /** Escaped, and that only when it is shown: of a million files few are. */
  get name(): string {
    return escapeText(this.#name);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes that have just been moved. */
  advance(bytes: number): void {
    this.#change(bytes, true);
  }

  /** Bytes that were there already, from an earlier run or as part of a delta: done, but no matter of speed. */
  skip(bytes: number): void {
    this.#change(bytes, false);
  }

  /** The item starts over: what it counted is taken back. */
  restart(): void {
    this.#change(-this.#bytes, false);
  }

  end(outcome: 'done' | 'failed'): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#owner.end(this, outcome === 'done');
  }

  #change(bytes: number, moved: boolean): void {
    if (this.#ended) return;
    this.#bytes += bytes;
    this.#owner.count(bytes, moved);
  }
}

export interface ItemOwner {
  count(bytes: number, moved: boolean): void;
  end(item: ProgressItem, done: boolean): void;
}

export interface ProgressSnapshot {
  readonly label: string;
  readonly finished: boolean;
  readonly elapsedMs: number;
  readonly bytes: number;
  readonly totalBytes: number | undefined;
  readonly items: number;
  readonly totalItems: number | undefined;
  /** The totals are what has been found so far. */
  readonly growing: boolean;
  /** Whole percent that never goes down, 100 only when finished; `undefined` while the total is unknown or growing. */
  readonly percent: number | undefined;
  readonly bytesPerSecond: number;
  readonly secondsLeft: number | undefined;
  /** Oldest first. */
  readonly active: readonly ProgressItem[];
}

/** The parts of a progress line in the order of their use: what is left out first, when room is short, comes last. */
export function progressParts(state: ProgressSnapshot): string[] {
  const parts: string[] = [];
  if (state.percent !== undefined) parts.push(`${state.percent} %`);
  parts.push(sizeOfWhole(state));
  if (state.bytesPerSecond > 0) parts.push(formatRate(state.bytesPerSecond));
  if (!state.finished && state.secondsLeft !== undefined) parts.push(`${formatTimeLeft(state.secondsLeft)} left`);
  const more = state.growing ? '+' : '';
  if (state.totalItems !== undefined && state.totalItems > 1)
    parts.push(`${state.items} of ${state.totalItems}${more} items`);
  else if (state.totalItems === undefined && state.items > 1) parts.push(`${state.items} items`);
  return parts;
}

/** One line for whoever asks in between (SIGUSR1), and for plain output. Escaped. */
export function statusLine(state: ProgressSnapshot): string {
  return `${state.label}: ${progressParts(state).join(', ')}`;
}

function sizeOfWhole({ bytes, totalBytes, finished, growing }: ProgressSnapshot): string {
  if (totalBytes === undefined || finished) return formatSize(bytes);
  return `${formatSize(bytes)} of ${formatSize(totalBytes)}${growing ? '+' : ''}`;
}

/** Moving average over the last seconds, from a bounded number of samples. */
class RateMeter {
  readonly #samples: { atMs: number; bytes: number }[];
  #bytes = 0;

  constructor(startMs: number) {
    this.#samples = [{ atMs: startMs, bytes: 0 }];
  }

  add(bytes: number, nowMs: number): void {
    this.#bytes += bytes;
    if (nowMs - this.#samples.at(-1)!.atMs < SAMPLE_MS) return;
    this.#samples.push({ atMs: nowMs, bytes: this.#bytes });
    // One sample at or before the start of the window stays, so that the window is full.
    while (this.#samples[1]!.atMs <= nowMs - WINDOW_MS) this.#samples.shift();
  }

  /** Bytes per second over the window that ends now, so that a stall shows as a falling rate. */
  at(nowMs: number): number {
    this.add(0, nowMs);
    const oldest = this.#samples[0]!;
    const elapsedMs = nowMs - oldest.atMs;
    return elapsedMs > 0 ? ((this.#bytes - oldest.bytes) * 1000) / elapsedMs : 0;
  }

  overall(elapsedMs: number): number {
    return elapsedMs > 0 ? (this.#bytes * 1000) / elapsedMs : 0;
  }
}

const SAMPLE_MS = 250;
const WINDOW_MS = 10_000;
