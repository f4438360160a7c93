import type { AdmissionLimits } from './admission-limits.ts';
import { type Charge, GuessWindow } from './guess-window.ts';

/** The charges of one source: free up to a number, then one at a time (of a site: eight) between growing locks. */
export class SourceGuesses {
  readonly #limits: AdmissionLimits;
  readonly #weight: number;
  readonly #window: GuessWindow;
  #lockMs = 0;
  #lockedUntilMs = Number.NEGATIVE_INFINITY;
  #lastMs = Number.NEGATIVE_INFINITY;
  #sinceLock = 0;

  constructor(limits: AdmissionLimits, weight: number) {
    this.#limits = limits;
    this.#weight = weight;
    this.#window = new GuessWindow(limits.wrongGuessesPerSource * weight, limits.wrongGuessWindowMs);
  }

  get count(): number {
    return this.#window.size;
  }

  get wasLocked(): boolean {
    return this.#lockMs > 0;
  }

  lockedForMs(nowMs: number): number {
    const quietSinceMs = Math.max(this.#lastMs, this.#lockedUntilMs);
    if (nowMs - quietSinceMs >= this.#limits.quietMs) this.clear();
    return Math.max(0, this.#lockedUntilMs - nowMs);
  }

  add(charge: Charge): void {
    this.#lastMs = charge.atMs;
    this.#window.add(charge);
    this.#sinceLock += 1;
    const isSpent = this.wasLocked ? this.#sinceLock >= this.#weight : this.#window.waitMs(charge.atMs) > 0;
    if (!isSpent) return;
    const { firstLockMs, longestLockMs } = this.#limits;
    this.#lockMs = Math.min(longestLockMs, this.wasLocked ? this.#lockMs * 2 : firstLockMs);
    this.#lockedUntilMs = charge.atMs + this.#lockMs;
    this.#sinceLock = 0;
  }

  clear(): void {
    this.#lockMs = 0;
    this.#lockedUntilMs = Number.NEGATIVE_INFINITY;
    this.#sinceLock = 0;
    this.#window.removeSettled();
  }
}
