/** CSV and JSON Lines that cost more than they weigh: refused at once, with a report that names the limit and what to do. */
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { inspectionSeconds, uploadLimits } from '../../../lambdas/contract/limits.ts';
import { InspectionBudget } from '../../../lambdas/domain/dataset/budget.ts';
import { inspectUpload } from '../../../lambdas/domain/dataset/inspect.ts';
import type { Refusal } from '../../../lambdas/domain/dataset/report.ts';
import { accepted, asCsv, asJsonLines, goodRow, goodRows, rejected, settingsOf, uploadOf } from './samples.ts';

const csv = settingsOf('csv');
const jsonl = settingsOf('jsonl');

async function refused(content: string | Buffer, settings = csv) {
  const start = performance.now();
  const { report } = await rejected(inspectUpload(uploadOf(content), settings));
  expect(performance.now() - start).toBeLessThan(8000);
  return report;
}

describe('a value that is too long', () => {
  test.each([
    ['a category', { origin: 'J'.repeat(uploadLimits.categoryCharacters + 1) }, uploadLimits.categoryCharacters],
    ['a text', { id: 'i'.repeat(uploadLimits.textCharacters + 1) }, uploadLimits.textCharacters],
  ])('%s is refused by name, line and limit, in CSV and in JSON Lines', async (_, change, limit) => {
    const rows = [goodRow(1), goodRow(2, change)];
    for (const [content, settings, line] of [
      [asCsv(rows), csv, 3],
      [asJsonLines(rows), jsonl, 2],
    ] as const)
      expect(await refused(content, settings)).toMatchObject({
        code: 'value-too-long',
        reason: expect.stringMatching(
          `column ${Object.keys(change)[0]} in line or row ${line} .* at most ${limit} characters`,
        ),
        advice: expect.stringContaining('ignore'),
      });
  });

  test('one that is as long as allowed is accepted', async () => {
    const row = goodRow(1, { id: 'i'.repeat(uploadLimits.textCharacters), email: 'e'.repeat(900_000) });
    for (const [content, settings] of [
      [asCsv([row]), csv],
      [asJsonLines([row]), jsonl],
    ] as const)
      expect(await accepted(inspectUpload(uploadOf(content), settings))).toMatchObject({ rows: 1, badRows: 0 });
  });
});

describe('rows that are too wide', () => {
  const names = (count: number) => Array.from({ length: count }, (_, index) => `c${index}`);
  test('a header of 400,000 names', async () => {
    const header = [...names(200_000), ...new Array(200_000).fill('late')].join(',');
    expect(await refused(`${header}\n`.slice(0, uploadLimits.recordCharacters))).toMatchObject({
      code: 'too-many-columns',
      reason: expect.stringContaining(`at most ${uploadLimits.columns}`),
    });
  });

  test('an object of 50,000 unknown names', async () => {
    const wide = Object.fromEntries(names(50_000).map((name) => [name, 1]));
    expect(await refused(asJsonLines([goodRow(1), wide]), jsonl)).toMatchObject({
      code: 'too-many-columns',
      reason: expect.stringContaining('line 2'),
    });
  });

  test('names that are unknown in every row are told a hundred times and counted', async () => {
    const row = (index: number) => ({ ...goodRow(index), ...Object.fromEntries(names(1000).map((name) => [name, 1])) });
    const report = await refused(asJsonLines(Array.from({ length: 300 }, (_, index) => row(index))), jsonl);
    expect(report).toMatchObject({ code: 'bad-rows', rows: 300, badRows: 300, omitted: 300 * 1000 - 100 });
  });
});

describe('values that nest', () => {
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  test('half a million lists in one another are a bad row, not a fault of ours', async () => {
    const line = JSON.stringify({ ...goodRow(1), delay: 'HERE' }).replace('"HERE"', nested(500_000));
    const report = await refused(`${line}\n`, jsonl);
    expect(report.violations).toMatchObject([{ line: 1, column: null, rule: 'nesting' }]);
  });

  test('and as a line they are no row', async () => {
    expect(await refused(`${nested(500_000)}\n`, jsonl)).toMatchObject({ code: 'wrong-format' });
  });
});

describe('compressed files that grow', () => {
  test('to more than a ratio of what is stored are refused while they grow', async () => {
    // One row is 900 kB of a column that nobody checks: quick to read, so only the size counts.
    const rows = Array.from({ length: 20 }, (_, index) => goodRow(index, { email: 'e'.repeat(900_000) }));
    const member = gzipSync(asJsonLines(rows));
    const bomb = Buffer.concat(new Array(40).fill(member));
    expect(bomb.length).toBeLessThan(1_000_000);
    expect(await refused(bomb, jsonl)).toMatchObject({
      code: 'expansion',
      reason: expect.stringContaining(`${uploadLimits.expansionRatio} times`),
      advice: expect.stringContaining('split'),
    });
  });

  const spent = (stored: number, expanded: number): string | undefined => {
    const budget = new InspectionBudget(stored);
    try {
      for (let rest = expanded; rest > 0; rest -= 1 << 30) budget.expand(Math.min(rest, 1 << 30));
      return undefined;
    } catch (error) {
      return (error as Refusal).code;
    }
  };

  test('small ones may repeat themselves, large ones within the ratio, none beyond what can be checked', () => {
    const { expansionFreeBytes, expansionRatio, expandedBytes } = uploadLimits;
    expect(spent(1, expansionFreeBytes)).toBeUndefined();
    expect(spent(1, expansionFreeBytes + 1)).toBe('expansion');
    expect(spent(4_000_000, 4_000_000 * expansionRatio)).toBeUndefined();
    expect(spent(4_000_000, 4_000_000 * expansionRatio + 1)).toBe('expansion');
    expect(spent(expandedBytes, expandedBytes)).toBeUndefined();
    expect(spent(expandedBytes, expandedBytes + 1)).toBe('expanded-size');
  });

  test('values in the columns of the project are counted, and texts that Parquet repeats', () => {
    const budget = new InspectionBudget(1000);
    budget.addValues(uploadLimits.values);
    expect(() => budget.addValues(1)).toThrow(expect.objectContaining({ code: 'too-many-values' }));
    // No ratio: a constant column has a few stored bytes.
    budget.decode(uploadLimits.expandedBytes);
    expect(() => budget.decode(1)).toThrow(expect.objectContaining({ code: 'expanded-size' }));
  });
});

test('a file that is larger than S3 copies is rejected unread', async () => {
  const source = {
    size: uploadLimits.storedBytes + 1,
    read: () => Promise.reject(new Error('read')),
  };
  const { report } = await rejected(inspectUpload(source, csv));
  expect(report).toMatchObject({ code: 'stored-size', reason: expect.stringContaining(`${uploadLimits.storedBytes}`) });
});

describe('time', () => {
  test('is bought with bytes: a minute for the smallest file, ten for the largest', () => {
    expect(inspectionSeconds(2000)).toBe(60);
    expect(inspectionSeconds(100 << 20)).toBe(460);
    expect(inspectionSeconds(uploadLimits.storedBytes)).toBe(600);
  });

  test.each([
    ['CSV', asCsv(goodRows(20_000)), csv],
    ['CSV.gz', gzipSync(asCsv(goodRows(20_000))), csv],
    ['JSON Lines', asJsonLines(goodRows(20_000)), jsonl],
  ])(
    'a %s that takes longer is rejected with what was read so far, and the hash of all bytes',
    async (_, content, settings) => {
      let looks = 0;
      const slow = () => 30_000 * looks++;
      const { report, bytes } = await rejected(inspectUpload(uploadOf(content), settings, { clock: slow }));
      expect(report).toMatchObject({
        code: 'inspection-time',
        reason: expect.stringContaining(`${inspectionSeconds(content.length)} seconds`),
        advice: expect.stringContaining('split'),
      });
      expect(bytes).toBe(content.length);
    },
  );

  test('is over for a file without a row to check, too', async () => {
    let looks = 0;
    const blank = Buffer.from(`${asCsv([])}${'\n'.repeat(1 << 20)}`);
    const pieces = (bytes: Buffer) =>
      Array.from({ length: 16 }, (_, index) => bytes.subarray(index << 16, (index + 1) << 16));
    const { report } = await rejected(inspectUpload(uploadOf(blank, pieces), csv, { clock: () => 30_000 * looks++ }));
    expect(report.code).toBe('inspection-time');
  });
});
