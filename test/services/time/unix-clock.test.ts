import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readBoth, SystemUnixClock } from '../../../src/services/time/unix-clock.ts';

/** A machine whose true time the test knows: a wall clock of whole milliseconds, and a monotonic one from somewhere. */
function machine(startMs: number, readMs: (at: number) => number) {
  // Since the start: a number of today's size has no thousandths of a microsecond.
  let elapsedMs = 0;
  let steppedMs = 0;
  let reads = 0;
  const pass = (): void => {
    elapsedMs += readMs(reads);
    reads += 1;
  };
  return {
    wall: () => {
      pass();
      return Math.floor(startMs + elapsedMs + steppedMs);
    },
    monotonic: () => {
      pass();
      return elapsedMs + 17.25;
    },
    advance: (byMs: number) => {
      elapsedMs += byMs;
    },
    step: (byMs: number) => {
      steppedMs += byMs;
    },
    get shownMs() {
      return startMs + elapsedMs + steppedMs;
    },
  };
}

/** One of less than two milliseconds may take a second to be noticed. */
const STEP = fc.oneof(fc.integer({ min: -1e7, max: -2 }), fc.integer({ min: 2, max: 1e7 }));

describe('the clock of this machine', () => {
  it('is within its own error of the truth, however long its readings take, and after steps', () => {
    const steps = fc.array(fc.record({ waitMs: fc.nat(5000), stepMs: fc.oneof(fc.constant(0), STEP) }), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(
        fc.double({ min: 1.7e12, max: 1.8e12, noNaN: true }),
        fc.array(fc.double({ min: 0.0001, max: 0.02, noNaN: true }), { minLength: 1, maxLength: 7 }),
        steps,
        (startMs, readings, moves) => {
          const host = machine(startMs, at => readings[at % readings.length]!);
          const clock = new SystemUnixClock(host.wall, host.monotonic);
          for (const { waitMs, stepMs } of moves) {
            host.advance(waitMs / 7);
            host.step(stepMs);
            const beforeMs = host.shownMs;
            const { unixMs, errorMs } = clock.now();
            expect(unixMs).toBeGreaterThanOrEqual(beforeMs - errorMs);
            expect(unixMs).toBeLessThanOrEqual(host.shownMs + errorMs);
            // Five readings at most, of 20 µs at most, beside what a second may have changed.
            expect(errorMs).toBeLessThan(0.25);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('says a millisecond where it did not run while it looked for a tick', () => {
    const host = machine(1.79e12, at => (at % 4 === 3 ? 40 : 0.001));
    const { unixMs, errorMs } = new SystemUnixClock(host.wall, host.monotonic).now();
    expect(Math.abs(unixMs - host.shownMs)).toBeLessThanOrEqual(errorMs + 0.002);
  });

  it('looks again where it did not run once', () => {
    const host = machine(1.79e12, at => (at === 3 ? 40 : 0.001));
    const { unixMs, errorMs } = new SystemUnixClock(host.wall, host.monotonic).now();
    expect(errorMs).toBeLessThan(0.1);
    expect(Math.abs(unixMs - host.shownMs)).toBeLessThanOrEqual(errorMs + 0.002);
  });

  it('is that of this process', () => {
    const before = Date.now();
    const { unixMs, errorMs } = new SystemUnixClock().now();
    expect(unixMs).toBeGreaterThanOrEqual(before - errorMs);
    expect(unixMs).toBeLessThanOrEqual(Date.now() + 1 + errorMs);
  });

  it('is read together with another one, within what lies between', () => {
    let monotonicMs = 100;
    const lineClock = { now: () => (monotonicMs += 4) };
    const clock = { now: () => ({ unixMs: 5000, errorMs: 1 }) };
    const both = readBoth(clock, lineClock as never);
    expect(both).toEqual({ unixMs: 5000, errorMs: 3, lineMs: 106 });
  });
});
