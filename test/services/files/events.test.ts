import { expect, test } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import type { Channel } from '../../../src/line/channel.ts';
import { EventTeller, type TransferEvent } from '../../../src/services/files/receiving/events.ts';
import { outcome, settled } from '../../support/session-ends.ts';

const EVENT: TransferEvent = { type: 'progress', path: 'p'.repeat(1000), bytes: 1 };

/** A channel that takes nothing by itself: `taken` settles what was sent, in any order. */
function idleChannel() {
  const taken: { resolve: () => void; reject: (error: LineError) => void }[] = [];
  const channel = {
    send: () => new Promise<void>((resolve, reject) => taken.push({ resolve, reject })),
  } as unknown as Channel;
  return { channel, taken };
}

/** The event loop has turned, and what was told before it is on its way. */
const turned = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

test('whoever tells events waits for a message that nobody takes, however many events follow it', async () => {
  const { channel, taken } = idleChannel();
  const teller = new EventTeller(channel);
  expect(await outcome(teller.tell(EVENT))).toBe('done');
  await turned();
  expect(taken).toHaveLength(1);
  for (let count = 1; count < 200; count += 1) expect(await outcome(teller.tell(EVENT))).toBe('open');
  await turned();
  expect(taken.length).toBeGreaterThan(2);
  const last = teller.tell(EVENT);
  for (const { resolve } of taken.slice(1)) resolve();
  await settled();
  expect(await outcome(last)).toBe('open');
  taken[0]!.resolve();
  await settled();
  expect(await outcome(last)).toBe('done');
});

test('a message that cannot be sent holds nobody back, and throws at nobody who tells', async () => {
  const { channel, taken } = idleChannel();
  const teller = new EventTeller(channel);
  await teller.tell(EVENT);
  await turned();
  const next = teller.tell(EVENT);
  taken[0]!.reject(new LineError('CANCELLED', 'gone'));
  await settled();
  expect(await outcome(next)).toBe('done');
});
