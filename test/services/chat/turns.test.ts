import { expect, it } from 'vitest';
import { systemClock } from '../../../src/line/clock.ts';
import { Turns } from '../../../src/services/chat/hosting/turns.ts';

it('R-A12: gives one turn after the other, with everybody else in between', async () => {
  const turns = new Turns(systemClock);
  let passes = 0;
  let isOver = false;
  const pass = () => {
    passes += 1;
    if (!isOver) systemClock.soon(pass);
  };
  systemClock.soon(pass);
  const taken: string[] = [];
  const passesBefore: number[] = [];
  const take = async (name: string) => {
    for (let step = 0; step < 3; step += 1) {
      await turns.next();
      taken.push(name);
      passesBefore.push(passes);
    }
  };
  await Promise.all([take('a'), take('b'), take('c')]);
  isOver = true;
  expect(taken.join('')).toBe('abcabcabc');
  expect(new Set(passesBefore).size).toBe(9);
});
