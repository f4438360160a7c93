import { expect, it } from 'vitest';
import { CHAT_MEMORY_MESSAGES } from '../../../src/protocol/limits.ts';
import { MemoryHistory } from '../../../src/services/chat/memory-history.ts';
import { chatHistoryContract } from '../../contracts/chat-history.ts';

chatHistoryContract('a history in memory', async () => new MemoryHistory());

it('R-A12: a history in memory is bounded in messages and in bytes', async () => {
  const device = new Uint8Array(32);
  const range = { after: 0, before: Number.MAX_SAFE_INTEGER };
  const many = new MemoryHistory();
  const fill = (history: MemoryHistory, count: number, text: string) =>
    history.append(
      Array.from({ length: count }, (_, n) => ({
        room: 'a',
        nonce: `${n}`,
        from: 'anna',
        device,
        kind: 'text' as const,
        text,
      })),
      1,
    );
  await fill(many, CHAT_MEMORY_MESSAGES + 10, 'x');
  expect(await many.count({ room: 'a', device }, range, 1e9)).toBe(CHAT_MEMORY_MESSAGES);
  expect((await many.read({ room: 'a', device }, range, 1))[0]!.id).toBe(11);
  const large = new MemoryHistory();
  await fill(large, 2000, 'x'.repeat(8192));
  expect(await large.count({ room: 'a', device }, range, 1e9)).toBeLessThan(1000);
});
