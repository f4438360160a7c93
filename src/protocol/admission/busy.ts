/** Refused for now: REJECT BUSY. */
export interface Busy {
  /** At least 1. */
  readonly retryAfterSeconds: number;
}

const SECOND_MS = 1000;

export function busyFor(waitMs: number): Busy {
  return { retryAfterSeconds: Math.max(1, Math.ceil(waitMs / SECOND_MS)) };
}
