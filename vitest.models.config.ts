import { defineConfig } from 'vitest/config';
import { needsPyTorch, onEndToEnd } from './vitest.config.ts';

/** What `npm run test:models` runs beside the tests in Python. */
export default defineConfig({ test: { ...onEndToEnd, name: 'models', include: needsPyTorch } });
