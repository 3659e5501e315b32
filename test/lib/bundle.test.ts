/** The code of the functions as it is deployed: small enough, and it starts. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { environments } from '../../lambdas/contract/env.ts';
import { bundleHandlers, functionNames, MAXIMUM_BUNDLE_BYTES } from '../../lib/bundle.ts';

const { files } = await bundleHandlers();
const folder = mkdtempSync(join(tmpdir(), 'flywheel-bundles-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('every function has a bundle', () => {
  expect([...files.keys()]).toEqual(functionNames());
});

test.each([...files])('%s is small enough', (_, bundle) => {
  expect(bundle.get('index.mjs')?.byteLength).toBeLessThanOrEqual(MAXIMUM_BUNDLE_BYTES);
});

test.each([...files])(
  '%s starts outside of this repository, and says what is wrong with an empty event',
  (name, bundle) => {
    const own = join(folder, name);
    mkdirSync(own);
    for (const [path, content] of bundle) writeFileSync(join(own, path), content);
    writeFileSync(join(own, 'settings.json'), JSON.stringify({ name: 'test', projects: [] }));
    const handler = pathToFileURL(join(own, 'index.mjs')).href;
    const script = `const { handler } = await import(${JSON.stringify(handler)});
    await handler({}).then(console.log, (error) => console.log(error.message));`;
    const variables = Object.keys(environments[name].shape).map((variable) => [
      variable,
      // Numbers are digits; everything else takes an empty object, as a name or as JSON.
      variable.endsWith('_DAYS') ? '30' : '{}',
    ]);
    const run = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: own,
      env: { ...Object.fromEntries(variables), AWS_REGION: 'eu-central-1' },
      encoding: 'utf8',
    });
    expect(run.status, run.stderr).toBe(0);
    // zod/mini without its English texts would say "Invalid input" and no more.
    expect(run.stdout + run.stderr).toMatch(/expected (string|object), received undefined/);
  },
);
