/** A token bucket: so many a second, so many at once. */
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
