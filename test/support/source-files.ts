/** The product's code as text, for tests that read from it what a function does. Paths are relative to the repository. */
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { repositoryRoot } from '../../lib/bundle.ts';

const sources = new Map<string, string>();
/** Without comments. */
export function sourceOf(file: string): string {
  const known = sources.get(file);
  if (known !== undefined) return known;
  const source = readFileSync(join(repositoryRoot, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  sources.set(file, source);
  return source;
}

/** The path of what a file imports. */
export const importedBy = (file: string, path: string): string =>
  relative(repositoryRoot, join(repositoryRoot, dirname(file), path));

/** The file and all that it imports at run time, without the files, and what only they import, that are not `wanted`. */
export function reachedFrom(file: string, wanted: (file: string) => boolean, seen = new Set<string>()): string[] {
  if (seen.has(file) || !wanted(file)) return [];
  seen.add(file);
  const imports = [...sourceOf(file).matchAll(/^(?:import|export) (?!type\b)[^;]*?from '(\.[^']+)'/gm)];
  return [file, ...imports.flatMap(([, path = '']) => reachedFrom(importedBy(file, path), wanted, seen))];
}
