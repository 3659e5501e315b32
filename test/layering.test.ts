/** Imports flow one way: bin → lib → lambdas/contract ← lambdas/{handlers → domain ← stores}. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { environments } from '../lambdas/contract/env.ts';

const root = resolve(import.meta.dirname, '..');

interface Layer {
  readonly folder: string;
  /** Folders and packages whose code it may use, beside its own. */
  readonly may: readonly string[];
  /** It may use any package that does not begin so: those that act on the world. */
  readonly anyPackageBut?: readonly string[];
  /** Folders and packages of which it may use types only. */
  readonly mayKnow?: readonly string[];
}

const sdk = ['@aws-sdk/', '@smithy/', '@aws-crypto/'];
const layers: readonly Layer[] = [
  { folder: 'lambdas/contract', may: ['zod', 'node:crypto'] },
  {
    folder: 'lambdas/domain',
    may: ['lambdas/contract'],
    anyPackageBut: ['aws-', 'node:fs', 'node:http', ...sdk],
    mayKnow: sdk,
  },
  { folder: 'lambdas/stores', may: ['lambdas/contract', 'lambdas/domain', 'lambdas/runtime', 'node:', 'zod', ...sdk] },
  {
    folder: 'lambdas/runtime',
    may: ['lambdas/contract', 'lambdas/domain', 'node:', 'zod', '@aws-lambda-powertools/', ...sdk],
    mayKnow: ['aws-lambda'],
  },
  {
    folder: 'lambdas/steps',
    may: ['lambdas/contract', 'lambdas/domain', 'lambdas/stores', 'lambdas/runtime', 'node:', 'zod'],
  },
  {
    folder: 'lambdas/handlers',
    may: ['lambdas/contract', 'lambdas/domain', 'lambdas/stores', 'lambdas/steps', 'lambdas/runtime', 'node:', 'zod'],
    mayKnow: ['aws-lambda'],
  },
  { folder: 'lib/config', may: ['lambdas/contract', 'node:', 'zod'] },
  {
    folder: 'lib',
    may: ['lambdas/contract', 'node:', 'zod', 'aws-cdk-lib', 'constructs', 'cdk-nag', 'esbuild', 'tar-stream'],
  },
  { folder: 'projects', may: ['lib/config'] },
  { folder: 'bin', may: ['lib', 'flywheel.config.ts'] },
];

interface Import {
  readonly file: string;
  readonly typeOnly: boolean;
  /** Package, or path from the root of the repository. */
  readonly target: string;
}

function importsOf(file: string): Import[] {
  const source = readFileSync(join(root, file), 'utf8');
  const statements = source.matchAll(
    /^\s*(?:import|export)\s+(type\s)?[^;'"]*?from\s+'([^']+)'|\bimport\('([^']+)'\)|^import\s+'([^']+)'/gm,
  );
  return [...statements].map(([, type, from, dynamic, bare]) => {
    const target = from ?? dynamic ?? bare ?? '';
    return {
      file,
      typeOnly: type !== undefined,
      target: target.startsWith('.') ? relative(root, resolve(root, dirname(file), target)) : target,
    };
  });
}

const filesOf = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));

const within = (target: string, allowed: readonly string[]) =>
  allowed.some(
    (each) => target === each || target.startsWith(each.endsWith('/') || each.endsWith(':') ? each : `${each}/`),
  );

/** The innermost layer of a file: `lib/config` before `lib`. */
const layerOf = (file: string) =>
  layers.filter(({ folder }) => file.startsWith(`${folder}/`)).sort((a, b) => b.folder.length - a.folder.length)[0];

const isPackage = (target: string) => !/^(lambdas|lib|cli|local|bin|projects|bench|test)\//.test(target);

function isAllowed({ target, typeOnly }: Import, { folder, may, anyPackageBut, mayKnow = [] }: Layer): boolean {
  if (within(target, [folder, ...may, ...(typeOnly ? mayKnow : [])])) return true;
  return anyPackageBut !== undefined && isPackage(target) && !anyPackageBut.some((each) => target.startsWith(each));
}

const violations = (layer: Layer): string[] =>
  filesOf(layer.folder)
    .filter((file) => layerOf(file)?.folder === layer.folder)
    .flatMap(importsOf)
    .filter((each) => !isAllowed(each, layer))
    .map(({ file, target }) => `${file} imports ${target}`);

describe('imports', () => {
  it.each(layers.map((layer) => [layer.folder, layer] as const))('of %s go the one way', (_folder, layer) => {
    expect(filesOf(layer.folder).length).toBeGreaterThan(0);
    expect(violations(layer)).toEqual([]);
  });

  it('are seen', () => {
    expect(importsOf('lib/bundle.ts').map(({ target }) => target)).toEqual(
      expect.arrayContaining(['esbuild', 'lambdas/contract/env.ts', 'lib/config/index.ts', 'node:fs']),
    );
  });
});

it('a handler is a function, each in a file of its name; what two of them share is a step', () => {
  const names = filesOf('lambdas/handlers').map((file) => file.replace(/^lambdas\/handlers\/|\.ts$/g, ''));
  expect(names.sort()).toEqual(Object.keys(environments).sort());
  const imported = filesOf('lambdas').flatMap(importsOf);
  expect(imported.filter(({ target }) => target.startsWith('lambdas/handlers/'))).toEqual([]);
});

it('no function asks whether it is local', () => {
  const asking = filesOf('lambdas').filter((file) =>
    /\b(ministack|localhost|127\.0\.0\.1|is_?local|AWS_ENDPOINT_URL)\b/i.test(
      readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ''),
    ),
  );
  expect(asking).toEqual([]);
});
