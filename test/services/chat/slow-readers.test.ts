import { afterEach, describe, expect, it } from 'vitest';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import { CHAT_EVENT_QUEUE, CHAT_RING_BYTES } from '../../../src/protocol/limits.ts';
import type { HistoryView, IdRange } from '../../../src/services/chat/history.ts';
import { MemoryHistory } from '../../../src/services/chat/memory-history.ts';
import type { ChatMessage } from '../../../src/services/chat/message.ts';
import { CHAT_KIND, decodeEntries } from '../../../src/services/chat/messages.ts';
import { readHistory } from '../../../src/services/chat/reading.ts';
import { ChatScene, type SceneOptions } from './scene.ts';

const scenes: ChatScene[] = [];

afterEach(async () => {
  await Promise.all(scenes.splice(0).map(scene => scene.end()));
});

async function open(options: SceneOptions = {}): Promise<ChatScene> {
  const scene = await ChatScene.open(options);
  scenes.push(scene);
  return scene;
}

/** Notes behind which ids, and how many messages at most, were read. */
class ReadHistory extends MemoryHistory {
  readonly reads: { readonly after: number; readonly limit: number }[] = [];

  override read(view: HistoryView, range: IdRange, limit: number): Promise<readonly ChatMessage[]> {
    this.reads.push({ after: range.after, limit });
    return super.read(view, range, limit);
  }
}

describe('members that do not read', () => {
  it('R-A12: hold no more of history than fits into one message, however long the messages are', async () => {
    const history = new ReadHistory();
    const scene = await open({ history });
    const anna = await scene.person('anna', { last: 0 });
    for (let n = 1; n <= 40; n += 1) await anna.room.send('x'.repeat(8000));
    await anna.room.send('short');
    const ids: number[] = [];
    for await (const { id } of anna.room.history()) ids.push(id);
    expect(ids).toEqual(Array.from({ length: 41 }, (_, n) => n + 1));
    // Eight fit, and what did not was let go.
    expect(history.reads.slice(0, 3)).toEqual([
      { after: 0, limit: 64 },
      { after: 8, limit: 16 },
      { after: 16, limit: 16 },
    ]);
    const found: number[] = [];
    for (let n = 1; n <= 20; n += 1) await anna.room.send(`word ${'y'.repeat(8000)}`);
    for await (const { id } of anna.room.search('word')) found.push(id);
    expect(found).toEqual(Array.from({ length: 20 }, (_, n) => n + 42));
  });

  it('R-A12: are left behind by what the ring has no room for, hear of it, and find it in history', async () => {
    const scene = await open();
    const anna = await scene.person('anna');
    const bert = (await scene.person('bert')).listen();
    const { line } = await scene.dial(nodeCrypto.generateKeyPair(), { creditBytes: 128 * 1024 });
    const stopped = line.open(CHAT_KIND.join, { room: 'lobby', name: 'carl' });
    await stopped.readMessage();
    const count = Math.ceil((2 * CHAT_RING_BYTES) / 8000);
    for (let n = 1; n <= count; n += 1) await anna.room.send(`${n} ${'x'.repeat(8000)}`);
    // Others have long had everything.
    await bert.until(({ texts }) => texts.length === count);
    const ids: number[] = [];
    let missed = 0;
    while (ids.at(-1) !== count) {
      const message = await stopped.readMessage();
      if (message['t'] === 'entries') {
        for (const entry of decodeEntries(message)) if (entry.type === 'message') ids.push(entry.message.id);
        continue;
      }
      expect(message['t']).toBe('missed');
      const { after, before } = message as { after: number; before: number };
      expect(after).toBe(ids.at(-1) ?? 0);
      const gap: number[] = [];
      for await (const { id } of readHistory(line, 'lobby', { after, before })) gap.push(id);
      expect(gap).toHaveLength(message['count'] as number);
      missed += gap.length;
      ids.push(...gap);
    }
    expect(missed).toBeGreaterThan(50);
    expect(ids).toEqual(Array.from({ length: count }, (_, n) => n + 1));
  });

  it('R-A12: hold a bounded number of events themselves, and read the rest from history when they take them', async () => {
    const scene = await open();
    const anna = await scene.person('anna');
    const bert = await scene.person('bert');
    const count = CHAT_EVENT_QUEUE + 500;
    await bert.room.send('first');
    for (let n = 2; n <= count; n += 1) await anna.room.send(`${n}`);
    // Who does not iterate hears all the same that its own message was stored.
    await bert.room.send('last');
    bert.listen();
    await bert.until(({ texts }) => texts.includes('last'));
    await anna.room.send('after');
    await bert.until(({ texts }) => texts.includes('after'));
    expect(bert.messages.map(({ id }) => id)).toEqual(Array.from({ length: count + 2 }, (_, n) => n + 1));
  });

  it('tell of a gap in place of filling it, where that is asked for', async () => {
    const scene = await open();
    const anna = await scene.person('anna');
    const bert = (await scene.person('bert', { gaps: 'tell', last: 0 })).listen();
    await bert.cut();
    for (let n = 1; n <= 200; n += 1) await anna.room.send(`${n} ${'x'.repeat(8000)}`);
    await bert.return(scene);
    await bert.until(({ messages }) => messages.at(-1)?.id === 200);
    const [missed] = bert.told;
    const first = bert.messages[0]!.id;
    expect(missed).toEqual({ type: 'missed', after: 0, before: first, count: first - 1 });
    expect(first).toBeGreaterThan(50);
  });

  it('may stop in the middle of what they missed, and go on there', async () => {
    const scene = await open();
    const anna = await scene.person('anna');
    for (let n = 1; n <= 10; n += 1) await anna.room.send(`${n}`);
    const { room } = await scene.person('bert');
    const seen: number[] = [];
    for (const upTo of [3, 7, 10]) {
      for await (const event of room) {
        if (event.type !== 'message') continue;
        seen.push(event.message.id);
        if (event.message.id === upTo) break;
      }
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('cost a room of fifty nothing when three of them stop', async () => {
    const scene = await open();
    const people = await Promise.all(Array.from({ length: 47 }, (_, n) => scene.person(`member${n}`)));
    for (let n = 0; n < 3; n += 1) {
      const { line } = await scene.dial(nodeCrypto.generateKeyPair(), { creditBytes: 128 * 1024 });
      await line.open(CHAT_KIND.join, { room: 'lobby', name: `stopped${n}` }).readMessage();
    }
    const head = await scene.history.head();
    for (const person of people) person.listen();
    const rounds = 20;
    for (let round = 0; round < rounds; round += 1) {
      await Promise.all(people.slice(0, 20).map(({ room }) => room.send(`${round} ${'x'.repeat(2000)}`)));
    }
    const total = rounds * 20;
    await Promise.all(people.map(person => person.until(({ messages }) => messages.length === total)));
    for (const person of people) {
      expect(person.messages.map(({ id }) => id)).toEqual(Array.from({ length: total }, (_, n) => head + n + 1));
    }
  });
});
