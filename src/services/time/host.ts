import { LineError } from '../../errors.ts';
import type { Channel } from '../../line/channel.ts';
import { type Clock, systemClock } from '../../line/clock.ts';
import { readText } from '../../protocol/bytes/json.ts';
import type { Service } from '../service.ts';
import { encodeTime, type ServerTime, TIME_KIND, TIME_TYPE, type ZoneNow } from './messages.ts';
import { readBoth, SystemUnixClock, type UnixClock } from './unix-clock.ts';

/** Answers what time it is on this machine, over channels and by datagrams (docs/protocol/4-services.md §4). */
export function timeHost(options: TimeHostOptions): Service {
  const { zone, clock = new SystemUnixClock(), lineClock = systemClock } = options;
  /** The question came at `arrivedMs` of the line's clock. */
  const now = (arrivedMs?: number): ServerTime => {
    const { unixMs, errorMs, lineMs } = readBoth(clock, lineClock);
    const receivedMs = arrivedMs === undefined ? unixMs : Math.min(unixMs - (lineMs - arrivedMs), unixMs);
    return { receivedMs, sentMs: unixMs, errorMs, zone: zone(unixMs) };
  };
  return {
    name: 'time',
    kinds: { [TIME_KIND]: { permission: 'time', handle: channel => answerAll(channel, () => now()) } },
    datagrams: {
      [TIME_TYPE]: { permission: 'time', answer: (_, { atMs }) => encodeTime(now(atMs)) },
    },
  };
}

export interface TimeHostOptions {
  /** The zone of this machine at an instant. Called for each answer. */
  readonly zone: (unixMs: number) => ZoneNow;
  /** This machine's, unless given. */
  readonly clock?: UnixClock | undefined;
  /** That of the listener. */
  readonly lineClock?: Clock | undefined;
}

async function answerAll(channel: Channel, now: () => ServerTime): Promise<void> {
  for await (const item of channel) {
    if (item instanceof Uint8Array || readText(item, 't', 16) !== TIME_TYPE) {
      throw new LineError('PROTOCOL', 'only the time is asked for here');
    }
    await channel.send(encodeTime(now()));
  }
}
