import type { AdmissionLimits } from './admission-limits.ts';
import { Bucket } from './bucket.ts';
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
