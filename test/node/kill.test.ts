import { expect, it } from 'vitest';
import { checkKills } from '../support/kill.ts';

// The long form is in test/soak.
it('goes on with a get and a put after either side was killed', async () => {
  expect((await checkKills(6, 3)).kills).toBeGreaterThanOrEqual(6);
});
