import type { Clock } from '../../line/clock.ts';

/** The port through which the time of day enters: the machine's clock in programs, one that is wrong on purpose in tests. */
export interface UnixClock {
  now(): UnixReading;
}

/** Milliseconds since 1970 in UTC, with their fraction, and how far they may be from what the clock says. */
export interface UnixReading {
  readonly unixMs: number;
  readonly errorMs: number;
}

/** One moment by both clocks; how long the two readings lie apart is in `errorMs`. */
export function readBoth(clock: UnixClock, lineClock: Clock): UnixReading & { readonly lineMs: number } {
  const beforeMs = lineClock.now();
  const { unixMs, errorMs } = clock.now();
  const afterMs = lineClock.now();
  return { unixMs, errorMs: errorMs + (afterMs - beforeMs) / 2, lineMs: (beforeMs + afterMs) / 2 };
}

/**
 * The clock of this machine, finer than its milliseconds. A reading w of `Date.now` at the monotonic time m says that the
 * clock is ahead of the monotonic one by w - m to w - m + 1 ms. Two readings on both sides of a tick narrow that to some
 * microseconds; so `now` waits for a tick, 1 ms at most, when the last one is a second ago. On a busy machine, where we do
 * not run at that moment, it looks again, twice at most.
 *
 * A clock that is stepped meanwhile contradicts what was known, by two milliseconds or more at once, else within that
 * second, and is measured anew. `performance.timeOrigin` would not notice.
 */
export class SystemUnixClock implements UnixClock {
  readonly #wall: () => number;
  readonly #monotonic: () => number;
  /** How far the wall clock is ahead of the monotonic one: at least, and at most. */
  #least = Number.NaN;
  #most = Number.NaN;
  #measuredMs = Number.NEGATIVE_INFINITY;

  constructor(wall: () => number = Date.now, monotonic: () => number = () => performance.now()) {
    this.#wall = wall;
    this.#monotonic = monotonic;
  }

  now(): UnixReading {
    let nowMs = this.#monotonic();
    if (nowMs - this.#measuredMs > MEASURE_AGAIN_MS || this.#isContradicted(nowMs)) {
      this.#measure();
      nowMs = this.#monotonic();
    }
    const ageMs = nowMs - this.#measuredMs;
    const errorMs = (this.#most - this.#least) / 2 + ageMs * DRIFT + FLOAT_MS;
    return { unixMs: nowMs + (this.#least + this.#most) / 2, errorMs };
  }

  #isContradicted(nowMs: number): boolean {
    const wallMs = this.#wall();
    const slackMs = (nowMs - this.#measuredMs) * DRIFT + (this.#monotonic() - nowMs) + FLOAT_MS;
    return wallMs - nowMs > this.#most + slackMs || wallMs + 1 - nowMs < this.#least - slackMs;
  }

  #measure(): void {
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      this.#look();
      if (this.#most - this.#least <= SURE_MS) return;
    }
  }

  /** Looks at both clocks until the wall clock ticks, and not longer than a tick takes. */
  #look(): void {
    const beganMs = this.#monotonic();
    const firstMs = this.#wall();
    // Taken before this reading of the wall clock, and before the one before it.
    let beforeMs = beganMs;
    let earlierMs = beganMs;
    for (;;) {
      const wallMs = this.#wall();
      const afterMs = this.#monotonic();
      this.#measuredMs = afterMs;
      this.#least = wallMs - afterMs;
      if (wallMs === firstMs + 1) {
        // It was exactly this much at some moment since the reading before.
        this.#most = wallMs - earlierMs;
        return;
      }
      if (wallMs !== firstMs || afterMs - beganMs > LONGEST_LOOK_MS) {
        // Stepped, or we did not run meanwhile: what this one reading says.
        this.#most = wallMs + 1 - beforeMs;
        return;
      }
      earlierMs = beforeMs;
      beforeMs = afterMs;
    }
  }
}

const MEASURE_AGAIN_MS = 1_000;
const LONGEST_LOOK_MS = 2;
const MAX_LOOKS = 3;
/** How far apart the two bounds may lie; some readings of a clock take as long. */
const SURE_MS = 0.1;
/** How differently the two clocks of one machine are taken to run, and what a number of this size is rounded to. */
const DRIFT = 100e-6;
const FLOAT_MS = 0.0005;
