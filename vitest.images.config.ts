import { defineConfig } from 'vitest/config';
import { onEndToEnd } from './vitest.config.ts';

/** What `npm run test:images` runs: containers with the packages of AWS's images. */
export default defineConfig({
  test: {
    ...onEndToEnd,
    testTimeout: 90_000,
    hookTimeout: 120_000,
    name: 'images',
    include: ['test/images/**/*.test.ts'],
  },
});
