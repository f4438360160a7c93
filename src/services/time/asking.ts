import { LineError } from '../../errors.ts';
import { type Clock, systemClock } from '../../line/clock.ts';
import type { DatagramAnswer, DatagramAsker } from '../../line/datagram-asker.ts';
import type { Route } from '../../line/route.ts';
import { best, estimate, type TimeEstimate } from './estimate.ts';
import { decodeTime, TIME_KIND, TIME_REQUEST } from './messages.ts';
import { readBoth, SystemUnixClock, type UnixClock } from './unix-clock.ts';

/**
 * Asks the machine at the other end of `route` for the time, `exchanges` times one after the other, over a channel, and
 * gives the best answer. Throws `FORBIDDEN` where that is not allowed and `UNSUPPORTED` where it is not offered.
 */
export async function askTime(route: Route, options: AskTimeOptions = {}): Promise<TimeEstimate> {
  const { clock = new SystemUnixClock(), lineClock = systemClock } = options;
  const channel = route.open(TIME_KIND, {}, { signal: options.signal });
  try {
    const estimates: TimeEstimate[] = [];
    // The clock may have to look for a tick first.
    clock.now();
    for (let left = exchangesOf(options); left > 0; left -= 1) {
      const sentAtMs = lineClock.now();
      await channel.send(TIME_REQUEST);
      const body = await channel.readMessage();
      estimates.push(estimateNow({ body, sentAtMs, arrivedAtMs: lineClock.now() }, clock, lineClock));
    }
    return best(estimates)!;
  } finally {
    channel.reset();
  }
}

/**
 * The same by datagrams. What is lost is asked again, until `timeoutMs` of one exchange are up; those that were answered
 * count. Throws as `DatagramAsker.ask` if none was.
 */
export async function askTimeByDatagrams(
  asker: DatagramAsker,
  options: AskByDatagramsOptions = {},
): Promise<TimeEstimate> {
  const { clock = new SystemUnixClock(), lineClock = systemClock, timeoutMs, signal } = options;
  const estimates: TimeEstimate[] = [];
  clock.now();
  for (let left = exchangesOf(options); left > 0; left -= 1) {
    try {
      estimates.push(estimateNow(await asker.ask(TIME_REQUEST, { timeoutMs, signal }), clock, lineClock));
    } catch (thrown) {
      if (estimates.length === 0 || !(thrown instanceof LineError) || !LOST.has(thrown.code)) throw thrown;
    }
  }
  return best(estimates)!;
}

export interface AskTimeOptions {
  /** From 1 up; 1 unless given. */
  readonly exchanges?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** This machine's, unless given. */
  readonly clock?: UnixClock | undefined;
  /** That of the line. */
  readonly lineClock?: Clock | undefined;
}

export interface AskByDatagramsOptions extends AskTimeOptions {
  /** Of one exchange. */
  readonly timeoutMs?: number | undefined;
}

/**
 * How long an answer took is told by the line's clock, and our time of day is read once: it may have been set meanwhile, and
 * a difference of two readings would be nothing that a bound holds for.
 */
function estimateNow(answered: DatagramAnswer, clock: UnixClock, lineClock: Clock): TimeEstimate {
  const { body, sentAtMs, arrivedAtMs } = answered;
  const { unixMs, errorMs, lineMs } = readBoth(clock, lineClock);
  const toUnix = (atMs: number): number => unixMs - (lineMs - atMs);
  return estimate({ sentMs: toUnix(sentAtMs), arrivedMs: toUnix(arrivedAtMs), errorMs, server: decodeTime(body) });
}

const LOST: ReadonlySet<string> = new Set(['TIMEOUT', 'UNREACHABLE']);

function exchangesOf({ exchanges = 1 }: AskTimeOptions): number {
  if (Number.isInteger(exchanges) && exchanges >= 1) return exchanges;
  throw new LineError('USAGE', 'the number of exchanges is a whole number from 1 up');
}
