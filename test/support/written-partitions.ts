/**
 * Which partitions of the lineage table the code of a function writes, read from its source: the writes that its handler, the
 * steps that it uses and their helpers spell out. A step's exported function that none of them uses is left out.
 */
import type { FunctionName } from '../../lambdas/contract/env.ts';
import { reachedFrom, sourceOf } from './source-files.ts';

/** Where writes are spelled out; the store itself turns what it is given into requests. */
const SPELLS_WRITES = /^lambdas\/(handlers|steps)\/|^lambdas\/stores\/\w+-writes\.ts$/;
const TURNS_WRITES = 'lambdas/stores/lineage-writes.ts';

/** @returns first segments of partition keys, sorted; `demand` for those of every type */
export function writtenPartitions(name: FunctionName): string[] {
  const files = reachedFrom(`lambdas/handlers/${name}.ts`, (file) => SPELLS_WRITES.test(file)).filter(
    (file) => file !== TURNS_WRITES,
  );
  const text = files.map((file) => usedIn(file, files)).join('\n');
  const written = [
    ...[...text.matchAll(/kind: 'create',\s*type: '([\w-]+)'/g)].map(([, type = '']) => type),
    ...(/kind: '(state|hours)'/.test(text) ? ['project'] : []),
    ...[...text.matchAll(/kind: '(?:update|mention)'[^;]{0,20}?\bid(?:: ([^,]+|nodeId\.build\('[^)]+\)))?,/g)].flatMap(
      ([, value = 'id']) => typesOf(value, text),
    ),
    ...[...text.matchAll(/kind: 'edge'(?: as const)?,\s*from(?:: ([^,]+))?,/g)].flatMap(([, value = 'from']) =>
      typesOf(value, text),
    ),
    ...[...text.matchAll(/kind: '(?:claim|release|absent)',\s*key(?:: ([^,}]+))?/g)].flatMap(([, value = 'key']) =>
      partitionsOfKey(value, text),
    ),
    ...[...text.matchAll(/lineage\s*\.(?:once|replace)\(\s*([\w.]+)/g)].flatMap(([, value = '']) =>
      partitionsOfKey(value, text),
    ),
  ];
  return [...new Set(written)].sort();
}

/** The types of node that an expression can be the id of. */
function typesOf(expression: string, text: string, seen: readonly string[] = []): string[] {
  const built = /nodeId\.build\('([\w-]+)'/.exec(expression);
  if (built?.[1]) return [built[1]];
  const name = /^\w+/.exec(expression)?.[0] ?? '';
  if (seen.includes(name)) return [];
  return [...text.matchAll(new RegExp(`const ${name}\\b[^;]*?=\\s([^;]+);`, 'g'))].flatMap(([, value = '']) =>
    typesOf(value.replace(/^(?:async )?\([^=]*?=>\s*/, ''), text, [...seen, name]),
  );
}

/** Items that are kept beside a project's state. */
const inProject = new Set(['state', 'budget', 'suppression', 'drift']);

function partitionsOfKey(expression: string, text: string): string[] {
  const direct = /itemKey\.(\w+)/.exec(expression)?.[1];
  const built = direct ? [direct] : [...text.matchAll(/\bkey(?: =|:) itemKey\.(\w+)/g)].map(([, name = '']) => name);
  return built.map((name) => (inProject.has(name) ? 'project' : name));
}

/** The file without its exported functions that nothing else in these files names. */
function usedIn(file: string, files: readonly string[]): string {
  const others = files.filter((each) => each !== file).map(sourceOf);
  const parts = sourceOf(file).split(/\n(?=export |async function |function )/);
  return parts
    .filter((part) => {
      const exported = /^export (?:async )?(?:function|const) (\w+)/.exec(part)?.[1];
      if (exported === undefined || file.startsWith('lambdas/handlers/')) return true;
      return [...others, ...parts.filter((each) => each !== part)].some((other) =>
        new RegExp(`\\b${exported}\\b`).test(other),
      );
    })
    .join('\n');
}
