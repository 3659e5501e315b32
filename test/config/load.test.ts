/** Which module is the configuration of this installation. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import installation from '../../flywheel.config.ts';
import { loadFlywheel } from '../../lib/config/load.ts';

const folder = mkdtempSync(join(tmpdir(), 'flywheel-config-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

function choose(source: string): string {
  const file = join(folder, 'other.config.mjs');
  writeFileSync(file, source);
  vi.stubEnv('FLYWHEEL_CONFIG', file);
  return file;
}

it('is flywheel.config.ts', async () => {
  vi.stubEnv('FLYWHEEL_CONFIG', undefined);
  expect((await loadFlywheel()).environments).toEqual(installation.environments);
});

it('is the module that FLYWHEEL_CONFIG names, and the mistake in it is told with its name', async () => {
  const file = choose('export default { environment: [] };');
  await expect(loadFlywheel()).rejects.toThrow(`${file}`);
  await expect(loadFlywheel()).rejects.toThrow(/expected an export default of what defineFlywheel/);
});
