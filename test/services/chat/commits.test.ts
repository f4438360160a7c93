import { expect, it } from 'vitest';
import { systemClock } from '../../../src/line/clock.ts';
import type { StoredAs, UnstoredMessage } from '../../../src/services/chat/history.ts';
import { Commits } from '../../../src/services/chat/hosting/commits.ts';
import { MemoryHistory } from '../../../src/services/chat/memory-history.ts';

/** Notes how many messages each transaction has, and when others had a turn. */
class WatchedHistory extends MemoryHistory {
  readonly appended: (number | 'turn')[] = [];

  override append(messages: readonly UnstoredMessage[], nowMs: number): Promise<readonly StoredAs[]> {
    this.appended.push(messages.length);
    systemClock.soon(() => this.appended.push('turn'));
    return super.append(messages, nowMs);
  }
}

async function store(texts: readonly string[]): Promise<WatchedHistory> {
  const history = new WatchedHistory();
  const commits = new Commits(history, systemClock, () => 1);
  for (const [n, text] of texts.entries()) {
    const message = { room: 'a', nonce: `${n}`, from: 'anna', device: new Uint8Array(32), kind: 'text' as const, text };
    commits.submit(message, () => {});
  }
  await commits.idle();
  return history;
}

it('stores what comes at once in one transaction', async () => {
  expect((await store(['one', 'two', 'three'])).appended).toEqual([3]);
});

it('R-A12: stores many or long messages in several transactions, and others have their turn between them', async () => {
  const many = await store(Array.from({ length: 600 }, () => 'x'));
  expect(many.appended).toEqual([512, 'turn', 88]);
  const long = await store(Array.from({ length: 20 }, () => 'x'.repeat(8192)));
  expect(long.appended).toEqual([8, 'turn', 8, 'turn', 4]);
  expect(await long.head()).toBe(20);
});
