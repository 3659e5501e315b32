/** The pass: what is accepted, what is refused and in which words, and that neither depends on how the bytes come. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inspectUpload } from '../../../lambdas/domain/dataset/inspect.ts';
import { encodeProfile, summarizeProfile } from '../../../lambdas/domain/dataset/profile-summary.ts';
import { rejectionReport, reportText, TOLD_VIOLATIONS, violationText } from '../../../lambdas/domain/dataset/report.ts';
import type { ByteSource } from '../../../lambdas/domain/dataset/source.ts';
import {
  accepted,
  asCsv,
  asJsonLines,
  columns,
  cuts,
  goodRow,
  goodRows,
  names,
  rejected,
  settingsOf,
  uploadOf,
} from './samples.ts';

const csv = settingsOf('csv');
const jsonl = settingsOf('jsonl');
const sha256 = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** The violations of CSV rows as a person reads them. */
async function complaints(rows: Record<string, unknown>[], header = names): Promise<string[]> {
  const { report } = await rejected(inspectUpload(uploadOf(asCsv(rows, header)), csv));
  return report.violations.map((violation) => violationText(violation, 'line'));
}

describe('one result, however the bytes come', () => {
  const field = fc.oneof(
    fc.string({ maxLength: 5 }),
    fc.constantFrom('1', '0.5', '', 'JFK', 'true', '2013-01-31', '"', '\n'),
  );
  const anyRow = fc
    .tuple(...names.map(() => field))
    .map((fields) => Object.fromEntries(names.map((name, index) => [name, fields[index]])));
  const rows = fc.oneof(fc.array(anyRow, { maxLength: 6 }), fc.nat(12).map(goodRows));
  const contents = fc.oneof(
    rows.map((some) => Buffer.from(asCsv(some))),
    rows.map((some) => gzipSync(asCsv(some))),
    rows.map((some) => gzipSync(asCsv(some)).subarray(0, -5)),
    fc
      .tuple(rows, fc.uint8Array({ maxLength: 20 }))
      .map(([some, junk]) => Buffer.concat([Buffer.from(asCsv(some)), junk])),
    fc.uint8Array({ maxLength: 60 }).map((junk) => Buffer.from(junk)),
  );

  test('chunk boundaries never change it, and the hash is that of all stored bytes', async () => {
    await fc.assert(
      fc.asyncProperty(contents, cuts, async (bytes, cut) => {
        const whole = await inspectUpload(uploadOf(bytes), csv);
        const pieces = await inspectUpload(uploadOf(bytes, cut), csv);
        expect(pieces).toEqual(whole);
        expect(whole).toMatchObject({ sha256: sha256(bytes), bytes: bytes.length });
      }),
      { numRuns: 300 },
    );
  });

  test('CSV, gzipped CSV and JSON Lines of the same rows have the same profile', async () => {
    const rows = [...goodRows(50), goodRow(50, { hour: null })];
    const uploads = [
      inspectUpload(uploadOf(asCsv(rows)), csv),
      inspectUpload(uploadOf(gzipSync(asCsv(rows))), csv),
      inspectUpload(uploadOf(asJsonLines(rows)), jsonl),
      inspectUpload(uploadOf(gzipSync(asJsonLines(rows))), jsonl),
    ];
    const summaries = (await Promise.all(uploads.map(accepted))).map(({ profile }) => summarizeProfile(profile));
    for (const summary of summaries) expect(summary).toEqual(summaries[0]);
    expect(summaries[0]?.columns.find(({ name }) => name === 'hour')).toMatchObject({ rows: 51, missing: 1 });
  });

  test('a gzip file cut at any byte is never accepted', async () => {
    const whole = gzipSync(asCsv(goodRows(40)));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: whole.length - 1 }), async (length) => {
        const { report } = await rejected(inspectUpload(uploadOf(whole.subarray(0, length)), csv));
        if (length >= 18) expect(report.code).toBe('truncated-gzip');
      }),
    );
  });

  test('a byte order mark, CRLF and columns in another order change nothing', async () => {
    const text = `\uFEFF${asCsv(goodRows(5), [...names].reverse()).replaceAll('\n', '\r\n')}`;
    expect(await accepted(inspectUpload(uploadOf(text), csv))).toMatchObject({ rows: 5, badRows: 0 });
  });
});

test('a byte order mark anywhere but at the beginning is a character', async () => {
  const text = asCsv([goodRow(1, { id: 'a' }), goodRow(1, { id: '\uFEFFa' })]);
  const place = Buffer.byteLength(text.slice(0, text.indexOf('\uFEFF')));
  const upload = uploadOf(text, (bytes) => [bytes.subarray(0, place), bytes.subarray(place)]);
  expect(await accepted(inspectUpload(upload, csv))).toMatchObject({ rows: 2 });
});

describe('column rules name line, column and value', () => {
  test.each([
    ['a number', { delay: 'abc' }, "line 3, column delay: expected a number, got 'abc'"],
    ['hexadecimal', { delay: '0x1f' }, "line 3, column delay: expected a number, got '0x1f'"],
    ['a limit', { delay: '-121' }, "line 3, column delay: expected -120 to 2000, got '-121'"],
    ['an integer', { hour: '1.5' }, "line 3, column hour: expected an integer, got '1.5'"],
    ['an allowed value', { origin: 'SFO' }, "line 3, column origin: expected one of 'EWR', 'JFK', 'LGA', got 'SFO'"],
    [
      'a time',
      { at: '31.01.2013' },
      "line 3, column at: expected an ISO 8601 time such as 2013-01-31T05:00:00Z, got '31.01.2013'",
    ],
    [
      'a day that exists',
      { at: '2013-02-29' },
      "line 3, column at: expected an ISO 8601 time such as 2013-01-31T05:00:00Z, got '2013-02-29'",
    ],
    ['a value', { origin: '' }, 'line 3, column origin: expected a text, the column is not nullable'],
    ['a label', { late: '' }, 'line 3, column late: expected true or false, the column is not nullable'],
  ])('%s', async (_, changes, complaint) => {
    expect(await complaints([goodRow(1), goodRow(2, changes), goodRow(3)])).toEqual([complaint]);
  });

  test('an id that came before names the line where, and hides what is personal', async () => {
    const [complaint, ...more] = await complaints([goodRow(1), goodRow(2), goodRow(1)]);
    expect(complaint).toBe('line 4, column id, passport: expected an id of its own, 2 has the same');
    expect(more).toEqual([]);
  });

  test('ids of 19 digits are told apart', async () => {
    const settings = { ...csv, columns: { ...columns, id: { ...columns.id, type: 'integer' } } } as const;
    const rows = ['9007199254740993001', '9007199254740993002'].map((id) => goodRow(1, { id }));
    const upload = uploadOf(asCsv(rows));
    expect(await accepted(inspectUpload(upload, settings))).toMatchObject({ rows: 2 });
  });

  test('a quoted line end moves the lines below', async () => {
    const rows = [goodRow(1, { email: 'two\nlines' }), goodRow(2, { delay: 'x' })];
    expect(await complaints(rows)).toEqual(["line 4, column delay: expected a number, got 'x'"]);
  });

  test('fields too few', async () => {
    const { report } = await rejected(inspectUpload(uploadOf(`${asCsv(goodRows(1))}a,b\n`), csv));
    expect(report.violations).toMatchObject([{ line: 3, column: null, rule: 'field-count', value: '2' }]);
  });

  test.each([
    ['quoting', '"x"y,1'],
    ['quoting', '"never closed,1'],
    ['quoting', '5" disk,1'],
    ['line-ends', 'a\rb,1'],
    ['line-ends', '"quoted",a\rb'],
  ])('%s: a record that readers part differently, %j, refuses the file whatever is tolerated', async (code, record) => {
    const settings = settingsOf('csv', { maximumBadRowShare: 1 });
    const { report } = await rejected(inspectUpload(uploadOf(`${asCsv(goodRows(1))}${record}\n`), settings));
    expect(report).toMatchObject({ code, reason: expect.stringContaining('line 3') });
  });

  test('columns that are missing, misspelt or there twice', async () => {
    const header = names.map((name) => (name === 'delay' ? 'Delay' : name)).filter((name) => name !== 'late');
    const { report } = await rejected(inspectUpload(uploadOf(asCsv(goodRows(2), [...header, 'hour'])), csv));
    expect(report).toMatchObject({ code: 'columns' });
    const told = report.violations.map((violation) => violationText(violation, 'line'));
    expect(told).toContain("line 1, column Delay: expected only columns of the project (did you mean 'delay'?)");
    expect(told).toContain(
      'line 1, column late: expected the label, which every row needs for training, it is not there',
    );
    expect(told).toContain('line 1, column hour: expected each column once');
  });

  test('JSON Lines: a line that is no object, and a column that is not the project’s', async () => {
    const text = `${asJsonLines([goodRow(1)])}\n[1]\n{"a":\n${asJsonLines([goodRow(2, { extra: 1, delay: '7' })])}`;
    const { report } = await rejected(inspectUpload(uploadOf(text), jsonl));
    expect(report.violations.map((violation) => violationText(violation, 'line')).sort()).toEqual(
      [
        'line 3: expected a JSON object on one line',
        'line 4: expected a JSON object on one line',
        'line 5, column extra: expected only columns of the project',
        "line 5, column delay: expected a number, got '7'",
      ].sort(),
    );
    expect(report).toMatchObject({ rows: 4, badRows: 3 });
  });

  test('a column may be called as something every object has', async () => {
    const settings = {
      ...jsonl,
      columns: { constructor: { role: 'label', type: 'number', nullable: true, pii: false } },
    } as const;
    expect(await accepted(inspectUpload(uploadOf('{}\n{"constructor":1}\n'), settings))).toMatchObject({ rows: 2 });
  });

  test('personal data is in no report and no profile', async () => {
    const secret = 'X1234567';
    const personal = {
      ...csv,
      columns: { ...csv.columns, late: { role: 'label', type: 'boolean', nullable: false, pii: true } },
    } as const;
    const bad = [goodRow(1, { passport: secret, email: secret }), goodRow(1, { passport: secret, late: secret })];
    const { report } = await rejected(inspectUpload(uploadOf(asCsv(bad)), personal));
    expect(report.counts).toContainEqual({ rule: 'type', column: 'late', count: 1 });
    expect(JSON.stringify(report) + reportText(report)).not.toContain(secret);
    const { profile } = await accepted(inspectUpload(uploadOf(asCsv(bad.slice(0, 1))), csv));
    expect(encodeProfile(profile)).not.toContain(secret);
  });
});

describe('files that cannot be used say why and what to do', () => {
  const good = asCsv(goodRows(20));
  const latin1 = Buffer.from(asCsv([goodRow(1), goodRow(2, { email: 'Müller' })]), 'latin1');
  test.each<[string, string | Uint8Array, RegExp, RegExp]>([
    ['empty', '', /the file is empty/, /with rows/],
    ['empty', gzipSync(''), /the file is empty/, /with rows/],
    ['no-rows', asCsv([]), /its columns and no row/, /with rows/],
    ['truncated-gzip', gzipSync(good).subarray(0, 60), /ends before its content/, /gzip -t/],
    ['damaged-gzip', Buffer.concat([gzipSync(good).subarray(0, 60), Buffer.alloc(90, 0xff)]), /damaged/, /again/],
    ['binary', `${good}\0\0`, /line 22 holds a zero byte/, /UTF-8/],
    ['encoding', latin1, /line 3 is not UTF-8/, /iconv/],
    ['encoding', Buffer.from(`\uFEFF${good}`, 'utf16le'), /UTF-16/, /iconv/],
    ['wrong-format', 'PAR1....', /got a Parquet file, expected CSV/, /data.format/],
    ['wrong-format', Buffer.from('PK\x03\x04abcd', 'latin1'), /ZIP archive/, /upload CSV/],
    ['wrong-format', asJsonLines(goodRows(3)), /looks like JSON/, /jsonl/],
    ['wrong-delimiter', good.replaceAll(',', ';'), /semicolons, expected commas/, /commas/],
    ['wrong-delimiter', good.replaceAll(',', '\t'), /tabs, expected commas/, /commas/],
    ['line-ends', good.replaceAll('\n', '\r'), /line 1 holds a carriage return/, /mac2unix/],
    ['no-header', good.slice(good.indexOf('\n') + 1), /no header/, /id,at,delay/],
    ['record-too-long', `${good}"${'x\n'.repeat(600_000)}`, /starts in line 22 is longer/, /quote/],
  ])('%s (case %#)', async (code, content, reason, advice) => {
    const { report, ...stored } = await rejected(inspectUpload(uploadOf(content), csv));
    expect(report).toMatchObject({
      code,
      reason: expect.stringMatching(reason),
      advice: expect.stringMatching(advice),
    });
    expect(stored.sha256).toBe(sha256(content));
    expect(rejectionReport.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);
  });

  test('CSV where JSON Lines are expected', async () => {
    const { report } = await rejected(inspectUpload(uploadOf(asCsv(goodRows(2))), jsonl));
    expect(report).toMatchObject({ code: 'wrong-format', reason: 'no line is a JSON object' });
  });
});

describe('quality', () => {
  const rows = [...goodRows(9), goodRow(9, { delay: 'x' })];

  test('bad rows within the tolerated share are told and left out of the profile', async () => {
    const settings = settingsOf('csv', { maximumBadRowShare: 0.1 });
    const upload = await accepted(inspectUpload(uploadOf(asCsv(rows)), settings));
    expect(upload).toMatchObject({ rows: 10, badRows: 1, profile: { rows: 9 } });
    expect(upload.violations.violations).toMatchObject([{ line: 11, column: 'delay', rule: 'type' }]);
  });

  test('one more is too many, and too few good rows are too few', async () => {
    const strict = await rejected(
      inspectUpload(uploadOf(asCsv(rows)), settingsOf('csv', { maximumBadRowShare: 0.09 })),
    );
    expect(strict.report).toMatchObject({ code: 'bad-rows', reason: expect.stringContaining('1 of 10 rows (10 %)') });
    const few = await rejected(
      inspectUpload(uploadOf(asCsv(rows)), settingsOf('csv', { maximumBadRowShare: 0.1, minimumRows: 10 })),
    );
    expect(few.report).toMatchObject({ code: 'too-few-rows', reason: 'got 9 good rows, expected at least 10' });
  });

  test('the first hundred violations are told, all are counted', async () => {
    const many = Array.from({ length: 250 }, (_, index) => goodRow(index, { delay: 'x', origin: 'SFO' }));
    const { report } = await rejected(inspectUpload(uploadOf(asCsv(many)), csv));
    expect(report.violations).toHaveLength(TOLD_VIOLATIONS);
    expect(report.counts).toEqual([
      { rule: 'type', column: 'delay', count: 250 },
      { rule: 'allowed-values', column: 'origin', count: 250 },
    ]);
    expect(report.omitted).toBe(400);
    expect(reportText(report)).toContain('and 400 more');
  });

  test('past the limit of remembered ids the result says that the check is not complete', async () => {
    const upload = uploadOf(asCsv([...goodRows(6), goodRow(5)]));
    const limited = await accepted(inspectUpload(upload, csv, { maximumIds: 3 }));
    expect(limited).toMatchObject({ rows: 7, idsComplete: false });
    await rejected(inspectUpload(upload, csv, { maximumIds: 6 }));
    await rejected(inspectUpload(uploadOf(asCsv([...goodRows(6), goodRow(1)])), csv, { maximumIds: 3 }));
  });
});

describe('Parquet', () => {
  const parquet = settingsOf('parquet');
  const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}.parquet`, import.meta.url));

  test.each(['snappy', 'zstd', 'gzip'])('rows of several row groups, compressed with %s', async (compression) => {
    const bytes = fixture(`good-${compression}`);
    const upload = await accepted(inspectUpload(uploadOf(bytes), parquet));
    expect(upload).toMatchObject({ rows: 60, badRows: 0, sha256: sha256(bytes) });
    const { columns } = summarizeProfile(upload.profile);
    const column = (name: string) => columns.find((one) => one.name === name);
    expect(column('hour')).toMatchObject({ missing: 6 });
    expect(column('delay')?.numbers).toMatchObject({ min: 0, max: 59 / 4, mean: 59 / 8 });
    expect(column('at')?.numbers).toMatchObject({ min: Date.UTC(2013, 0, 31, 5), max: Date.UTC(2013, 1, 2, 16) });
    expect(column('origin')?.frequent?.values).toHaveLength(3);
  });

  test.each(['plain', 'delta', 'dictionary'])('%s values, in pages of both versions', async (encoding) => {
    const read = async (name: string) => (await accepted(inspectUpload(uploadOf(fixture(name)), parquet))).profile;
    const expected = encodeProfile(await read('good-snappy'));
    for (const version of [1, 2]) expect(encodeProfile(await read(`${encoding}-pages-${version}`))).toBe(expected);
  });

  test('no byte is read twice after those that are hashed, but for the length of the footer', async () => {
    const source = uploadOf(fixture('good-snappy'));
    let bytes = 0;
    const read: ByteSource['read'] = (range) => {
      if (range) bytes += range.end - range.start;
      return source.read(range);
    };
    await accepted(inspectUpload({ ...source, read }, parquet));
    expect(bytes).toBeLessThanOrEqual(source.size + 8);
  });

  test('violations name the row, across row groups', async () => {
    const { report } = await rejected(inspectUpload(uploadOf(fixture('bad')), parquet));
    expect(report.violations.map((violation) => violationText(violation, report.position))).toEqual([
      'row 31, column delay: expected -120 to 2000, got 9999',
      "row 42, column origin: expected one of 'EWR', 'JFK', 'LGA', got 'SFO'",
    ]);
  });

  test('a schema without the label', async () => {
    const { report } = await rejected(inspectUpload(uploadOf(fixture('no-label')), parquet));
    expect(reportText(report)).toContain('schema, column late: expected the label');
  });

  test('a row group that would fill the memory is refused before it is read', async () => {
    const { report } = await rejected(inspectUpload(uploadOf(fixture('large-group')), parquet));
    expect(report).toMatchObject({ code: 'row-group-too-large', advice: expect.stringContaining('row_group_size') });
  });

  test('bytes that are not what was written: a file is taken or refused, whatever they are', async () => {
    const files = ['good-zstd', 'delta-pages-1', 'delta-pages-2', 'dictionary-pages-2', 'plain-pages-1'].map(fixture);
    const anyByte = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255));
    // Most of a small file is its footer.
    const changes = fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), anyByte), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...files), changes, async (file, bytes) => {
        const changed = Buffer.from(file);
        for (const [place, byte] of bytes) changed[Math.floor(place * changed.length)] = byte;
        const { outcome } = await inspectUpload(uploadOf(changed), parquet);
        expect(['accepted', 'rejected']).toContain(outcome);
      }),
      { numRuns: 2000 },
    );
  });

  test('cut off, or no Parquet at all', async () => {
    const bytes = fixture('good-snappy');
    const cut = await rejected(inspectUpload(uploadOf(bytes.subarray(0, bytes.length - 20)), parquet));
    expect(cut).toMatchObject({ report: { code: 'damaged-parquet' }, sha256: sha256(bytes.subarray(0, -20)) });
    const other = await rejected(inspectUpload(uploadOf(asCsv(goodRows(1))), parquet));
    expect(other.report.code).toBe('wrong-format');
  });
});

describe('a source that fails is no bad file: its error comes through', () => {
  const failing = (bytes: Uint8Array, failsAt: 'stream' | 'range'): ByteSource => ({
    size: bytes.length,
    async read(range) {
      return (async function* () {
        if (range && failsAt === 'range') throw new Error('connection lost');
        yield range ? bytes.subarray(range.start, range.end) : bytes.subarray(0, failsAt === 'range' ? undefined : 40);
        if (failsAt === 'stream') throw new Error('connection lost');
      })();
    },
  });
  const parquet = readFileSync(new URL('./fixtures/good-snappy.parquet', import.meta.url));

  test.each([
    ['CSV', failing(Buffer.from(asCsv(goodRows(3))), 'stream'), csv],
    ['gzip', failing(gzipSync(asCsv(goodRows(3))), 'stream'), csv],
    ['Parquet', failing(parquet, 'range'), settingsOf('parquet')],
  ])('%s', async (_, source, settings) => {
    await expect(inspectUpload(source, settings)).rejects.toThrow('connection lost');
  });
});
