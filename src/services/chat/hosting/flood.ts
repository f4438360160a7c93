import { LineError } from '../../../errors.ts';
import type { Clock } from '../../../line/clock.ts';

/** How often one may do something: so many at once, and so many a second from then on. */
export interface FloodLimits {
  readonly perSecond: number;
  readonly burst: number;
}

/** Makes whoever is too fast wait. Counted for each device, over all its lines. */
export class FloodGate {
  readonly #clock: Clock;
  readonly #limits: FloodLimits;
  /** What each device has left, below zero if turns to come are given away already. */
  readonly #accounts = new Map<string, { left: number; atMs: number }>();

  constructor(clock: Clock, limits: FloodLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Resolves when it is this device's turn. Throws `TOO_MANY` where too many of its turns are waited for already. */
  pass(device: string): Promise<void> | undefined {
    const account = this.#accountOf(device);
    if (account.left < -MAX_WAITING) throw new LineError('TOO_MANY', 'too much at once');
    account.left -= 1;
    if (account.left >= 0) return undefined;
    const waitMs = (-account.left / this.#limits.perSecond) * 1000;
    return new Promise(resolve => this.#clock.after(waitMs, resolve));
  }

  #accountOf(device: string): { left: number; atMs: number } {
    const nowMs = this.#clock.now();
    const known = this.#accounts.get(device);
    if (known === undefined) {
      if (this.#accounts.size >= SWEPT_FROM) this.#sweep(nowMs);
      const account = { left: this.#limits.burst, atMs: nowMs };
      this.#accounts.set(device, account);
      return account;
    }
    known.left = this.#leftAt(known, nowMs);
    known.atMs = nowMs;
    return known;
  }

  /** Who has all of it left need not be remembered. */
  #sweep(nowMs: number): void {
    for (const [device, account] of this.#accounts) {
      if (this.#leftAt(account, nowMs) >= this.#limits.burst) this.#accounts.delete(device);
    }
  }

  #leftAt({ left, atMs }: { readonly left: number; readonly atMs: number }, nowMs: number): number {
    return Math.min(this.#limits.burst, left + ((nowMs - atMs) / 1000) * this.#limits.perSecond);
  }
}

/** A line has 256 channels and says one thing after the other on each. */
const MAX_WAITING = 1024;
const SWEPT_FROM = 4096;
