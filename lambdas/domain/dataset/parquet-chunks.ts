/** Where the columns of each row group are and what they are, from a footer that may lie: all that can be known without a page. */
import { type FileMetaData, parquetSchema, type RowGroup, type SchemaTree } from 'hyparquet';
import { uploadLimits } from '../../contract/limits.ts';
import type { ColumnCheck } from './columns.ts';
import { DamagedParquet } from './parquet-bytes.ts';
import type { ChunkFacts } from './parquet-pages.ts';
import { Refusal } from './report.ts';

/** By the first row of a row group: its columns by their range in the file. */
export type Chunks = ReadonlyMap<number, ReadonlyMap<string, ChunkFacts>>;

export const rangeKey = (start: number, end: number): string => `${start}-${end}`;

/** @throws Refusal for a limit or a column that holds no plain values, DamagedParquet for claims that cannot be */
export function chunksOf(metadata: FileMetaData, checks: readonly ColumnCheck[]): Chunks {
  const leaves = new Map(parquetSchema(metadata).children.map((child) => [child.element.name, child]));
  for (const { name } of checks) checkLeaf(name, leaves.get(name));
  const byFirstRow = new Map<number, ReadonlyMap<string, ChunkFacts>>();
  const taken: [number, number][] = [];
  let firstRow = 0;
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows);
    if (!Number.isSafeInteger(rows) || rows < 0) throw new DamagedParquet(`a row group of ${rows} rows`);
    checkSize(group, rows, checks.length);
    if (rows > 0) byFirstRow.set(firstRow, groupChunks(group, rows, checks, leaves, taken));
    firstRow += rows;
  }
  checkOverlap(taken);
  return byFirstRow;
}

function groupChunks(
  group: RowGroup,
  rows: number,
  checks: readonly ColumnCheck[],
  leaves: ReadonlyMap<string, SchemaTree>,
  taken: [number, number][],
): ReadonlyMap<string, ChunkFacts> {
  const chunks = new Map<string, ChunkFacts>();
  const wanted = new Set(checks.map(({ name }) => name));
  for (const { meta_data: meta } of group.columns) {
    const [column, ...deeper] = meta?.path_in_schema ?? [];
    if (!meta || column === undefined || !wanted.has(column)) continue;
    const element = leaves.get(column)?.element;
    // Taken once: a second chunk of a column has no place in the row.
    if (deeper.length > 0 || !wanted.delete(column) || element?.type !== meta.type)
      throw new DamagedParquet('a row group has other columns than the schema');
    const start = Number(meta.dictionary_page_offset || meta.data_page_offset);
    const end = start + Number(meta.total_compressed_size);
    taken.push([start, end]);
    chunks.set(rangeKey(start, end), {
      column,
      rows,
      type: meta.type,
      typeLength: element.type_length,
      isNullable: element.repetition_type !== 'REQUIRED',
      isDecimal: element.converted_type === 'DECIMAL',
      codec: meta.codec,
    });
  }
  if (wanted.size > 0) throw new DamagedParquet('a row group lacks columns of the schema');
  return chunks;
}

/** The same bytes under two names would be read as often as the footer likes. */
function checkOverlap(taken: [number, number][]): void {
  taken.sort(([a], [b]) => a - b);
  taken.forEach(([start], index) => {
    if (start < (taken[index - 1]?.[1] ?? 0)) throw new DamagedParquet('two columns share bytes of the file');
  });
}

/** Lists, maps and structs are no values of any column type, and cost most to put together. */
function checkLeaf(name: string, leaf: SchemaTree | undefined): void {
  const kind = leaf?.element.logical_type?.type ?? leaf?.element.converted_type;
  const isPlain = leaf?.children.length === 0 && leaf.element.repetition_type !== 'REPEATED';
  if (isPlain && kind !== 'GEOMETRY' && kind !== 'GEOGRAPHY' && kind !== 'VARIANT') {
    checkKind(name, leaf);
    return;
  }
  throw new Refusal(
    'nested-column',
    `column ${name} holds lists, structs or shapes, expected one plain value a row`,
    'write it as columns of plain values, or leave the column out of the project (role `ignore`)',
  );
}

/**
 * Kinds that Parquet's readers make different values of: hyparquet numbers and parsed JSON, Arrow times of day, bytes, texts.
 * A fixed length without a kind is bytes.
 */
function checkKind(name: string, { element }: SchemaTree): void {
  const kinds = [element.logical_type?.type, element.converted_type].filter((kind) => kind !== undefined);
  const isBytes = element.type === 'FIXED_LEN_BYTE_ARRAY' && !kinds.some((kind) => FIXED_NUMBERS.has(kind));
  const kind = kinds.find((each) => UNREAD_KINDS.test(each)) ?? (isBytes ? 'bytes' : undefined);
  if (kind === undefined) return;
  throw new Refusal(
    'column-kind',
    `column ${name} holds values of the Parquet kind ${kind}, which no column type reads`,
    'write it as numbers, texts or timestamps, or leave the column out of the project (role `ignore`)',
  );
}

const UNREAD_KINDS = /^(TIME|TIME_MILLIS|TIME_MICROS|INTERVAL|JSON|BSON|UUID)$/;
const FIXED_NUMBERS: ReadonlySet<string> = new Set(['DECIMAL', 'FLOAT16']);

/** By what the footer says; the pages are counted as they come. */
function checkSize({ total_byte_size }: RowGroup, rows: number, columns: number): void {
  const { rowGroupValues, rowGroupBytes } = uploadLimits;
  const values = rows * columns;
  const mebibytes = Math.ceil(Number(total_byte_size) / 1024 ** 2);
  if (values <= rowGroupValues && Number(total_byte_size) <= rowGroupBytes) return;
  throw new Refusal(
    'row-group-too-large',
    `a row group has ${values} values in the project's columns and ${mebibytes} MiB, expected at most ${rowGroupValues} and ${rowGroupBytes / 1024 ** 2}`,
    'write the file with smaller row groups (pyarrow: `row_group_size=100_000`) and upload it again',
  );
}
