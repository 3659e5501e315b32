import { defineConfig } from 'vitest/config';

/** Tests that need a running laptop cloud share one, started once for all of them. */
const onCloud = ['test/stores/**/*.test.ts', 'test/handlers/**/*.test.ts'];

/** PyTorch is gigabytes: these run by `npm run test:models` alone. */
export const needsPyTorch = ['test/e2e/network.test.ts'];

/** On a build machine that others load too, a wait may run out once; the report names what was tried again. */
const retry = process.env.CI ? 1 : 0;

/** A deployment of the whole product each, one after the other. */
export const onEndToEnd = { retry, testTimeout: 600_000, hookTimeout: 600_000, fileParallelism: false };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...onCloud, 'test/e2e/**', 'test/images/**'],
          retry,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'cloud',
          include: onCloud,
          globalSetup: 'test/support/cloud-setup.ts',
          retry,
          // Events by the hundred: most of a minute on two slow processors.
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: { ...onEndToEnd, name: 'e2e', include: ['test/e2e/**/*.test.ts'], exclude: needsPyTorch },
      },
    ],
  },
});
