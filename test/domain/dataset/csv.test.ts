/** The splitter against the rows that were written, against csv-parse, and at every chunk boundary. */
import { parse } from 'csv-parse/sync';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { CsvSplitter, MAXIMUM_RECORD, RecordTooLong } from '../../../lambdas/domain/dataset/csv.ts';
import { forAll } from '../for-all.ts';
import { csvText, csvTexts, cuts } from './samples.ts';

interface Split {
  records: { fields: string[]; line: number }[];
  broken: number[];
}

function splitChunks(chunks: readonly string[]): Split {
  const split: Split = { records: [], broken: [] };
  const splitter = new CsvSplitter({
    record: (fields, line) => split.records.push({ fields, line }),
    broken: (line) => split.broken.push(line),
  });
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return split;
}

test('rows written as CSV, quoted at random, with any line ends, are read back with their lines', () => {
  forAll(csvTexts, ({ rows, text, lines }) => {
    const { records, broken } = splitChunks([text]);
    expect(broken).toEqual([]);
    expect(records.map(({ fields }) => fields)).toEqual(rows);
    expect(records.map(({ line }) => line)).toEqual(lines);
  });
});

test('chunk boundaries never change what is read, in good text and in junk', () => {
  const junk = fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', 'a', ' '), maxLength: 40 });
  const texts = fc.oneof(
    csvTexts.map(({ text }) => text),
    junk,
  );
  forAll(fc.tuple(texts, cuts), ([text, cut]) => {
    expect(splitChunks(cut(text))).toEqual(splitChunks([text]));
  });
});

test('csv-parse reads the same fields', () => {
  forAll(csvTexts, ({ text }) => {
    const theirs = z
      .array(z.array(z.string()))
      .parse(parse(text, { recordDelimiter: ['\n', '\r\n'], skipEmptyLines: true }));
    expect(splitChunks([text]).records.map(({ fields }) => fields)).toEqual(theirs);
  });
});

test.each([
  ['text after a closing quote', 'a,b\n"x"y,1\nc,2\n', [2]],
  ['a quote inside a plain field', 'a,b\n5" disk,1\nc,2\n', [2]],
  ['a quote that is never closed', 'a,b\nc,2\n"x,1\n', [3]],
])('%s breaks its line alone', (_, text, broken) => {
  const split = splitChunks([text]);
  expect(split.broken).toEqual(broken);
  expect(split.records.map(({ fields }) => fields)).toContainEqual(['c', '2']);
});

test('a quote that is never closed ends the pass, whole or in chunks, before it fills the memory', () => {
  const text = `a,b\n"x${',1\n'.repeat(MAXIMUM_RECORD / 2)}`;
  const chunks = Array.from({ length: Math.ceil(text.length / 65_536) }, (_, index) =>
    text.slice(index * 65_536, (index + 1) * 65_536),
  );
  for (const parts of [[text], chunks]) {
    expect(() => splitChunks(parts)).toThrow(expect.objectContaining({ line: 2 }));
    expect(() => splitChunks(parts)).toThrow(RecordTooLong);
  }
});

test('a text without a line end at its end is complete', () => {
  expect(splitChunks([csvText([['a'], ['b']]).text.trimEnd()]).records).toHaveLength(2);
});
