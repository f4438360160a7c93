import { it } from 'vitest';
import { checkRealTransfer } from '../support/real-transfer.ts';

it('brings all of node_modules and 4 GiB identical while others list and fetch', async () => {
  await checkRealTransfer({ tree: 'node_modules', largeFileBytes: 4 * 2 ** 30 + 1 });
});
