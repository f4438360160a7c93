import { defineConfig } from 'vitest/config';

// Tests run on the sources; what needs the built command (test/cli) finds it in dist, which `npm test` builds first.
const shared = {
  // Bounds for what hangs: a machine may be many times slower than ours.
  testTimeout: 180_000,
  hookTimeout: 180_000,
  pool: 'forks' as const,
  maxWorkers: 2,
};

/** The tests of the house itself: imports, package, documents. `npm run check` runs them. */
const check = ['test/*.test.ts'];
/** Long forms; each has a short one among the tests. `npm run soak` runs them. */
const soak = ['test/soak/**/*.test.ts'];

export default defineConfig({
  test: {
    projects: [
      { test: { ...shared, name: 'check', include: check } },
      { test: { ...shared, name: 'test', include: ['test/**/*.test.ts'], exclude: [...check, ...soak] } },
      { test: { ...shared, name: 'soak', include: soak, testTimeout: 3_600_000 } },
    ],
  },
});
