/** docs/reviews/2026-11.md: each row that is done names tests that exist, and each that is not says why. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { repositoryRoot } from '../lib/bundle.ts';
import { evidenceOf, isThere, rowsOf } from './support/evidence.ts';

const page = readFileSync(join(repositoryRoot, 'docs/reviews/2026-11.md'), 'utf8');
const rows = rowsOf(page);

it.each(rows)('%s: %s', (_row, holds, heldBy = '') => {
  const evidence = evidenceOf(heldBy);
  expect(evidence.filter((each) => !isThere(each))).toEqual([]);
  // Where no test holds it, the second cell says so first.
  if (evidence.length === 0) expect(holds).toMatch(/^(Not (met|tested|checked)|Said): /);
});

it('has a line for every row of the review', () => {
  const numbered = (letter: string, count: number) => Array.from({ length: count }, (_, n) => `${letter}${n + 1}`);
  const named = new Set(rows.flatMap(([row = '']) => row.split(', ')));
  expect([...numbered('A', 25), ...numbered('L', 19)].filter((row) => !named.has(row))).toEqual([]);
});
