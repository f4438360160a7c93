import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import type { Channel } from '../../../src/line/channel.ts';
import { decodeJson, encodeJson, type JsonObject } from '../../../src/protocol/bytes/json.ts';
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

test('what happens to many files is told in as many messages as it needs, each once and in order', async () => {
  const anyPath = fc.oneof(
    fc.string({ minLength: 1, maxLength: 300 }),
    fc.constant('\u0001'.repeat(500)),
    fc.constant('\udcff'),
  );
  const anyFile = fc.record({ path: anyPath, size: fc.nat() });
  const anyEvent = fc.oneof(
    { weight: 3, arbitrary: anyFile.map((file): TransferEvent => ({ type: 'found', ...file })) },
    {
      weight: 3,
      arbitrary: fc
        .tuple(anyFile, fc.constantFrom('received' as const, 'identical' as const, 'skipped' as const))
        .map(([file, outcome]): TransferEvent => ({ type: 'finished', ...file, outcome })),
    },
    fc.array(anyFile, { minLength: 1, maxLength: 40 }).map((files): TransferEvent => ({ type: 'unchanged', files })),
    anyFile.map(({ path }): TransferEvent => ({ type: 'progress', path, bytes: 1 })),
    fc.constant<TransferEvent>({ type: 'counted' }),
  );
  /** An event of many files is the same as several of some. */
  const alone = (events: readonly TransferEvent[]): unknown[] =>
    events.flatMap((event): unknown[] =>
      event.type === 'unchanged' ? event.files.map(file => ({ type: event.type, ...file })) : [event],
    );
  await fc.assert(
    fc.asyncProperty(fc.array(anyEvent), fc.integer({ min: 1, max: 60 }), async (some, times) => {
      const messages: JsonObject[] = [];
      const send = async (message: JsonObject): Promise<void> => void messages.push(message);
      const teller = new EventTeller({ send } as unknown as Channel);
      const events = Array.from({ length: times }, () => some).flat();
      for (const event of events) await teller.tell(event);
      await teller.flush();
      const told = messages.flatMap(message => decodeEvents(decodeJson(encodeJson(message, MAX_MESSAGE_BYTES))));
      expect(alone(told)).toEqual(alone(events));
    }),
  );
});
