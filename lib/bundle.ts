/**
 * The code of all Lambda functions, made by one run of esbuild (docs/decisions/0001-one-bundling-run.md). Each function
 * is a folder: `index.mjs`, its source map, the settings of its environment, and for start-training the code archives.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Metafile } from 'esbuild';
import { environments, type FunctionName } from '../lambdas/contract/env.ts';
import type { EnvironmentSettings, ProjectSettings } from '../lambdas/contract/settings.ts';
import { makeCodeArchive } from './code-archive.ts';
import type { Environment } from './config/index.ts';
import { smallerSdk } from './smaller-sdk.ts';

export const repositoryRoot = fileURLToPath(new URL('..', import.meta.url));

/** Bytes of a function's `index.mjs`, source map apart; a test holds every function to it (docs/decisions/0004-bundle-size.md). */
export const MAXIMUM_BUNDLE_BYTES = 550_000;

/** How the code of every function is made. */
export const bundling = {
  absWorkingDir: repositoryRoot,
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  mainFields: ['module', 'main'],
  // Parts of packages that no function reaches; docs/decisions/0004-bundle-size.md has the bytes of each.
  alias: {
    '@aws-sdk/credential-provider-node': standIn('environment-credentials'),
    '@aws-sdk/endpoint-cache': standIn('no-endpoint-discovery'),
    '@smithy/core/event-streams': standIn('no-event-streams'),
    // Its Brotli and gzip stay in, used or not; the other codecs are Node's (lambdas/domain/dataset/parquet-codecs.ts).
    'hyparquet-compressors': 'hyparquet-compressors/src/lz4.js',
  },
  plugins: [smallerSdk],
  logLevel: 'warning',
} satisfies BuildOptions;

/** A bundle by path within its folder. */
type Files = ReadonlyMap<string, Uint8Array>;

export interface FunctionBundles {
  /** Folder with the code of each function. */
  readonly folderOf: (name: FunctionName) => string;
  /** Removes the folders, once they have been copied to the cloud assembly or have been read. */
  readonly remove: () => void;
}

export interface BundledCode {
  readonly files: ReadonlyMap<FunctionName, Files>;
  readonly metafile: Metafile;
}

/** @throws naming every function of the contract that has no handler */
export async function bundleHandlers(): Promise<BundledCode> {
  const names = functionNames();
  const missing = names.filter((name) => !existsSync(handlerFile(name)));
  if (missing.length > 0)
    throw new Error(
      `got no ${missing.map((name) => `lambdas/handlers/${name}.ts`).join(', ')}, expected a handler for each function of lambdas/contract/env.ts`,
    );
  const { outputFiles, metafile } = await build({
    ...bundling,
    entryPoints: names.map((name) => ({ in: handlerFile(name), out: `${name}/index` })),
    outdir: 'bundles',
    outExtension: { '.js': '.mjs' },
    write: false,
    sourcemap: 'linked',
    sourcesContent: false,
    metafile: true,
  });
  const files = new Map(
    names.map((name) => {
      const prefix = join(repositoryRoot, 'bundles', name, '/');
      const own = outputFiles.filter((file) => file.path.startsWith(prefix));
      return [name, new Map(own.map((file) => [file.path.slice(prefix.length), file.contents]))];
    }),
  );
  return { files, metafile };
}

/** Adds to the bundles what differs between environments, and writes each to a folder. */
export async function writeBundles(code: BundledCode, environment: Environment): Promise<FunctionBundles> {
  const archives = await Promise.all(
    environment.projects.map(async (project) => ({ project, archive: await makeCodeArchive(repositoryRoot, project) })),
  );
  const settings: EnvironmentSettings = {
    name: environment.name,
    projects: archives.map(
      ({ project, archive }): ProjectSettings => ({ ...project, code: { sha256: archive.sha256 } }),
    ),
  };
  const folder = mkdtempSync(join(tmpdir(), `flywheel-${environment.name}-`));
  for (const name of functionNames()) {
    for (const [path, content] of code.files.get(name) ?? []) write(join(folder, name, path), content);
    write(join(folder, name, 'settings.json'), JSON.stringify(settings));
  }
  for (const { project, archive } of archives)
    write(join(folder, 'start-training', 'code', `${project.name}.tar.gz`), archive.bytes);
  return { folderOf: (name) => join(folder, name), remove: () => rmSync(folder, { recursive: true }) };
}

/** Every function of the contract, in its order. */
export function functionNames(): FunctionName[] {
  return Object.keys(environments).filter((name): name is FunctionName => name in environments);
}

function standIn(name: string): string {
  return join(repositoryRoot, 'lambdas/runtime', `${name}.ts`);
}

const handlerFile = (name: FunctionName): string => join(repositoryRoot, 'lambdas/handlers', `${name}.ts`);

function write(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
