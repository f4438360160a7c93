import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import type { Channel } from '../../../src/line/channel.ts';
import { encodeJson, type JsonObject } from '../../../src/protocol/bytes/json.ts';
import { MAX_MESSAGE_BYTES } from '../../../src/protocol/limits.ts';
import { decodeEvents, EventTeller, type TransferEvent } from '../../../src/services/files/receiving/events.ts';
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

test('unchanged files are told of in as many messages as they need, each of them once and in order', async () => {
  const anyPath = fc.oneof(
    fc.string({ minLength: 1, maxLength: 300 }),
    fc.constant('\u0001'.repeat(500)),
    fc.constant('\udcff'),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(anyPath, { maxLength: 40 }), fc.integer({ min: 1, max: 80 }), async (paths, times) => {
      const messages: JsonObject[] = [];
      const send = async (message: JsonObject): Promise<void> => void messages.push(message);
      const teller = new EventTeller({ send } as unknown as Channel);
      const files = Array.from({ length: times }, () => paths.map((path, size) => ({ path, size }))).flat();
      await teller.tell({ type: 'unchanged', files });
      await teller.flush();
      for (const message of messages) encodeJson(message, MAX_MESSAGE_BYTES);
      const told = messages.flatMap(message => decodeEvents(message));
      expect(told.flatMap(event => (event.type === 'unchanged' ? event.files : []))).toEqual(files);
    }),
  );
});
