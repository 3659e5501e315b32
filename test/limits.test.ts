/** docs/limits.md is what users read: every limit is there with its number, and no other is. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as limits from '../lambdas/contract/limits.ts';

const page = readFileSync(new URL('../docs/limits.md', import.meta.url), 'utf8');

const units = ['B', 'KiB', 'MiB', 'GiB'];

/** `5 GiB`, `1,048,576`: bytes in the largest unit that leaves a whole number. */
function shown(name: string, value: number): string {
  if (!name.toLowerCase().includes('bytes')) return value.toLocaleString('en-US');
  let unit = 0;
  let rest = value;
  while (unit < units.length - 1 && rest % 1024 === 0) {
    rest /= 1024;
    unit += 1;
  }
  return `${rest.toLocaleString('en-US')} ${units[unit]}`;
}

const contract = Object.entries(limits).flatMap(([group, values]) =>
  typeof values === 'function'
    ? []
    : Object.entries(values).map(([name, value]) => [`${group}.${name}`, shown(name, value)]),
);
const told = [...page.matchAll(/^\| `(\w+Limits\.\w+)` \| ([^|]+) \|/gm)].map(([, name, value]) => [name, value]);

describe('docs/limits.md', () => {
  it.each(contract)('tells %s as the contract has it', (name, value) => {
    expect(told.filter(([each]) => each === name)).toEqual([[name, value]]);
  });

  it('tells no limit that the contract does not have', () => {
    expect(told.map(([name]) => name).sort()).toEqual(contract.map(([name]) => name).sort());
  });
});
