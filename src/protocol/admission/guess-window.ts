import { firstOf } from './recency-table.ts';

/** Charges of the last `windowMs`, oldest first. */
export class GuessWindow {
  readonly #limit: number;
  readonly #windowMs: number;
  readonly #charges = new Set<Charge>();

  constructor(limit: number, windowMs: number) {
    this.#limit = limit;
    this.#windowMs = windowMs;
  }

  get size(): number {
    return this.#charges.size;
  }

  /** How long until one more charge fits; 0 if one does. */
  waitMs(nowMs: number): number {
    this.#expire(nowMs);
    if (this.#charges.size < this.#limit) return 0;
    return Math.max(1, firstOf(this.#charges)!.atMs + this.#windowMs - nowMs);
  }

  add(charge: Charge): void {
    this.#expire(charge.atMs);
    this.#charges.add(charge);
  }

  remove(charge: Charge): void {
    this.#charges.delete(charge);
  }

  removeSettled(): void {
    for (const charge of this.#charges) if (!charge.isPending) this.#charges.delete(charge);
  }

  #expire(nowMs: number): void {
    for (const charge of this.#charges) {
      if (charge.atMs > nowMs - this.#windowMs) return;
      this.#charges.delete(charge);
    }
  }
}

/** One guess that counts as wrong until it has proven right. */
export interface Charge {
  readonly atMs: number;
  isPending: boolean;
}
