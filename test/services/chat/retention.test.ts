import { expect, it, onTestFinished } from 'vitest';
import { MemoryHistory } from '../../../src/services/chat/memory-history.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { settled } from '../../support/session-ends.ts';
import { ChatScene } from './scene.ts';

it('what is not kept goes when somebody first comes, and now and then, a little at a time', async () => {
  const clock = new ManualClock();
  const history = new MemoryHistory();
  const device = new Uint8Array(32);
  const old = Array.from({ length: 240 }, (_, n) => ({
    room: 'lobby',
    nonce: `${n}`,
    from: 'anna',
    device,
    kind: 'text' as const,
    text: `${n}`,
  }));
  await history.append(old, 0);
  const scene = await ChatScene.open({ history, clock, keep: { ageMs: 1000 }, nowMs: () => 5000 + clock.now() });
  onTestFinished(() => scene.end());
  const kept = () => history.count({ room: 'lobby', device }, { after: 0, before: 1e9 }, 1e9);
  const anna = await scene.person('anna', { last: 0 });
  expect(await kept()).toBe(140);
  for (let step = 0; step < 2; step += 1) {
    clock.advance(50);
    await settled();
  }
  expect(await kept()).toBe(0);
  await anna.room.send('new');
  clock.advance(500_000);
  await settled();
  expect(await kept()).toBe(1);
  clock.advance(100_000);
  await settled();
  expect(await kept()).toBe(0);
});
