import type { TimeEstimate } from '../../../node/index.ts';

/** `+1.250 ms ± 0.300 ms`: how far their clock is ahead of ours. */
export function formatOffset({ offsetMs, errorMs }: Pick<TimeEstimate, 'offsetMs' | 'errorMs'>): string {
  const shown = rounded(offsetMs);
  return `${shown < 0 ? '' : '+'}${shown.toFixed(3)} ms ± ${errorMs.toFixed(3)} ms`;
}

export function offsetJson({ offsetMs, roundTripMs, errorMs }: TimeEstimate): Record<string, number> {
  return { offset_ms: rounded(offsetMs), round_trip_ms: rounded(roundTripMs), error_ms: rounded(errorMs) };
}

/** Of several exchanges the shortest counts: enough of them to find a moment when nothing was in the way. */
export const EXCHANGES = 8;

/** Milliseconds with as many digits as mean something. */
export function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
