import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { openLine } from '../../../src/line/connect.ts';
import { dispatchChannels, dispatchDatagrams } from '../../../src/services/registry.ts';
import { askTime, askTimeByDatagrams } from '../../../src/services/time/asking.ts';
import { estimate } from '../../../src/services/time/estimate.ts';
import { timeHost } from '../../../src/services/time/host.ts';
import { decodeTime, encodeTime } from '../../../src/services/time/messages.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { memoryPair } from '../../../src/transports/memory.ts';
import { MemoryDatagrams, type Travelling } from '../../../src/transports/memory-datagrams.ts';
import { loginOptions, makeListener } from '../../support/lines.ts';

const START_MS = 1_790_000_000_000;
const ZONE = { name: 'Europe/Berlin', offsetMinutes: 120, abbreviation: 'CEST' };

/**
 * A client whose clock is right and a server whose clock is ahead by `skewMs`; both show what the test's clock shows, so
 * what is found can be compared with the truth.
 */
async function skewed(
  skewMs: number,
  delayMs: (way: 'there' | 'back') => number | undefined,
  onAnswer: () => void = () => {},
) {
  const lineClock = new ManualClock();
  const clockOf = (aheadMs: number) => ({
    now: () => ({ unixMs: START_MS + lineClock.now() + aheadMs, errorMs: 0.001 }),
  });
  const zone = () => {
    onAnswer();
    return ZONE;
  };
  const service = timeHost({ zone, clock: clockOf(skewMs), lineClock });
  const listener = await makeListener({
    clock: lineClock,
    datagrams: { answer: dispatchDatagrams([service], ['time'])! },
    onChannel: dispatchChannels([service], ['time']),
  });
  const network = new MemoryDatagrams({
    after: (afterMs, action) => lineClock.after(afterMs, action),
    fate: (packet, way): Travelling[] => {
      const afterMs = delayMs(way);
      return afterMs === undefined ? [] : [{ packet, afterMs }];
    },
  });
  listener.answerDatagrams(network.port, 0);
  const transports = memoryPair();
  listener.accept(transports[1]);
  const { line, datagrams } = await openLine(transports[0], await loginOptions({ clock: lineClock }));
  const asker = datagrams!.open(network.socket());
  const asking = { clock: clockOf(0), lineClock };
  const run = async <T>(promise: Promise<T>): Promise<T> => {
    let isOver = false;
    const over = promise.finally(() => {
      isOver = true;
    });
    over.catch(() => {});
    for (let turn = 0; !isOver; turn += 1) {
      await new Promise(resolve => setImmediate(resolve));
      if (turn > 3) lineClock.advance(1);
    }
    return over;
  };
  return { asker, asking, line, run, lineClock };
}

describe('the formulas of NTP', () => {
  it('R-T3: bound the true offset by the error, however unequal the ways and however wrong the clocks', () => {
    const ms = fc.double({ min: 0, max: 5000, noNaN: true });
    const readingError = fc.double({ min: 0, max: 20, noNaN: true });
    const part = fc.double({ min: -1, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        fc.double({ min: -1e9, max: 1e9, noNaN: true }),
        fc.tuple(ms, ms, ms),
        fc.tuple(readingError, readingError),
        fc.tuple(part, part),
        (skewMs, [thereMs, workMs, backMs], [ourErrorMs, theirErrorMs], [ourPart, theirPart]) => {
          const ours = (trueMs: number) => trueMs + ourErrorMs * ourPart;
          const theirs = (trueMs: number) => trueMs + skewMs + theirErrorMs * theirPart;
          const receivedMs = START_MS + thereMs;
          const result = estimate({
            sentMs: ours(START_MS),
            arrivedMs: ours(receivedMs + workMs + backMs),
            errorMs: ourErrorMs,
            server: {
              receivedMs: theirs(receivedMs),
              sentMs: theirs(receivedMs + workMs),
              errorMs: theirErrorMs,
              zone: ZONE,
            },
          });
          // What numbers of this size are rounded to.
          const roundedMs = 0.002;
          expect(Math.abs(result.offsetMs - skewMs)).toBeLessThanOrEqual(result.errorMs + roundedMs);
          expect(result.roundTripMs).toBeCloseTo(thereMs + backMs, 1);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('asking for the time by datagrams', () => {
  it.each([
    ['equal ways', 20, 20],
    ['a slow way there', 180, 2],
    ['a slow way back', 1, 240],
    ['no way at all between', 0, 0],
  ])('finds the skew of the other clock within the bound it tells: %s', async (_, there, back) => {
    for (const skewMs of [0, 137.5, -86_400_000, 3_600_000]) {
      const { asker, asking, run } = await skewed(skewMs, way => (way === 'there' ? there : back));
      const found = await run(askTimeByDatagrams(asker, { ...asking, exchanges: 8 }));
      expect(Math.abs(found.offsetMs - skewMs)).toBeLessThanOrEqual(found.errorMs);
      expect(found.roundTripMs).toBeCloseTo(there + back, 2);
      expect(found.errorMs).toBeCloseTo((there + back) / 2, 1);
      expect(found.zone).toEqual(ZONE);
    }
  });

  it('takes the best of 8 exchanges, of which one had the way for itself', async () => {
    let packets = 0;
    const { asker, asking, run } = await skewed(50, () => (Math.floor(packets++ / 2) === 5 ? 1 : 200));
    const found = await run(askTimeByDatagrams(asker, { ...asking, exchanges: 8 }));
    expect(packets).toBe(16);
    expect(found.roundTripMs).toBeCloseTo(2, 2);
    expect(Math.abs(found.offsetMs - 50)).toBeLessThanOrEqual(found.errorMs);
  });

  it('R-T3: keeps its word where packets are lost and an answer to an earlier sending comes late', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: -100_000, max: 100_000 }),
        fc.array(fc.oneof(fc.constant(undefined), fc.nat(1200)), { minLength: 3, maxLength: 12 }),
        async (skewMs, delays) => {
          let next = 0;
          const { asker, asking, run } = await skewed(skewMs, () => delays[next++ % delays.length]);
          const found = await run(
            askTimeByDatagrams(asker, { ...asking, exchanges: 2 }).catch((error: LineError) => error),
          );
          if (found instanceof LineError) expect(found.code).toBe('TIMEOUT');
          else expect(Math.abs(found.offsetMs - skewMs)).toBeLessThanOrEqual(found.errorMs);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('counts what was answered before the way was blocked', async () => {
    let packets = 0;
    const { asker, asking, run } = await skewed(9, () => (packets++ < 4 ? 5 : undefined));
    const found = await run(askTimeByDatagrams(asker, { ...asking, exchanges: 3, timeoutMs: 200 }));
    expect(Math.abs(found.offsetMs - 9)).toBeLessThanOrEqual(found.errorMs);
  });
});

describe('asking for the time over a channel', () => {
  it('gives what datagrams give', async () => {
    const { line, asking, run } = await skewed(-77, () => undefined);
    const found = await run(askTime(line, { ...asking, exchanges: 8 }));
    expect(Math.abs(found.offsetMs + 77)).toBeLessThanOrEqual(found.errorMs);
    expect(found.zone).toEqual(ZONE);
  });

  it('R-T3: keeps its word where our own clock is set while the answer is on its way', async () => {
    for (const [way, stepMs] of [
      ['line', -3_600_000],
      ['line', 3_600_000],
      ['udp', -3_600_000],
      ['udp', 3_600_000],
    ] as const) {
      let aheadMs = 0;
      const { line, asker, run, lineClock } = await skewed(
        0,
        () => 5,
        () => {
          aheadMs = stepMs;
        },
      );
      const clock = { now: () => ({ unixMs: START_MS + lineClock.now() + aheadMs, errorMs: 0.001 }) };
      const asking = { clock, lineClock };
      const found = await run(way === 'line' ? askTime(line, asking) : askTimeByDatagrams(asker, asking));
      expect(Math.abs(found.offsetMs + stepMs), `${way} ${stepMs}`).toBeLessThanOrEqual(found.errorMs);
    }
  });

  it('R-A8: is refused without the permission, and other messages end the channel', async () => {
    const service = timeHost({ zone: () => ZONE });
    const make = async (allow: readonly 'time'[]) => {
      const listener = await makeListener({ onChannel: dispatchChannels([service], allow) });
      const transports = memoryPair();
      listener.accept(transports[1]);
      return (await openLine(transports[0], await loginOptions())).line;
    };
    await expect(askTime(await make([]))).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const line = await make(['time']);
    for (const wrong of [{ t: 'date' }, { format: '%1400d' }]) {
      const channel = line.open('time.ask');
      await channel.send(wrong);
      await expect(channel.readMessage()).rejects.toMatchObject({
        code: expect.stringMatching(/PROTOCOL|MALFORMED/) as string,
      });
    }
    const channel = line.open('time.ask');
    await channel.write(new Uint8Array(9));
    await expect(channel.readMessage()).rejects.toMatchObject({ code: 'PROTOCOL' });
    await expect(askTime(line, { exchanges: 0 })).rejects.toMatchObject({ code: 'USAGE' });
  });
});

describe('what a machine says of its clock', () => {
  const time = { receivedMs: START_MS, sentMs: START_MS + 0.042, errorMs: 0.002, zone: ZONE };

  it('comes back as it was sent, to the microsecond, in less than a request is long', () => {
    const zones = [
      ZONE,
      { name: '', offsetMinutes: -720 },
      { name: 'America/Argentina/ComodRivadavia', offsetMinutes: 0 },
    ];
    for (const zone of zones) {
      const message = encodeTime({ ...time, zone });
      expect(decodeTime(message)).toEqual({ ...time, zone: { abbreviation: undefined, ...zone } });
      expect(JSON.stringify(message).length).toBeLessThan(300);
    }
  });

  it('names no zone that is none', () => {
    const zone = { name: '../../etc/passwd\u001b[2J', offsetMinutes: 0, abbreviation: '\u202e' };
    expect(decodeTime(encodeTime({ ...time, zone })).zone).toEqual({
      name: '',
      offsetMinutes: 0,
      abbreviation: undefined,
    });
  });

  it.each([
    ['a zone that is a path', { zone: '../etc' }],
    ['a zone that a terminal obeys', { zone: '\u001b[2J' }],
    ['a zone that is too long', { zone: 'x'.repeat(65) }],
    ['an abbreviation that a terminal obeys', { abbreviation: '\u001bc' }],
    ['an offset of more than a day', { offset_min: 1441 }],
    ['a fraction', { sent_us: 1.5 }],
    ['a time of 2^53', { sent_us: 2 ** 53 }],
    ['an answer before its question', { sent_us: 1 }],
    ['an error of more than ten seconds', { error_us: 10_000_001 }],
    ['another type', { t: 'date' }],
  ])('R-T2: is refused with %s', (_, wrong) => {
    expect(() => decodeTime({ ...encodeTime(time), ...wrong })).toThrow(LineError);
  });
});
