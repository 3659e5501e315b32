/**
 * Rows of a Parquet file, one row group at a time: memory is that of the largest row group's columns. Footer and pages are
 * checked before they are decoded (`thrift.ts`, `parquet-chunks.ts`, `parquet-pages.ts`).
 */
import {
  type Compressors,
  type FileMetaData,
  type ParquetScan,
  parquetMetadata,
  parquetScan,
  parquetSchema,
} from 'hyparquet';
import { uploadLimits } from '../../contract/limits.ts';
import type { InspectionBudget } from './budget.ts';
import { type ColumnCheck, type Columns, columnChecks } from './columns.ts';
import { checkNames } from './csv-reader.ts';
import { DamagedParquet } from './parquet-bytes.ts';
import { type Chunks, chunksOf, rangeKey } from './parquet-chunks.ts';
import { compressors } from './parquet-codecs.ts';
import { type ChunkFacts, checkChunk, type Pages, tooLarge } from './parquet-pages.ts';
import { Refusal, tooManyColumns } from './report.ts';
import { RowPass } from './row-pass.ts';
import type { ByteSource } from './source.ts';
import { checkStruct } from './thrift.ts';
import type { Read } from './values.ts';

/** Checks every row. Throws Refusal for a file that cannot be read; a failing source fails as it does. */
export async function readParquet(
  source: ByteSource,
  columns: Columns,
  maximumIds: number,
  budget: InspectionBudget,
): Promise<RowPass> {
  const file = new RangeReader(source);
  const metadata = await file.reading(() => readFooter(file));
  const names = await file.reading(async () => namesOf(metadata));
  if (names.length > uploadLimits.columns) throw tooManyColumns(names.length);
  const checks = columnChecks(columns).filter(({ name }) => names.includes(name));
  if (checks.length === 0) {
    throw new Refusal(
      'no-header',
      "the schema names none of the project's columns",
      'write the file with the columns of the project and upload it again',
    );
  }
  const pass = new RowPass(checks, maximumIds, budget);
  checkNames(names, 0, columns, pass);
  // Two columns of one name are told as such, and not read: which of them would it be?
  if (pass.log.count('duplicate-column') > 0) return pass;
  const chunks = await file.reading(async () => chunksOf(metadata, checks));
  const scan = await file.reading(() =>
    parquetScan({ file, metadata, compressors: file.checkedPages(), useOffsetIndex: false }),
  );
  await readGroups(scan, chunks, { file, checks, pass, budget });
  return pass;
}

function namesOf(metadata: FileMetaData): string[] {
  return parquetSchema(metadata).children.map(({ element }): string => {
    // The footer decides, whatever the types say.
    if (typeof element.name !== 'string') throw new DamagedParquet('a column without a name');
    return element.name;
  });
}

async function readGroups(
  scan: ParquetScan,
  chunks: Chunks,
  to: { file: RangeReader; checks: readonly ColumnCheck[]; pass: RowPass; budget: InspectionBudget },
): Promise<void> {
  const { file, checks, pass, budget } = to;
  const values = new Array<Read>(checks.length).fill(null);
  for (const { rowStart, rowEnd } of scan.ranges) {
    file.expect(chunks.get(rowStart) ?? new Map(), budget);
    const group = await file.reading(() =>
      Promise.all(checks.map(({ name }) => scan.readColumn({ column: name, rowStart, rowEnd }))),
    );
    let row = 0;
    const rawAt = (check: number): unknown => group[check]?.[row];
    for (row = 0; row < rowEnd - rowStart; row++) {
      let bytes = 0;
      for (let index = 0; index < checks.length; index++) {
        const value = checks[index]?.readNative(rawAt(index));
        if (typeof value === 'string') bytes += Buffer.byteLength(value);
        values[index] = value;
      }
      budget.decode(bytes);
      pass.addRow(rowStart + row + 1, values, rawAt);
    }
  }
}

/** The footer, checked byte by byte before anything is built from it. */
async function readFooter(file: RangeReader): Promise<FileMetaData> {
  if (file.byteLength < 12) throw new DamagedParquet('the file is too short');
  const length = new DataView(await file.slice(file.byteLength - 8)).getUint32(0, true);
  if (length > file.byteLength - 12) throw new DamagedParquet('the footer is longer than the file');
  if (length > uploadLimits.footerBytes) {
    throw new Refusal(
      'footer-too-large',
      `the footer has ${length} bytes, expected at most ${uploadLimits.footerBytes}`,
      'write the file with larger row groups (pyarrow: `row_group_size=100_000`) or fewer columns and upload it again',
    );
  }
  const footer = await file.slice(file.byteLength - 8 - length);
  checkStruct(new Uint8Array(footer, 0, length), 0);
  return parquetMetadata(footer, { geoparquet: false });
}

/** hyparquet's file: ranges of the source. It tells a source that fails from a file that is damaged. */
class RangeReader {
  readonly byteLength: number;
  readonly #source: ByteSource;
  #failure: { readonly error: unknown } | undefined;
  #expected: { readonly chunks: ReadonlyMap<string, ChunkFacts>; readonly budget: InspectionBudget } | undefined;
  #groupBytes = 0;
  readonly #pages = new WeakMap<ArrayBufferLike, Pages>();

  constructor(source: ByteSource) {
    this.#source = source;
    this.byteLength = source.size;
  }

  /** From now on only these ranges are read, the columns of one row group, and their pages are checked as they come. */
  expect(chunks: ReadonlyMap<string, ChunkFacts>, budget: InspectionBudget): void {
    this.#expected = { chunks, budget };
    this.#groupBytes = 0;
  }

  /** Decompressors that know the checked pages alone. */
  checkedPages(): Compressors {
    const take = (stored: Uint8Array): Uint8Array => {
      const pages = this.#pages.get(stored.buffer);
      const page = pages?.get(stored.byteOffset);
      if (!page) throw new DamagedParquet('a page that no header announced');
      pages?.delete(stored.byteOffset);
      return page;
    };
    return Object.fromEntries(Object.keys(compressors).map((codec) => [codec, take]));
  }

  slice(start: number, end = this.byteLength): Promise<ArrayBuffer> {
    const bytes = this.#slice(start, end);
    // hyparquet asks for ranges before it needs them. Where it has given up by then, nobody hears of a failure, and Node
    // ends the process for a promise that was rejected unheard.
    bytes.catch(() => undefined);
    return bytes;
  }

  async #slice(start: number, end: number): Promise<ArrayBuffer> {
    if (!(start >= 0 && start <= end && end <= this.byteLength))
      throw new DamagedParquet('the footer points out of the file');
    const target = await this.#fetch(start, end);
    if (this.#expected) this.#check(target, start, end, this.#expected);
    return target.buffer;
  }

  #check(
    chunk: Uint8Array<ArrayBuffer>,
    start: number,
    end: number,
    { chunks, budget }: { chunks: ReadonlyMap<string, ChunkFacts>; budget: InspectionBudget },
  ): void {
    const facts = chunks.get(rangeKey(start, end));
    if (!facts) throw new DamagedParquet('a range that is no column');
    budget.look();
    const pages = checkChunk(chunk, facts, (bytes) => {
      this.#groupBytes += bytes;
      if (this.#groupBytes > uploadLimits.rowGroupBytes) throw tooLarge(facts.column);
    });
    this.#pages.set(chunk.buffer, pages);
    budget.look();
  }

  async #fetch(start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
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
    return target;
  }

  async reading<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (this.#failure) throw this.#failure.error;
      if (error instanceof Refusal) throw error;
      if (!(error instanceof Error)) throw error;
      throw new Refusal(
        'damaged-parquet',
        'the Parquet file is damaged or cut off, or uses a feature that cannot be read',
        `write the file again and upload it again (the reader says: ${error.message.slice(0, 200)})`,
      );
    }
  }
}
