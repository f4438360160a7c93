import { it } from 'vitest';
import { checkRealTransfer } from '../support/real-transfer.ts';

// The long form is in test/soak.
it('brings a tree of packages and a large file identical while others list and fetch', async () => {
  await checkRealTransfer({ tree: 'node_modules/vitest', largeFileBytes: 150_000_001 });
});
