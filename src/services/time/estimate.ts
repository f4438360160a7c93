import type { ServerTime, ZoneNow } from './messages.ts';

/** One question and its answer, with four times: ours when it left and when the answer came, and theirs in between. */
export interface TimeExchange {
  /** By our clock, in milliseconds since 1970 in UTC, with their fraction. */
  readonly sentMs: number;
  readonly arrivedMs: number;
  /** How far these may be from what our clock says. */
  readonly errorMs: number;
  readonly server: ServerTime;
}

export interface TimeEstimate {
  /** How far their clock is ahead of ours. */
  readonly offsetMs: number;
  readonly roundTripMs: number;
  /** The offset is not farther off than this, however unequal the two ways are. */
  readonly errorMs: number;
  /** Their time of day when the answer arrived, in milliseconds since 1970 in UTC. */
  readonly unixMs: number;
  readonly zone: ZoneNow;
}

/**
 * The formulas of NTP (RFC 5905, section 8). The answer was on its way for between 0 and all of the round trip, so the
 * offset in the middle of these is off by half of it at most, and by what the two clocks can be read to.
 */
export function estimate({ sentMs, arrivedMs, errorMs, server }: TimeExchange): TimeEstimate {
  const offsetMs = (server.receivedMs - sentMs + (server.sentMs - arrivedMs)) / 2;
  const roundTripMs = Math.max(arrivedMs - sentMs - (server.sentMs - server.receivedMs), 0);
  return {
    offsetMs,
    roundTripMs,
    errorMs: roundTripMs / 2 + errorMs + server.errorMs,
    unixMs: arrivedMs + offsetMs,
    zone: server.zone,
  };
}

/** Of several, the one with the shortest round trip: where the way was short, little can have been unequal. */
export function best(estimates: readonly TimeEstimate[]): TimeEstimate | undefined {
  return [...estimates].sort((one, other) => one.roundTripMs - other.roundTripMs)[0];
}
