import type { AdmissionLimits } from './admission-limits.ts';
import { type Busy, busyFor } from './busy.ts';
import { RecencyTable } from './recency-table.ts';
import type { Source } from './sources.ts';

/** Token buckets, one for all sources and one for each. */
export class HelloRate {
  readonly #limits: AdmissionLimits;
  readonly #all: Bucket;
  readonly #bySource: RecencyTable<Bucket>;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
    this.#all = new Bucket(limits.hellosPerSecond, limits.helloBurst);
    this.#bySource = new RecencyTable(limits.rememberedSources);
  }

  get sourceCount(): number {
    return this.#bySource.size;
  }

  /** A token of every bucket, or of none: a refused HELLO leaves no trace, so a flood of sources fills no table. */
  take(sources: readonly Source[], nowMs: number): Bucket[] | Busy {
    const { hellosPerSecondPerSource, helloBurstPerSource } = this.#limits;
    const perSource = sources.map(
      ({ key, weight }) =>
        this.#bySource.get(key) ?? new Bucket(hellosPerSecondPerSource * weight, helloBurstPerSource * weight),
    );
    const buckets = [this.#all, ...perSource];
    const waitMs = Math.max(...buckets.map(bucket => bucket.waitMs(nowMs)));
    if (waitMs > 0) return busyFor(waitMs);
    for (const bucket of buckets) bucket.take();
    for (const [index, { key }] of sources.entries()) this.#bySource.set(key, perSource[index]!);
    return buckets;
  }
}

export class Bucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #filledMs = Number.NEGATIVE_INFINITY;

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** How long until there is a token; 0 if there is one. */
  waitMs(nowMs: number): number {
    const filled = this.#tokens + (Math.max(0, nowMs - this.#filledMs) * this.#perSecond) / SECOND_MS;
    this.#tokens = Math.min(this.#burst, filled);
    this.#filledMs = Math.max(this.#filledMs, nowMs);
    return this.#tokens >= 1 ? 0 : ((1 - this.#tokens) * SECOND_MS) / this.#perSecond;
  }

  take(): void {
    this.#tokens -= 1;
  }

  giveBack(): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + 1);
  }
}

const SECOND_MS = 1000;
