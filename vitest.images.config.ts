import { defineConfig } from 'vitest/config';
import { onEndToEnd } from './vitest.config.ts';

/** What `npm run test:images` runs: containers with the packages of AWS's images. */
export default defineConfig({ test: { ...onEndToEnd, name: 'images', include: ['test/images/**/*.test.ts'] } });
