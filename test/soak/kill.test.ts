import { expect, it } from 'vitest';
import { checkKills } from '../support/kill.ts';

const KILLS = Number(process.env['POSTERN_KILLS'] ?? 200);

it(`goes on with gets, puts and syncs after ${KILLS} kills of either side`, async () => {
  const figures = await checkKills(KILLS, Date.now() % 1_000_000);
  console.log(JSON.stringify(figures));
  expect(figures.kills).toBeGreaterThanOrEqual(KILLS);
});
