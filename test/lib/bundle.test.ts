/** The real bundles: they load by themselves, and carry their settings. */

import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import flywheel from '../../flywheel.config.ts';
import { environmentSettings } from '../../lambdas/contract/settings.ts';
import { bundleHandlers, type FunctionBundles, functionNames, writeBundles } from '../../lib/bundle.ts';

let folder: string;
let bundles: FunctionBundles;
beforeAll(async () => {
  const [local] = flywheel.environments;
  if (!local) throw new Error('expected an environment');
  bundles = await writeBundles(await bundleHandlers(), local);
  folder = mkdtempSync(join(tmpdir(), 'bundles-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(functionNames())('the bundle of %s', (name) => {
  it('loads away from node_modules and exports a handler', async () => {
    cpSync(bundles.folderOf(name), join(folder, name), { recursive: true });
    const module: unknown = await import(pathToFileURL(join(folder, name, 'index.mjs')).href);
    expect(module).toHaveProperty('handler', expect.any(Function));
  });

  it('carries the settings of its environment', () => {
    const settings = environmentSettings.parse(
      JSON.parse(readFileSync(join(bundles.folderOf(name), 'settings.json'), 'utf8')),
    );
    expect(settings.name).toBe('local');
    expect(settings.projects.map((project) => project.name)).toContain('flights');
  });
});

it('the code archives travel with start-training alone, under the hash of the settings', () => {
  const settings = environmentSettings.parse(
    JSON.parse(readFileSync(join(bundles.folderOf('start-training'), 'settings.json'), 'utf8')),
  );
  for (const { name, code } of settings.projects) {
    const archive = readFileSync(join(bundles.folderOf('start-training'), 'code', `${name}.tar.gz`));
    expect(createHash('sha256').update(archive).digest('hex')).toBe(code.sha256);
  }
  expect(functionNames().filter((name) => existsSync(join(bundles.folderOf(name), 'code')))).toEqual([
    'start-training',
  ]);
});
