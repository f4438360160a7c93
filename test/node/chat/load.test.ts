import { expect, it } from 'vitest';
import { checkChatKills } from '../../support/chat-load.ts';

it('a room full of people loses and doubles nothing when its server is killed, and everybody hears one order', async () => {
  const figures = await checkChatKills({ members: 30, stopped: 3, kills: 2, perSecond: 100, talkMs: 500 });
  expect(figures.joinings).toBeGreaterThanOrEqual(30 * 3);
});
