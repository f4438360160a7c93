/** The port through which time enters: real in programs, moved by hand in tests. */
export interface Clock {
  /** Milliseconds that never run backwards, from an arbitrary start. */
  now(): number;
  /** Calls `action` once after `delayMs`, unless the timer is cancelled before. */
  after(delayMs: number, action: () => void): Timer;
  /** Calls `action` once everything that is ready to run now has run, what it makes ready included; before any timer. */
  soon(action: () => void): void;
}

export interface Timer {
  /** May be called at any time and more than once. */
  cancel(): void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(delayMs, action) {
    const timer = setTimeout(action, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
  soon(action) {
    if (typeof setImmediate === 'function') setImmediate(action);
    else setTimeout(action, 0);
  },
};

/** Of Node; a browser has none. */
declare const setImmediate: ((action: () => void) => unknown) | undefined;
