/** Samples for the dataset tests: texts that rows were written to, ways to cut them, settings, uploads in memory. */
import * as fc from 'fast-check';
import type { ColumnSettings } from '../../../lambdas/contract/settings.ts';
import type {
  AcceptedUpload,
  Inspection,
  RejectedUpload,
  UploadSettings,
} from '../../../lambdas/domain/dataset/inspect.ts';
import { reportText } from '../../../lambdas/domain/dataset/report.ts';
import type { ByteSource } from '../../../lambdas/domain/dataset/source.ts';

/** A row as CSV: `quote` decides for fields that need no quotes. Lines are those at which the rows start. */
export function csvText(
  rows: readonly (readonly string[])[],
  quote: (row: number, field: number) => boolean = () => false,
  lineEnd: (row: number) => string = () => '\n',
): { text: string; lines: number[] } {
  let text = '';
  const lines: number[] = [];
  rows.forEach((fields, row) => {
    lines.push(text.split('\n').length);
    const written = fields.map((field, index) =>
      /[",\r\n]/.test(field) || quote(row, index) ? `"${field.replaceAll('"', '""')}"` : field,
    );
    // An empty line is no row: a row of one empty field is written with quotes.
    text += (written.join(',') || '""') + lineEnd(row);
  });
  return { text, lines };
}

const field = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', 'ü', '😀', 'x'), maxLength: 6 }),
);

export const csvTexts = fc
  .record({
    rows: fc
      .integer({ min: 1, max: 4 })
      .chain((width) => fc.array(fc.array(field, { minLength: width, maxLength: width }), { maxLength: 8 })),
    quotes: fc.infiniteStream(fc.boolean()),
    lineEnds: fc.infiniteStream(fc.constantFrom('\n', '\r\n')),
  })
  .map(({ rows, quotes, lineEnds }) => ({
    rows,
    ...csvText(
      rows,
      () => quotes.next().value,
      () => lineEnds.next().value,
    ),
  }));

/** Cuts a text, or bytes, into pieces at random places. */
export const cuts = fc.array(fc.nat(1_000_000), { maxLength: 12 }).map((places) => {
  return function cut<T extends { length: number; slice(start: number, end?: number): T }>(whole: T): T[] {
    const sorted = [...new Set(places.map((place) => place % (whole.length + 1)))].sort((a, b) => a - b);
    return [0, ...sorted].map((start, index) => whole.slice(start, sorted[index] ?? whole.length));
  };
});

const base = { role: 'feature', nullable: false, pii: false } as const;

/** One column of each kind of rule. */
export const columns = {
  id: { ...base, role: 'id', type: 'text' },
  at: { ...base, role: 'time', type: 'timestamp' },
  delay: { ...base, type: 'number', min: -120, max: 2000 },
  hour: { ...base, type: 'integer', min: 0, max: 23, nullable: true },
  origin: { ...base, type: 'category', values: ['EWR', 'JFK', 'LGA'] },
  email: { ...base, role: 'ignore', type: 'text', pii: true, nullable: true },
  passport: { ...base, role: 'id', type: 'text', pii: true },
  late: { ...base, role: 'label', type: 'boolean' },
} as const satisfies Record<string, ColumnSettings>;

export const names = Object.keys(columns);

export function settingsOf(
  format: UploadSettings['format'],
  quality: Partial<UploadSettings['quality']> = {},
): UploadSettings {
  return { format, columns, quality: { maximumBadRowShare: 0, minimumRows: 1, ...quality } };
}

/** A row that keeps every rule, as JSON has it. */
export function goodRow(number: number, changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: `row-${number}`,
    at: '2013-01-31T05:00:00Z',
    delay: number / 4,
    hour: number % 24,
    origin: 'JFK',
    email: null,
    passport: `P${number}`,
    late: number % 3 === 0,
    ...changes,
  };
}

export const goodRows = (count: number): Record<string, unknown>[] =>
  Array.from({ length: count }, (_, index) => goodRow(index));

export function asCsv(rows: readonly Record<string, unknown>[], header: readonly string[] = names): string {
  return csvText([header, ...rows.map((row) => header.map((name) => String(row[name] ?? '')))]).text;
}

export const asJsonLines = (rows: readonly unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** An upload in memory, handed over in the given pieces. */
export function uploadOf(
  content: string | Uint8Array,
  cut: (bytes: Buffer) => Buffer[] = (bytes) => [bytes],
): ByteSource {
  const bytes = Buffer.from(content);
  return {
    size: bytes.length,
    async read(range) {
      const wanted = range ? bytes.subarray(range.start, range.end) : bytes;
      return (async function* () {
        yield* range ? [wanted] : cut(wanted);
      })();
    },
  };
}

/** The accepted upload, or a failure of the test that shows the report. */
export async function accepted(inspection: Promise<Inspection>): Promise<AcceptedUpload> {
  const result = await inspection;
  if (result.outcome === 'accepted') return result;
  throw new Error(`expected an accepted upload, got:\n${reportText(result.report)}`);
}

export async function rejected(inspection: Promise<Inspection>): Promise<RejectedUpload> {
  const result = await inspection;
  if (result.outcome === 'rejected') return result;
  throw new Error(`expected a rejected upload, got an accepted one of ${result.rows} rows`);
}
