/** Rows of a Parquet file, one row group at a time: memory is that of the largest row group's columns. */
import { type FileMetaData, parquetMetadataAsync, parquetScan, parquetSchema } from 'hyparquet';
import { type Columns, columnChecks } from './columns.ts';
import { checkNames } from './csv-reader.ts';
import { compressors } from './parquet-codecs.ts';
import { Refusal } from './report.ts';
import { RowPass } from './row-pass.ts';
import type { ByteSource } from './source.ts';
import type { Read } from './values.ts';

/**
 * Limits of one row group, which is decoded as a whole: about 35 bytes a value, measured on 15 million of 17 columns
 * (650 MiB), and its pages. pyarrow's default of 1,048,576 rows fits with up to 19 columns.
 */
const MAXIMUM_GROUP_VALUES = 20_000_000;
const MAXIMUM_GROUP_BYTES = 256 * 1024 ** 2;

/** Checks every row. Throws Refusal for a file that cannot be read; a failing source fails as it does. */
export async function readParquet(source: ByteSource, columns: Columns, maximumIds: number): Promise<RowPass> {
  const file = new RangeReader(source);
  const metadata = await file.reading(() => parquetMetadataAsync(file));
  const names = parquetSchema(metadata).children.map(({ element }) => element.name);
  const checks = columnChecks(columns).filter(({ name }) => names.includes(name));
  if (checks.length === 0) {
    throw new Refusal(
      'no-header',
      "the schema names none of the project's columns",
      'write the file with the columns of the project and upload it again',
    );
  }
  checkRowGroups(metadata, checks.length);
  const pass = new RowPass(checks, maximumIds);
  checkNames(names, 0, columns, pass);
  const scan = await file.reading(() => parquetScan({ file, metadata, compressors, useOffsetIndex: false }));
  const values = new Array<Read>(checks.length).fill(null);
  for (const { rowStart, rowEnd } of scan.ranges) {
    const group = await file.reading(() =>
      Promise.all(checks.map(({ name }) => scan.readColumn({ column: name, rowStart, rowEnd }))),
    );
    let row = 0;
    const rawAt = (check: number): unknown => group[check]?.[row];
    for (row = 0; row < rowEnd - rowStart; row++) {
      for (let index = 0; index < checks.length; index++) values[index] = checks[index]?.readNative(rawAt(index));
      pass.addRow(rowStart + row + 1, values, rawAt);
    }
  }
  return pass;
}

function checkRowGroups(metadata: FileMetaData, columns: number): void {
  for (const { num_rows, total_byte_size } of metadata.row_groups) {
    const values = Number(num_rows) * columns;
    const mebibytes = Math.ceil(Number(total_byte_size) / 1024 ** 2);
    if (values <= MAXIMUM_GROUP_VALUES && Number(total_byte_size) <= MAXIMUM_GROUP_BYTES) continue;
    throw new Refusal(
      'row-group-too-large',
      `a row group has ${values} values in the project's columns and ${mebibytes} MiB, expected at most ${MAXIMUM_GROUP_VALUES} and ${MAXIMUM_GROUP_BYTES / 1024 ** 2}`,
      'write the file with smaller row groups (pyarrow: `row_group_size=100_000`) and upload it again',
    );
  }
}

/** hyparquet's file: ranges of the source. It tells a source that fails from a file that is damaged. */
class RangeReader {
  readonly byteLength: number;
  readonly #source: ByteSource;
  #failure: { readonly error: unknown } | undefined;

  constructor(source: ByteSource) {
    this.#source = source;
    this.byteLength = source.size;
  }

  async slice(start: number, end = this.byteLength): Promise<ArrayBuffer> {
    const target = new Uint8Array(end - start);
    let filled = 0;
    try {
      for await (const chunk of await this.#source.read({ start, end })) {
        target.set(chunk, filled);
        filled += chunk.length;
      }
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
    return target.buffer;
  }

  async reading<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (this.#failure) throw this.#failure.error;
      if (!(error instanceof Error)) throw error;
      throw new Refusal(
        'damaged-parquet',
        'the Parquet file is damaged or cut off, or uses a feature that cannot be read',
        `write the file again and upload it again (the reader says: ${error.message.slice(0, 200)})`,
      );
    }
  }
}
