import { describe, expect, test, vi } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { ChangeSignal } from '../../../src/services/files/change-signal.ts';
import type { ChangeWatch } from '../../../src/services/files/store.ts';
import { syncOnChange } from '../../../src/services/files/syncing/sync-on-change.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { code } from './served.ts';

const NOTHING = { received: 0, removed: 0 };
const SOMETHING = { received: 1, removed: 0 };

interface Watched {
  readonly clock: ManualClock;
  readonly change: () => void;
  readonly fail: (error: LineError) => void;
  /** When rounds began. */
  readonly starts: readonly number[];
  /** Ends the round under way. */
  readonly finish: (result?: { received: number; removed: number }) => void;
  readonly stop: AbortController;
  readonly ended: Promise<unknown>;
  readonly isClosed: () => boolean;
}

function begin(): Watched {
  const clock = new ManualClock();
  const signal = new ChangeSignal();
  const stop = new AbortController();
  const starts: number[] = [];
  let isClosed = false;
  let finish: (result: { received: number; removed: number }) => void = () => {};
  const watch: ChangeWatch = {
    next: () => signal.wait(),
    close: () => {
      isClosed = true;
      signal.fail(new LineError('CLOSED', 'closed'));
    },
  };
  const round = () => {
    starts.push(clock.now());
    return new Promise<{ received: number; removed: number }>(resolve => {
      finish = resolve;
    });
  };
  const ended = syncOnChange(watch, round, { clock, signal: stop.signal }).catch((thrown: unknown) => thrown);
  return {
    clock,
    change: () => signal.raise(),
    fail: error => signal.fail(error),
    starts,
    finish: (result = SOMETHING) => finish(result),
    stop,
    ended,
    isClosed: () => isClosed,
  };
}

/** All that promises alone can bring about has happened. */
const settled = () => new Promise(resolve => setImmediate(resolve));

describe('rounds of a sync', () => {
  test('begin at once, and then a quarter of a second after the last of several changes', async () => {
    const { clock, change, starts, finish } = begin();
    finish();
    await settled();
    clock.advance(60_000);
    expect(starts).toEqual([0]);
    for (let index = 0; index < 5; index += 1) {
      change();
      await settled();
      clock.advance(200);
      await settled();
    }
    expect(starts).toEqual([0]);
    clock.advance(50);
    await settled();
    expect(starts).toEqual([0, 61_050]);
  });

  test('do not wait for quiet for ever', async () => {
    const { clock, change, starts, finish } = begin();
    finish();
    await settled();
    clock.advance(10_000);
    for (let index = 0; index < 100 && starts.length === 1; index += 1) {
      change();
      await settled();
      clock.advance(100);
      await settled();
    }
    expect(starts).toHaveLength(2);
    expect(starts[1]).toBeLessThanOrEqual(12_200);
  });

  test('follow a change that came while one was under way', async () => {
    const { clock, change, starts, finish } = begin();
    clock.advance(5000);
    change();
    await settled();
    clock.advance(5000);
    expect(starts).toEqual([0]);
    finish();
    await settled();
    clock.advance(250);
    await settled();
    expect(starts).toEqual([0, 10_250]);
    finish();
    await settled();
    clock.advance(100_000);
    await settled();
    expect(starts).toHaveLength(2);
  });

  test('are a second apart, and more for as long as there is nothing to do, whatever the other side tells', async () => {
    const { clock, change, starts, finish } = begin();
    for (let ms = 0; ms < 60_000; ms += 50) {
      change();
      finish(starts.length < 4 ? SOMETHING : NOTHING);
      await settled();
      clock.advance(50);
      await settled();
    }
    const pauses = starts.slice(1).map((start, index) => start - starts[index]!);
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(1000);
    expect(Math.min(...pauses.slice(7))).toBeGreaterThanOrEqual(10_000);
    expect(starts.length).toBeGreaterThan(8);
  });

  test('end with the watch, with the wish to stop and with a round that fails, and close the watch', async () => {
    const lost = begin();
    lost.finish();
    await settled();
    lost.fail(new LineError('TRUNCATED', 'lost'));
    expect([await lost.ended, lost.isClosed()]).toEqual([code('TRUNCATED'), true]);

    const stopped = begin();
    stopped.finish();
    await settled();
    stopped.stop.abort();
    expect([await stopped.ended, stopped.isClosed()]).toEqual([code('CANCELLED'), true]);

    const clock = new ManualClock();
    const close = vi.fn<() => void>();
    const failing = syncOnChange(
      { next: () => new Promise(() => {}), close },
      () => Promise.reject(new LineError('NOT_FOUND', '')),
      { clock },
    );
    await expect(failing).rejects.toEqual(code('NOT_FOUND'));
    expect(close).toHaveBeenCalled();
  });
});
