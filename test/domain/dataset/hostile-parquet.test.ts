/** Parquet files that cost more than they weigh: each is refused at once, with a report that names the limit and what to do. */
import { describe, expect, test } from 'vitest';
import { uploadLimits } from '../../../lambdas/contract/limits.ts';
import type { ColumnSettings } from '../../../lambdas/contract/settings.ts';
import { inspectUpload } from '../../../lambdas/domain/dataset/inspect.ts';
import {
  closed,
  dataPage,
  dataPageV2,
  dictionaryPage,
  encode,
  type ForgedColumn,
  forge,
  i32,
  levels,
  list,
  plainTexts,
  run,
  struct,
  varint,
} from './parquet-forge.ts';
import { accepted, rejected, uploadOf } from './samples.ts';

const feature = { role: 'feature', nullable: true, pii: false } as const;
const columns = {
  note: { ...feature, type: 'text' },
  kind: { ...feature, type: 'category' },
  late: { ...feature, role: 'label', type: 'boolean' },
} as const satisfies Record<string, ColumnSettings>;
const settings = { format: 'parquet', columns, quality: { maximumBadRowShare: 0, minimumRows: 1 } } as const;

const BYTE_ARRAY_PREFIXES = 7;
const DICTIONARY = 8;
const PLAIN = 0;

/** Columns of `rows` nulls, in a page of some bytes each. */
const nulls = (name: string, type: number, rows: number): ForgedColumn => ({
  name,
  type,
  pages: [dataPage(rows, PLAIN, levels(run(rows, 0)))],
});

/** A file whose column `note` is the given one. */
function fileOf(
  note: Omit<ForgedColumn, 'name'>,
  rows: number,
  more: Partial<Parameters<typeof forge>[0]> = {},
): Buffer {
  const others = [nulls('kind', 6, rows), nulls('late', 0, rows)];
  return forge({ rows, columns: [{ name: 'note', ...note }, ...others], ...more });
}

/** The code of the report; the whole inspection in less than some seconds, on slow processors too. */
async function refused(bytes: Buffer): Promise<{ code: string; reason: string; advice: string }> {
  const start = performance.now();
  const { report } = await rejected(inspectUpload(uploadOf(bytes), settings));
  expect(performance.now() - start).toBeLessThan(8000);
  return report;
}

test('the forge writes files that are read', async () => {
  const content = Buffer.concat([levels(run(3, 1)), plainTexts('a', 'b', 'c')]);
  const upload = await accepted(inspectUpload(uploadOf(fileOf({ pages: [dataPage(3, PLAIN, content)] }, 3)), settings));
  expect(upload).toMatchObject({ rows: 3, badRows: 0 });
  expect(upload.profile.columns.get('note')).toMatchObject({ count: 3, missing: 0 });
});

/** `rows` rows that all name the one value of a dictionary. */
const repeated = (value: string, rows: number) => ({
  isZstd: true,
  pages: [
    dictionaryPage(1, plainTexts(value), true),
    dataPage(rows, DICTIONARY, Buffer.concat([levels(run(rows, 1)), Buffer.from([1]), run(rows, 0)]), true),
  ],
});

describe('a long text that many rows share', () => {
  test('one of 1 MB in 20,000 rows, a file of less than 2 kB', async () => {
    const bytes = fileOf(repeated('x'.repeat(1_000_000), 20_000), 20_000);
    expect(bytes.length).toBeLessThan(2000);
    expect(await refused(bytes)).toMatchObject({
      code: 'value-too-long',
      reason: expect.stringContaining(String(4 * uploadLimits.textCharacters)),
      advice: expect.stringContaining('ignore'),
    });
  });

  test('one of the longest that is allowed, in a million rows: the time is over, and the report says how long it was', async () => {
    const bytes = fileOf(repeated('x'.repeat(uploadLimits.textCharacters), 1_000_000), 1_000_000);
    let seconds = 0;
    // A slow machine: each look at the clock comes a second after the one before.
    const { report } = await rejected(inspectUpload(uploadOf(bytes), settings, { clock: () => 1000 * seconds++ }));
    expect(report).toMatchObject({ code: 'inspection-time', reason: expect.stringContaining('60 seconds') });
    expect(report.rows).toBeLessThan(1000);
  });

  test('a text column may have values of 64 kB', async () => {
    const bytes = fileOf(repeated('x'.repeat(uploadLimits.textCharacters), 10), 10);
    expect(await accepted(inspectUpload(uploadOf(bytes), settings))).toMatchObject({ rows: 10, badRows: 0 });
  });
});

describe('pages that claim more than they hold', () => {
  const present = (rows: number) => levels(run(rows, 1));
  test.each<[string, Omit<ForgedColumn, 'name'>]>([
    ['a level run of a thousand million', { pages: [dataPage(10, PLAIN, levels(run(1 << 30, 1)))] }],
    [
      'an index run of a thousand million',
      {
        pages: [
          dictionaryPage(1, plainTexts('a')),
          dataPage(10, DICTIONARY, Buffer.concat([present(10), Buffer.from([1]), run(1 << 30, 0)])),
        ],
      },
    ],
    [
      'a bit-packed run without bits',
      {
        isRequired: true,
        pages: [
          dictionaryPage(1, plainTexts('a')),
          dataPageV2(10, DICTIONARY, Buffer.concat([Buffer.from([0]), varint(2 ** 31 - 1)])),
        ],
      },
    ],
    ['more values than rows', { pages: [dataPage(2 ** 31 - 1, PLAIN, present(10))] }],
    ['fewer values than rows', { pages: [dataPage(9, PLAIN, levels(run(9, 0)))] }],
    ['no page at all', { pages: [] }],
    [
      'a dictionary of two thousand million values',
      { pages: [dictionaryPage(2 ** 31 - 1, plainTexts('a')), dataPage(10, PLAIN, levels(run(10, 0)))] },
    ],
    [
      'a text that is longer than the page',
      { pages: [dataPage(10, PLAIN, Buffer.concat([present(10), Buffer.from([0xff, 0xff, 0, 0])]))] },
    ],
    [
      'a page that is longer than the column',
      { pages: [dataPage(10, PLAIN, levels(run(10, 0)), false, { compressed: 1 << 20 })] },
    ],
    ['a negative length', { pages: [dataPage(10, PLAIN, levels(run(10, 0)), false, { compressed: -1 })] }],
    [
      'two sizes in one header',
      { pages: [dataPage(10, PLAIN, levels(run(10, 0)), false, { extra: [[5, struct()]] })] },
    ],
    [
      'a number of a megabyte in its deltas',
      {
        pages: [
          dataPage(
            10,
            5,
            Buffer.concat([present(10), varint(128), varint(4), varint(10), Buffer.alloc(1 << 20, 0x80)]),
          ),
        ],
      },
    ],
    [
      'delta blocks of two thousand million parts',
      {
        pages: [
          dataPage(10, 5, Buffer.concat([present(10), varint(2 ** 31 - 32), varint(2 ** 30), varint(10), varint(0)])),
        ],
      },
    ],
    [
      'structs in structs, 100,000 deep',
      { pages: [Buffer.concat([Buffer.alloc(100_000, 0x1c), Buffer.alloc(100_001)])] },
    ],
  ])('%s', async (_, note) => {
    expect(await refused(fileOf(note, 10))).toMatchObject({
      code: 'damaged-parquet',
      advice: expect.stringContaining('write the file again'),
    });
  });

  test('a page that decompresses to more than a row group may have', async () => {
    const pages = [dataPage(10, PLAIN, levels(run(10, 0)), true, { uncompressed: 2 ** 31 - 1 })];
    expect(await refused(fileOf({ isZstd: true, pages }, 10))).toMatchObject({
      code: 'row-group-too-large',
      reason: expect.stringContaining(String(uploadLimits.rowGroupBytes)),
    });
  });

  test('many pages that do so together', async () => {
    const pages = Array.from({ length: 5 }, () => dictionaryPage(0, Buffer.alloc(60 << 20), true));
    const bytes = fileOf({ isZstd: true, pages: [...pages, ...repeated('a', 10).pages] }, 10);
    expect(bytes.length).toBeLessThan(50_000);
    expect(await refused(bytes)).toMatchObject({ code: 'row-group-too-large' });
  });

  test('twenty million short texts in one page, a file of 10 kB', async () => {
    const rows = 20_000_000;
    const texts = Buffer.concat([levels(run(rows, 1)), Buffer.alloc(5 * rows, plainTexts('a'))]);
    const bytes = forge({
      rows,
      columns: [{ name: 'note', isZstd: true, pages: [dataPage(rows, PLAIN, texts, true)] }],
    });
    expect(bytes.length).toBeLessThan(10_000);
    expect(await refused(bytes)).toMatchObject({
      code: 'page-too-large',
      reason: expect.stringContaining(`at most ${uploadLimits.pageValues}`),
    });
  });

  test('values that each repeat the one before and add a letter', async () => {
    const rows = 40_000;
    // One block after the other whose every delta is 1 (prefixes: 0, 1, 2, …) or 0 (suffixes: 1, 1, 1, …).
    const deltas = (first: number, delta: number) =>
      Buffer.concat([
        ...[128, 4, rows, first * 2].map(varint),
        ...Array.from({ length: Math.ceil((rows - 1) / 128) }, () => Buffer.from([delta * 2, 0, 0, 0, 0])),
      ]);
    const content = Buffer.concat([levels(run(rows, 1)), deltas(0, 1), deltas(1, 0), Buffer.alloc(rows, 'x')]);
    const bytes = fileOf({ isZstd: true, pages: [dataPage(rows, BYTE_ARRAY_PREFIXES, content, true)] }, rows);
    expect(bytes.length).toBeLessThan(1000);
    expect(await refused(bytes)).toMatchObject({ code: 'row-group-too-large' });
  });

  test('a decimal of a hundred thousand digits', async () => {
    const content = Buffer.concat([levels(run(1, 1)), plainTexts('9'.repeat(100_000))]);
    const bytes = fileOf({ isDecimal: true, pages: [dataPage(1, PLAIN, content)] }, 1);
    expect(await refused(bytes)).toMatchObject({ code: 'value-too-long' });
  });
});

describe('footers that lie', () => {
  const note = { pages: [dataPage(10, PLAIN, levels(run(10, 0)))] };
  test.each<[string, Buffer]>([
    ['a column outside of the file', fileOf({ ...note, claims: { offset: 1 << 30 } }, 10)],
    [
      'a column that is nowhere: hyparquet asks for it ahead, and hears of no failure',
      fileOf({ ...note, claims: { isNowhere: true } }, 10),
    ],
    ['a column of two thousand million bytes', fileOf({ ...note, claims: { bytes: 2 ** 31 } }, 10)],
    ['one column under a thousand names', fileOf(note, 10, { groups: 1000, isShared: true })],
    ['rows without pages', fileOf({ pages: [] }, 1_000_000)],
    [
      'a list of a hundred million',
      closed(Buffer.from('PAR1'), encode(struct([1, i32(1)], [2, list([i32(1)], 100_000_000)]))),
    ],
    [
      'structs in structs',
      closed(Buffer.from('PAR1'), Buffer.concat([Buffer.alloc(100_000, 0x1c), Buffer.alloc(100_001)])),
    ],
    [
      'a number of a megabyte',
      closed(
        Buffer.from('PAR1'),
        Buffer.concat([Buffer.from([0x16]), Buffer.alloc(1 << 20, 0x80), Buffer.from([1, 0])]),
      ),
    ],
    ['a statistic of a megabyte', fileOf({ ...note, isDecimal: true, statistic: Buffer.alloc(1 << 20, 1) }, 10)],
  ])('%s', async (_, bytes) => {
    expect(await refused(bytes)).toMatchObject({ code: 'damaged-parquet' });
  });

  test('one that is larger than a footer may be', async () => {
    const bytes = fileOf(note, 10, { keyValues: [['k', 'x'.repeat(uploadLimits.footerBytes)]] });
    expect(await refused(bytes)).toMatchObject({
      code: 'footer-too-large',
      reason: expect.stringContaining(String(uploadLimits.footerBytes)),
    });
  });

  test('a schema of more columns than any project has', async () => {
    const extraSchema = Array.from({ length: uploadLimits.columns }, (_, index) => `c${index}`);
    expect(await refused(fileOf(note, 10, { extraSchema }))).toMatchObject({
      code: 'too-many-columns',
      reason: expect.stringContaining(String(uploadLimits.columns)),
    });
  });

  test('a column of lists', async () => {
    expect(await refused(fileOf({ ...note, isRepeated: true }, 10))).toMatchObject({
      code: 'nested-column',
      reason: expect.stringContaining('column note'),
    });
  });

  test('the metadata that Arrow and pandas add are none of these', async () => {
    const bytes = fileOf(note, 10, { keyValues: [['pandas', 'x'.repeat(100_000)]] });
    expect(await accepted(inspectUpload(uploadOf(bytes), settings))).toMatchObject({ rows: 10 });
  });
});
