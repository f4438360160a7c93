import { randomBytes } from 'node:crypto';
import { readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { TransferEvent } from '../../../src/services/files/receiving/events.ts';
import type { MemoryTransport } from '../../../src/transports/memory.ts';
import { code, finalNames, namesBelow, type Served, serve as serveScene } from './served.ts';

const MiB = 1024 * 1024;

let served: Served | undefined;

afterEach(async () => {
  expect(served?.faults ?? []).toEqual([]);
  await served?.end();
  served = undefined;
});

/** A served `big` and an older version of it where it is received. */
async function serveVersions(before: Uint8Array, after: Uint8Array): Promise<Served> {
  served = await serveScene();
  writeFileSync(served.at('big'), after);
  writeFileSync(served.got('big'), before);
  utimesSync(served.got('big'), 1, 1);
  return served;
}

const bytesIn = (events: readonly TransferEvent[], type: 'kept' | 'progress'): number =>
  events.reduce((sum, event) => sum + (event.type === type ? event.bytes : 0), 0);

function countingWrites(transport: MemoryTransport): () => number {
  const write = vi.spyOn(transport, 'write');
  return () => write.mock.calls.flatMap(([segments]) => segments).reduce((sum, { length }) => sum + length, 0);
}

function inserted(before: Buffer, at: number, count: number): Buffer {
  return Buffer.concat([before.subarray(0, at), randomBytes(count), before.subarray(at)]);
}

describe('a file that is here in another version', () => {
  test('comes as what was inserted, and not much more, over the line', async () => {
    const before = randomBytes(64 * MiB);
    const after = inserted(before, 32 * MiB, MiB);
    const { got, get, transports } = await serveVersions(before, after);
    const sent = countingWrites(transports[1]);
    const { summary, events } = await get('big', 'big', { conflict: 'force' });
    expect(summary).toMatchObject({ received: 1, failed: 0 });
    expect(readFileSync(got('big')).equals(after)).toBe(true);
    expect(sent()).toBeLessThan(1.5 * MiB);
    expect(bytesIn(events, 'kept') + bytesIn(events, 'progress')).toBe(after.length);
    expect(namesBelow(got())).toEqual(['big']);
  });

  test.each<[string, (before: Buffer) => Buffer]>([
    ['lost something', before => Buffer.concat([before.subarray(0, 3 * MiB), before.subarray(4 * MiB)])],
    ['became a longer one', before => Buffer.concat([before, randomBytes(5)])],
    ['has its halves exchanged', before => Buffer.concat([before.subarray(4 * MiB), before.subarray(0, 4 * MiB)])],
    ['has the same part three times', before => Buffer.concat([before, before, before.subarray(100)])],
    ['has nothing in common', before => randomBytes(before.length + 1)],
    ['is zeros now', before => Buffer.alloc(before.length)],
  ])('is whole when it %s', async (_, change) => {
    const before = randomBytes(8 * MiB);
    const after = change(before);
    const { got, get } = await serveVersions(before, after);
    const { summary, events } = await get('big', 'big', { conflict: 'force' });
    expect(summary).toMatchObject({ received: 1, failed: 0 });
    expect(readFileSync(got('big')).equals(after)).toBe(true);
    expect(bytesIn(events, 'kept') + bytesIn(events, 'progress')).toBe(after.length);
  });

  test('is backed up first where that was asked for', async () => {
    const before = randomBytes(2 * MiB);
    const after = inserted(before, MiB, 10);
    const { got, get } = await serveVersions(before, after);
    await get('big', 'big', { conflict: 'backup' });
    expect(readFileSync(got('big')).equals(after)).toBe(true);
    expect(readFileSync(got('big~')).equals(before)).toBe(true);
  });

  test('comes whole where contents may not be compared, or nobody wants it otherwise', async () => {
    const before = randomBytes(2 * MiB);
    for (const options of [{ mayCompare: false }, { delta: false }]) {
      const { get, end } = await serveVersions(before, inserted(before, MiB, 10));
      const { events } = await get('big', 'big', { conflict: 'force', ...options });
      expect(bytesIn(events, 'kept')).toBe(0);
      await end();
      served = undefined;
    }
  });

  test('goes on after the line was cut, with the old version and with what came', async () => {
    const before = randomBytes(8 * MiB);
    const after = inserted(before, MiB, 24 * MiB);
    const first = await serveVersions(before, after);
    let came = 0;
    const getting = first.get('big', 'big', {
      conflict: 'force',
      onEvent: event => {
        if (event.type === 'progress') came += event.bytes;
        if (came > 10 * MiB) first.transports[0].break();
      },
    });
    await expect(getting).rejects.toEqual(code('TRUNCATED'));
    expect(readFileSync(first.got('big')).equals(before)).toBe(true);
    const partial = readFileSync(first.got(namesBelow(first.got()).find(name => name !== 'big')!));
    await first.end();
    const second = await serveVersions(before, after);
    utimesSync(second.at('big'), 5, 5);
    writeFileSync(second.got('big.0-00000000.postern-part'), partial);
    const { events } = await second.get('big', 'big', { conflict: 'force' });
    expect(readFileSync(second.got('big')).equals(after)).toBe(true);
    expect(bytesIn(events, 'kept')).toBeGreaterThan(17 * MiB);
    expect(finalNames(second.got())).toEqual(['big']);
  });
});
