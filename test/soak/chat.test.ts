import { expect, it } from 'vitest';
import { checkChatKills, checkStoppedReaders } from '../support/chat-load.ts';
import { TELLS_PEAKS } from '../support/peak-memory.ts';

const KILLS = Number(process.env['POSTERN_CHAT_KILLS'] ?? 5);
const STOPPED = 100;

it(`a room of 1,000 people loses and doubles nothing over ${KILLS} kills of its server`, async () => {
  const figures = await checkChatKills({ members: 950, stopped: 50, kills: KILLS, perSecond: 100, talkMs: 10_000 });
  console.log(JSON.stringify(figures));
  // Each has come back each time, by itself.
  expect(figures.joinings).toBeGreaterThanOrEqual(950 * (KILLS + 1));
});

it.runIf(TELLS_PEAKS)(
  `R-A12: ${STOPPED} members that stop reading 32 MB cost a server less than 1 MB each`,
  async () => {
    const figures = await checkStoppedReaders({ members: 10, stopped: STOPPED, messages: 4000, messageBytes: 8000 });
    console.log(JSON.stringify(figures));
    expect(figures.after - figures.before).toBeLessThan(STOPPED);
  },
);
