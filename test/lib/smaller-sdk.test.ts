import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BuildOptions, build } from 'esbuild';
import { afterAll, expect, test } from 'vitest';
import { bundling, repositoryRoot } from '../../lib/bundle.ts';
import { smallerSdk, withLiteralKeys } from '../../lib/smaller-sdk.ts';

const folder = mkdtempSync(join(tmpdir(), 'flywheel-schemas-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Bundles a line of code that stands in the repository's root. */
async function bundled(contents: string, options: BuildOptions): Promise<string> {
  const { outputFiles } = await build({
    ...bundling,
    ...options,
    stdin: { contents, resolveDir: repositoryRoot },
    write: false,
  });
  return outputFiles?.[0]?.text ?? '';
}

test('a bundle of one command has the schemas of that command and of no other', async () => {
  const handler = "export { PutObjectCommand } from '@aws-sdk/client-s3';";
  const used = 'PutObjectRequest';
  const unused = 'RestoreObjectRequest';
  const everything = await bundled(handler, { plugins: [] });
  expect(everything, 'what the SDK writes has changed: is lib/smaller-sdk.ts still needed?').toContain(unused);
  const code = await bundled(handler, {});
  expect(code).toContain(used);
  expect(code).not.toContain(unused);
});

test.each(['client-s3', 'client-dynamodb', 'client-sagemaker-runtime'])(
  '%s: every schema says the same',
  async (client) => {
    const everything = `export * from './node_modules/@aws-sdk/${client}/dist-es/schemas/schemas_0.js';`;
    const before = await schemasOf(`${client}-before.mjs`, await bundled(everything, { minify: false, plugins: [] }));
    const after = await schemasOf(
      `${client}-after.mjs`,
      await bundled(everything, { minify: false, plugins: [smallerSdk] }),
    );
    expect(before.length).toBeGreaterThan(5);
    expect(after).toEqual(before);
  },
);

/** Name and content of each exported schema; a reference to another schema is a function that returns it. */
async function schemasOf(file: string, code: string): Promise<[string, string][]> {
  const path = join(folder, file);
  writeFileSync(path, code);
  const exported: Record<string, unknown> = await import(pathToFileURL(path).href);
  return Object.entries(exported)
    .filter(([name]) => name.endsWith('$'))
    .map(([name, schema]) => [
      name,
      JSON.stringify(schema, (_, value) => (typeof value === 'function' ? String(value) : value)),
    ]);
}

test('a key is written out only when its constant is a text of the same file', () => {
  const source = `import { _i } from './other';
const _e = "error";
const _n = 4;
const _p = "__proto__";
export var a = [{ [_e]: 1,
    [_e]: 2, [_n]: 3, [_i]: 4, [_unknown]: 5, [_p]: 6 }, list[_e], yes ? [_e] : 7];`;
  expect(withLiteralKeys(source)).toBe(source.replace('{ [_e]: 1', '{ "error": 1').replace('[_e]: 2', '"error": 2'));
});
