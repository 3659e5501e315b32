/**
 * Checks the pages of one column of one row group before they are decoded: what they claim (values, lengths, runs) against
 * what they hold and what the row group may cost. Only then does hyparquet, which believes what it reads, decode them.
 *
 *     chunk ──▶ header ──▶ decompress ──▶ levels, runs, lengths ──▶ the decompressed page, kept for hyparquet
 */
import type { CompressionCodec } from 'hyparquet';
import { uploadLimits } from '../../contract/limits.ts';
import { ByteReader, DamagedParquet } from './parquet-bytes.ts';
import { compressors } from './parquet-codecs.ts';
import { checkRuns, readDeltas } from './parquet-runs.ts';
import { checkPlainText, checkPrefixedText, checkTexts } from './parquet-texts.ts';
import { Refusal } from './report.ts';
import { checkStruct } from './thrift.ts';

/** What the footer says of a column of a row group. */
export interface ChunkFacts {
  readonly column: string;
  readonly rows: number;
  readonly type: string;
  /** Of FIXED_LEN_BYTE_ARRAY. */
  readonly typeLength: number | undefined;
  readonly isNullable: boolean;
  /** Read digit by digit, in a time that grows with the square of their length. */
  readonly isDecimal: boolean;
  readonly codec: CompressionCodec;
}

/** Decompressed pages by the place of their compressed bytes in the chunk's buffer. */
export type Pages = Map<number, Uint8Array>;

/** 38 digits and a sign, the longest that Arrow and Spark have, twice over. */
const DECIMAL_BYTES = 32;

interface PageHeader {
  readonly type: number;
  readonly uncompressed: number;
  readonly compressed: number;
  readonly values: number;
  readonly encoding: number;
  /** Of a data page of version 2, whose levels are never compressed. */
  readonly nulls: number;
  readonly definitionBytes: number;
  readonly repetitionBytes: number;
  readonly isCompressed: boolean;
}

const DATA = 0;
const DICTIONARY = 2;
const DATA_V2 = 3;

/** @throws DamagedParquet, or Refusal for a limit */
export function checkChunk(chunk: Uint8Array, facts: ChunkFacts, spendBytes: (bytes: number) => void): Pages {
  const pages: Pages = new Map();
  let at = 0;
  let rows = 0;
  // As hyparquet ends: when the rows are there, or no page can follow.
  while (rows < facts.rows && at < chunk.length - 1) {
    const { header, end } = readHeader(chunk, at);
    if (header.compressed < 0 || header.uncompressed < 0 || header.compressed > chunk.length - end)
      throw new DamagedParquet('a page is longer than its column');
    spendBytes(header.uncompressed);
    const stored = chunk.subarray(end, end + header.compressed);
    if (header.type === DICTIONARY) checkDictionary(open(stored, header.uncompressed, facts, pages), header, facts);
    else if (header.type === DATA || header.type === DATA_V2) {
      if (header.values < 0 || header.values > facts.rows - rows)
        throw new DamagedParquet('a page has more values than its row group has rows');
      checkValueCount(header.values, facts);
      if (header.type === DATA) checkData(open(stored, header.uncompressed, facts, pages), header, facts);
      else checkDataV2(stored, header, facts, pages);
      rows += header.values;
    } else throw new DamagedParquet(`a page of kind ${header.type}`);
    at = end + header.compressed;
  }
  if (rows < facts.rows) throw new DamagedParquet(`${rows} values where the footer says ${facts.rows} rows`);
  return pages;
}

function readHeader(chunk: Uint8Array, at: number): { header: PageHeader; end: number } {
  const numbers = new Map<string, number>();
  const end = checkStruct(chunk, at, (path, value) => {
    // Of two, readers take one or the other.
    if (numbers.has(path)) throw new DamagedParquet('a page header has a field twice');
    numbers.set(path, value);
  });
  const type = numbers.get('1') ?? -1;
  const place = type === DICTIONARY ? '7' : type === DATA_V2 ? '8' : '5';
  // Absent is as bad as negative.
  const of = (path: string) => numbers.get(path) ?? -1;
  return {
    header: {
      type,
      uncompressed: of('2'),
      compressed: of('3'),
      values: of(`${place}.1`),
      encoding: of(`${place}.${type === DATA_V2 ? 4 : 2}`),
      nulls: of('8.2'),
      definitionBytes: of('8.5'),
      repetitionBytes: of('8.6'),
      isCompressed: numbers.get('8.7') !== 0,
    },
    end,
  };
}

/** Decompresses a page and keeps it for the decoder. */
function open(stored: Uint8Array, length: number, { codec }: ChunkFacts, pages: Pages): Uint8Array {
  if (codec === 'UNCOMPRESSED') return stored;
  const decompress = compressors[codec];
  if (!decompress) throw new DamagedParquet(`codec ${codec} is not supported`);
  const page = decompress(stored, length);
  if (page.length !== length) throw new DamagedParquet('a page has another length than its header says');
  pages.set(stored.byteOffset, page);
  return page;
}

function checkDictionary(page: Uint8Array, { values }: PageHeader, facts: ChunkFacts): void {
  if (values < 0 || values > 8 * page.length) throw new DamagedParquet('a dictionary has more values than bytes');
  checkValueCount(values, facts);
  checkPlain(new ByteReader(page), values, facts);
}

function checkData(page: Uint8Array, header: PageHeader, facts: ChunkFacts): void {
  const bytes = new ByteReader(page);
  let present = header.values;
  if (facts.isNullable) {
    const length = bytes.length32();
    bytes.need(length);
    const start = bytes.at;
    present = checkRuns(bytes, 1, header.values);
    bytes.at = start + length;
  }
  checkValues(bytes, header, present, facts);
}

function checkDataV2(stored: Uint8Array, header: PageHeader, facts: ChunkFacts, pages: Pages): void {
  const { repetitionBytes, definitionBytes, values, nulls } = header;
  const levels = repetitionBytes + definitionBytes;
  if (repetitionBytes !== 0 || definitionBytes < 0 || levels > Math.min(stored.length, header.uncompressed))
    throw new DamagedParquet('a page has longer levels than bytes');
  if (nulls < 0 || nulls > values) throw new DamagedParquet('a page has more nulls than values');
  if (facts.isNullable) checkRuns(new ByteReader(stored.subarray(0, levels)), 1, values);
  // hyparquet starts to read the values where the definition levels end, and without them at the repetition levels' end.
  const content = stored.subarray(facts.isNullable ? levels : repetitionBytes);
  const length = header.uncompressed - levels;
  const page = header.isCompressed ? open(content, length, facts, pages) : content;
  checkValues(new ByteReader(page), header, values - nulls, facts);
}

/** The values of a data page, by their encoding. */
function checkValues(bytes: ByteReader, { type, encoding }: PageHeader, count: number, facts: ChunkFacts): void {
  const isBoolean = facts.type === 'BOOLEAN';
  if (encoding === PLAIN) checkPlain(bytes, count, facts);
  else if (encoding === RUNS || (isBoolean && type === DATA && isDictionary(encoding))) {
    if (!isBoolean) throw new DamagedParquet('runs of values that are no booleans');
    bytes.length32();
    checkRuns(bytes, 1, count);
  } else if (isDictionary(encoding)) {
    const width = bytes.byte();
    // Width 0, a dictionary of one value: in version 1 no run is read.
    if (width > 0 || type === DATA_V2) checkRuns(bytes, width, count);
  } else if (encoding === DELTA) readDeltas(bytes, count, false);
  else if (encoding === DELTA_LENGTHS) {
    const lengths = readDeltas(bytes, count, true);
    for (const length of lengths) checkLength(length, facts);
    if (isText(facts)) checkTexts(bytes, lengths, facts.column);
  } else if (encoding === DELTA_PREFIXES) checkPrefixed(bytes, count, facts);
  else if (encoding === SPLIT) bytes.need(count * fixedLength(facts));
  else throw new DamagedParquet(`encoding ${encoding} is not supported`);
}

const PLAIN = 0;
const RUNS = 3;
const DELTA = 5;
const DELTA_LENGTHS = 6;
const DELTA_PREFIXES = 7;
const SPLIT = 9;
const isDictionary = (encoding: number): boolean => encoding === 2 || encoding === 8;

function checkPlain(bytes: ByteReader, count: number, facts: ChunkFacts): void {
  if (facts.type === 'BOOLEAN') bytes.need(Math.ceil(count / 8));
  else if (facts.type === 'BYTE_ARRAY') {
    const start = bytes.at;
    for (let value = 0; value < count; value++) {
      const length = bytes.length32();
      // First: a length that is not even in the page is a damaged file, not a long value.
      bytes.skip(length);
      checkLength(length, facts);
    }
    if (isText(facts)) checkPlainText(bytes, start, count, facts.column);
  } else {
    if (facts.type === 'FIXED_LEN_BYTE_ARRAY') checkLength(fixedLength(facts), facts);
    bytes.need(count * fixedLength(facts));
  }
}

/** Each value repeats the beginning of the one before: few bytes may stand for many. */
function checkPrefixed(bytes: ByteReader, count: number, facts: ChunkFacts): void {
  const prefixes = readDeltas(bytes, count, true);
  const suffixes = readDeltas(bytes, count, true);
  let total = 0;
  for (let value = 0; value < count; value++) {
    const length = (prefixes[value] ?? 0) + (suffixes[value] ?? 0);
    checkLength(length, facts);
    total += length;
    if (total > uploadLimits.rowGroupBytes) throw tooLarge(facts.column);
  }
  if (isText(facts)) checkPrefixedText(bytes, prefixes, suffixes, facts.column);
}

const isText = ({ type, isDecimal }: ChunkFacts): boolean => type === 'BYTE_ARRAY' && !isDecimal;

const widths: Readonly<Record<string, number>> = { INT32: 4, FLOAT: 4, INT64: 8, DOUBLE: 8, INT96: 12 };

function fixedLength({ type, typeLength }: ChunkFacts): number {
  const width = widths[type] ?? typeLength ?? 0;
  if (width <= 0) throw new DamagedParquet('a fixed length that is none');
  return width;
}

function checkLength(bytes: number, { column, isDecimal }: ChunkFacts): void {
  if (bytes < 0) throw new DamagedParquet('a value of a negative length');
  // A character has at most four bytes: the exact limit, in characters, is that of the column's rule.
  const most = isDecimal ? DECIMAL_BYTES : 4 * uploadLimits.textCharacters;
  if (bytes <= most) return;
  throw new Refusal(
    'value-too-long',
    `column ${column} holds a value of ${bytes} bytes, expected at most ${most}`,
    'shorten the value, or leave the column out of the project (role `ignore`)',
  );
}

/** Bytes say little of memory: ten thousand of them may be twenty million texts. */
function checkValueCount(values: number, { column }: ChunkFacts): void {
  if (values <= uploadLimits.pageValues) return;
  throw new Refusal(
    'page-too-large',
    `a page of column ${column} has ${values} values, expected at most ${uploadLimits.pageValues}`,
    'write the file with smaller pages (pyarrow: `data_page_size`, 1 MiB by default) or row groups and upload it again',
  );
}

export function tooLarge(column: string): Refusal {
  return new Refusal(
    'row-group-too-large',
    `the pages of a row group have more than ${uploadLimits.rowGroupBytes} bytes when they are decompressed, in column ${column} at the latest`,
    'write the file with smaller row groups (pyarrow: `row_group_size=100_000`) and upload it again',
  );
}
