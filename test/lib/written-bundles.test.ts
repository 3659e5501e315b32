/** What the folders of functions hold beside their code: settings of the environment, code archives. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import flywheel from '../../flywheel.config.ts';
import { environmentSettings } from '../../lambdas/contract/settings.ts';
import { type FunctionBundles, functionNames, writeBundles } from '../../lib/bundle.ts';
import { noCode } from '../synthesis.ts';

let bundles: FunctionBundles;
beforeAll(async () => {
  const [local] = flywheel.environments;
  if (!local) throw new Error('expected an environment');
  bundles = await writeBundles(noCode, local);
});

afterAll(() => bundles.remove());

const settingsOf = (folder: string) =>
  environmentSettings.parse(JSON.parse(readFileSync(join(folder, 'settings.json'), 'utf8')));

it.each(functionNames())('%s carries the settings of its environment', (name) => {
  const settings = settingsOf(bundles.folderOf(name));
  expect(settings.name).toBe('local');
  expect(settings.projects.map((project) => project.name)).toContain('flights');
});

it('the code archives travel with start-training alone, under the hash of the settings', () => {
  const folder = bundles.folderOf('start-training');
  for (const { name, code } of settingsOf(folder).projects) {
    const archive = readFileSync(join(folder, 'code', `${name}.tar.gz`));
    expect(createHash('sha256').update(archive).digest('hex')).toBe(code.sha256);
  }
  const withCode = functionNames().filter((name) => existsSync(join(bundles.folderOf(name), 'code')));
  expect(withCode).toEqual(['start-training']);
});
