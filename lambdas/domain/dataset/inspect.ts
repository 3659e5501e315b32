/**
 * One streaming pass over an upload: SHA-256, column rules, profile. Memory does not grow with the file, but for the ids
 * (`duplicate-ids.ts`) and, in Parquet, with the largest row group.
 *
 *     source ──▶ hash ──▶ gunzip? ──▶ text ──▶ records ──▶ rules ──▶ profile
 *                                                            └─────▶ violations
 */

import { uploadLimits } from '../../contract/limits.ts';
import type { ColumnSettings, dataSettings } from '../../contract/settings.ts';
import { type Clock, InspectionBudget } from './budget.ts';
import { CsvReader } from './csv-reader.ts';
import { MAXIMUM_IDS } from './duplicate-ids.ts';
import { JsonLinesReader } from './json-lines-reader.ts';
import { readParquet } from './parquet-reader.ts';
import type { Profile } from './profile.ts';
import { Refusal, type RejectionReport, reportOn } from './report.ts';
import { RowPass } from './row-pass.ts';
import { type ByteSource, gunzipped, HashedBytes, HEAD_BYTES, isGzip, isParquet, recognize } from './source.ts';
import { TextBlocks, type TextReader } from './text-blocks.ts';

/** The part of a project's data settings that the pass needs. */
export interface UploadSettings {
  readonly format: (typeof dataSettings.shape.format.options)[number];
  readonly columns: Readonly<Record<string, ColumnSettings>>;
  readonly quality: { readonly maximumBadRowShare: number; readonly minimumRows: number };
}

export interface InspectOptions {
  /**
   * Ids that are remembered to find duplicates, 12 bytes of memory each (16 to 32 with the table's free slots). Ids past
   * the limit are compared with the remembered ones only, and the result says so (`idsComplete`).
   *
   * @default 12 million
   */
  readonly maximumIds?: number;
  /**
   * Limits the time to what the file's size has paid for (`inspectionSeconds`).
   *
   * @default - no limit
   */
  readonly clock?: Clock;
  /**
   * Seconds that are left of a longer work.
   *
   * @default - no limit but that of the file's size
   */
  readonly seconds?: number;
}

export interface AcceptedUpload {
  readonly outcome: 'accepted';
  /** Of the stored bytes, hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
  /** All rows, and those among them that break a rule and are tolerated. */
  readonly rows: number;
  readonly badRows: number;
  /** Of the good rows. */
  readonly profile: Profile;
  readonly violations: Pick<RejectionReport, 'counts' | 'violations' | 'omitted'>;
  /** False when there were more ids than are remembered, so that a duplicate may have been missed. */
  readonly idsComplete: boolean;
}

export interface RejectedUpload {
  readonly outcome: 'rejected';
  /** Of the stored bytes, hexadecimal; `unread-<bytes>` for a file that is too large to be read. */
  readonly sha256: string;
  readonly bytes: number;
  readonly report: RejectionReport;
}

export type Inspection = AcceptedUpload | RejectedUpload;

/**
 * Reads an upload to its end and judges it. A file that cannot be read is a rejection; a source that fails is an error,
 * thrown as it came.
 */
export async function inspectUpload(
  source: ByteSource,
  settings: UploadSettings,
  options: InspectOptions = {},
): Promise<Inspection> {
  if (source.size > uploadLimits.storedBytes) return tooLarge(source.size, settings.format);
  const bytes = new HashedBytes(await source.read());
  const budget = new InspectionBudget(source.size, options.clock, options.seconds);
  const read = await readRows(source, bytes, settings, options.maximumIds ?? MAXIMUM_IDS, budget).catch(asRefusal);
  await bytes.drain();
  const stored = { sha256: bytes.sha256(), bytes: bytes.bytes };
  const rejection = read instanceof Refusal ? read : judge(read, settings);
  const pass = read instanceof RowPass ? read : undefined;
  if (rejection || !pass) {
    return { outcome: 'rejected', ...stored, report: reportOn(rejection ?? empty(), settings.format, pass) };
  }
  return {
    outcome: 'accepted',
    ...stored,
    rows: pass.rows,
    badRows: pass.badRows,
    profile: pass.profile(),
    violations: pass.log.summary(),
    idsComplete: pass.ids.isComplete,
  };
}

/** Not even read: a name stands for the hash of its bytes. */
function tooLarge(bytes: number, format: UploadSettings['format']): RejectedUpload {
  const refusal = new Refusal(
    'stored-size',
    `the file has ${bytes} bytes, expected at most ${uploadLimits.storedBytes}`,
    'split it into smaller files and upload these',
  );
  return { outcome: 'rejected', sha256: `unread-${bytes}`, bytes, report: reportOn(refusal, format, undefined) };
}

function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  throw error;
}

/** Undefined for a file without a line. */
async function readRows(
  source: ByteSource,
  bytes: HashedBytes,
  { format, columns }: UploadSettings,
  maximumIds: number,
  budget: InspectionBudget,
): Promise<RowPass | undefined> {
  const head = await bytes.head(HEAD_BYTES);
  if (head.length === 0) throw empty();
  checkFormat(head, format);
  if (format === 'parquet') {
    await bytes.drain();
    return readParquet(source, columns, maximumIds, budget);
  }
  const Reader = format === 'csv' ? CsvReader : JsonLinesReader;
  const reader = new Reader(columns, maximumIds, budget);
  await readText(isGzip(head) ? gunzipped(bytes) : bytes, reader, budget);
  return reader.pass;
}

/**
 * Content is read to its end though its text was refused: a gzip file that is damaged is refused as such, wherever its
 * bytes were parted. Only the budget ends it before.
 */
async function readText(
  content: AsyncIterable<Uint8Array>,
  reader: TextReader,
  budget: InspectionBudget,
): Promise<void> {
  const blocks = new TextBlocks(reader);
  let refusal: Refusal | undefined;
  const attempt = (read: () => void) => {
    try {
      if (!refusal) read();
    } catch (error) {
      refusal = asRefusal(error);
    }
  };
  for await (const chunk of content) {
    attempt(() => blocks.push(chunk));
    try {
      budget.expand(chunk.length);
      budget.look();
    } catch (error) {
      throw refusal ?? error;
    }
  }
  attempt(() => blocks.end());
  if (refusal) throw refusal;
}

function checkFormat(head: Buffer, format: UploadSettings['format']): void {
  if (format === 'parquet') {
    if (isParquet(head)) return;
    const got = isGzip(head) ? 'a gzip file' : (recognize(head) ?? 'a file of another kind');
    throw new Refusal(
      'wrong-format',
      `got ${got}, expected a Parquet file`,
      "upload Parquet, or change the project's data.format",
    );
  }
  const got = recognize(head);
  if (got === undefined) return;
  const expected = format === 'csv' ? 'CSV' : 'JSON Lines';
  throw new Refusal(
    got === 'UTF-16 text' ? 'encoding' : 'wrong-format',
    `got ${got}, expected ${expected} as UTF-8 text, plain or gzipped`,
    got === 'UTF-16 text'
      ? 'convert it, for example with `iconv -f UTF-16 -t UTF-8 FILE`, and upload it again'
      : `upload ${expected}, or change the project's data.format`,
  );
}

const empty = (): Refusal => new Refusal('empty', 'the file is empty', 'upload a file with rows');

/** The reason to reject what could be read; undefined when there is none. */
function judge(pass: RowPass | undefined, { format, quality }: UploadSettings): Refusal | undefined {
  if (!pass) return empty();
  const { rows, badRows, log } = pass;
  const isSchemaBroken = log.count('missing-column') + log.count('duplicate-column') > 0;
  if (isSchemaBroken || (format !== 'jsonl' && log.count('unexpected-column') > 0)) return wrongColumns(log.summary());
  if (rows === 0) {
    return format === 'jsonl'
      ? empty()
      : new Refusal('no-rows', 'the file has its columns and no row', 'upload a file with rows');
  }
  if (log.count('json') === rows) {
    return new Refusal(
      'wrong-format',
      'no line is a JSON object',
      'write one JSON object a line; neither CSV nor a JSON array is JSON Lines',
    );
  }
  const share = badRows / rows;
  if (share > quality.maximumBadRowShare) {
    return new Refusal(
      'bad-rows',
      `${badRows} of ${rows} rows (${percent(share)}) break a column rule, at most ${percent(quality.maximumBadRowShare)} may`,
      'repair the rows named below, or change the rules of the columns or quality.maximumBadRowShare in the project',
    );
  }
  if (rows - badRows < quality.minimumRows) {
    return new Refusal(
      'too-few-rows',
      `got ${rows - badRows} good rows, expected at least ${quality.minimumRows}`,
      'upload more rows in one file, or lower quality.minimumRows in the project',
    );
  }
  return undefined;
}

function wrongColumns({ counts }: Pick<RejectionReport, 'counts'>): Refusal {
  const named = (rule: string) =>
    counts.flatMap((entry) => (entry.rule === rule && entry.column !== null ? [entry.column] : []));
  const parts = [
    ['missing', named('missing-column')],
    ['there twice', named('duplicate-column')],
  ] as const;
  const wrong = parts.flatMap(([what, names]) => (names.length > 0 ? [`${what}: ${names.join(', ')}`] : []));
  // An unexpected name stays in the report: in a file without a header it is a value.
  const unexpected = named('unexpected-column').length;
  if (unexpected > 0) wrong.push(`not of the project: ${unexpected}`);
  return new Refusal(
    'columns',
    `the columns are not those of the project (${wrong.join('; ')})`,
    'name the columns as the project does, or declare them in the project (role `ignore` for what is not used)',
  );
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}
