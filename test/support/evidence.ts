/** Pages whose claims name the tests that show them: `test/a.test.ts` "holds"; `test/b.test.ts` "holds, too". */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../../lib/bundle.ts';

export interface Evidence {
  readonly file: string;
  readonly title: string;
}

/** Rows of all tables of a section, without their heads, as cells. */
export function rowsOf(section: string): string[][] {
  const lines = section.split('\n').filter((line) => line.startsWith('|'));
  return lines
    .filter((line, position) => !/^\| ---/.test(line) && !/^\| ---/.test(lines[position + 1] ?? ''))
    .map((line) => line.slice(2, -2).split(' | '));
}

export const evidenceOf = (cell: string): Evidence[] =>
  [...cell.matchAll(/`([^`]+)` "([^"]+)"/g)].map(([, file = '', title = '']) => ({ file, title }));

/** As a title or as a claim of a list, in one of the quotes, or as a function of pytest. */
export function isThere({ file, title }: Evidence): boolean {
  const path = join(repositoryRoot, file);
  if (!existsSync(path)) return false;
  const source = readFileSync(path, 'utf8');
  if (file.endsWith('.py')) return source.includes(`\ndef ${title}(`);
  return ["'", '"', '`'].some((quote) =>
    ['(', ', ', '\n  '].some((before) => source.includes(`${before}${quote}${title}${quote},`)),
  );
}
