/** Which module is the configuration of this installation. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import installation from '../../flywheel.config.ts';
import { repositoryRoot } from '../../lib/bundle.ts';
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

it('whose mistakes end the synthesis as sentences, each once, and nothing of where in the code they were found', () => {
  const config = pathToFileURL(join(repositoryRoot, 'lib/config/index.ts'));
  choose(
    `import { defineFlywheel } from '${config}';\nexport default defineFlywheel({ environments: {}, projects: [] });`,
  );
  const { status, stderr } = spawnSync(process.execPath, ['bin/flywheel.ts'], {
    cwd: repositoryRoot,
    encoding: 'utf8',
  });
  expect(stderr).toBe(
    'the configuration has 1 mistake:\n  environments: got none, expected at least one, for example { dev: {} }\n',
  );
  expect(status).toBe(1);
});
