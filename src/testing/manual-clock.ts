import { type Clock, systemClock, type Timer } from '../line/clock.ts';

/** A clock that stands still until it is moved. Timers that become due run in the order of their times. */
export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ readonly atMs: number; readonly action: () => void }>();

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, action: () => void): Timer {
    const timer = { atMs: this.#nowMs + delayMs, action };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Not a matter of time. */
  soon(action: () => void): void {
    systemClock.soon(action);
  }

  /** Moves time forward and runs what becomes due on the way. */
  advance(byMs: number): void {
    const end = this.#nowMs + byMs;
    for (;;) {
      const due = [...this.#timers].filter(timer => timer.atMs <= end).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#nowMs = due.atMs;
      due.action();
    }
    this.#nowMs = end;
  }

  /** Timers that are set; 0 when everything was tidied up. */
  get pendingTimers(): number {
    return this.#timers.size;
  }
}
