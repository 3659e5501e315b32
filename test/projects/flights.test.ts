/** The committed sample against the columns that the project states: what `prepare.py` writes is what the project expects. */
import { readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { expect, test } from 'vitest';
import * as z from 'zod';
import config from '../../flywheel.config.ts';

const [header = [], ...rows] = z
  .array(z.array(z.string()))
  .parse(parse(readFileSync('projects/flights/data/sample.csv', 'utf8')));

const columns = config.environments[0]?.projects.find((project) => project.name === 'flights')?.data.columns ?? {};

test('the file has exactly the columns of the project, in its order', () => {
  expect(header).toEqual(Object.keys(columns));
});

test('every value keeps the rules of its column', () => {
  expect(rows.length).toBeGreaterThan(100);
  const broken = rows.flatMap((row, line) =>
    Object.entries(columns).flatMap(([name, column], position) => {
      const text = row[position] ?? '';
      if (text === '') return column.nullable ? [] : [`${line} ${name}: missing`];
      if (column.values && !column.values.includes(text)) return [`${line} ${name}: ${text}`];
      if (column.type === 'boolean') return ['true', 'false'].includes(text) ? [] : [`${line} ${name}: ${text}`];
      if (column.type !== 'number' && column.type !== 'integer') return [];
      const number = Number(text);
      const inside = number >= (column.min ?? -Infinity) && number <= (column.max ?? Infinity);
      return inside && (column.type === 'number' || Number.isInteger(number)) ? [] : [`${line} ${name}: ${text}`];
    }),
  );
  expect(broken).toEqual([]);
});
