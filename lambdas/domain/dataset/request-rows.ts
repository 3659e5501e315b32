/** The rows of a prediction request, in JSON or CSV, by the column rules of the uploads. */
import { type Columns, checkRow, type RowForm, type RowViolation } from './columns.ts';
import { RecordTooLong, splitCsv } from './csv.ts';
import { TOLD_VIOLATIONS } from './report.ts';
import type { Value } from './values.ts';

export type FeatureRow = Readonly<Record<string, Value | null>>;

export type CheckedRows =
  | { readonly ok: true; readonly rows: readonly FeatureRow[] }
  /** The first 100; `row` counts from 0, without the header. */
  | { readonly ok: false; readonly violations: readonly (RowViolation & { readonly row: number })[] };

/** Checks every row by `checkRow`: all features of all rows, or the violations. */
export function checkRows(
  rows: readonly Readonly<Record<string, unknown>>[],
  columns: Columns,
  form: RowForm,
): CheckedRows {
  const good: FeatureRow[] = [];
  const violations: (RowViolation & { row: number })[] = [];
  for (const [row, values] of rows.entries()) {
    const checked = checkRow(values, columns, form);
    if (checked.ok) good.push(checked.value);
    else violations.push(...checked.violations.map((violation) => ({ row, ...violation })));
    if (violations.length >= TOLD_VIOLATIONS) break;
  }
  return violations.length > 0
    ? { ok: false, violations: violations.slice(0, TOLD_VIOLATIONS) }
    : { ok: true, rows: good };
}

export type CsvRows =
  | { readonly ok: true; readonly rows: readonly Readonly<Record<string, string>>[] }
  /** What is wrong with the text as CSV; holds no value of it. */
  | { readonly ok: false; readonly message: string };

/** A CSV body (RFC 4180) with a header, as rows of texts for `checkRows(rows, columns, 'text')`. */
export function parseCsvRows(text: string): CsvRows {
  const refuse = (message: string): CsvRows => ({ ok: false, message });
  const split = splitWithinLimit(text);
  if ('tooLong' in split) return refuse(`line ${split.tooLong}: the record is too long; is a quote never closed?`);
  const { records, brokenLines } = split;
  const [broken] = brokenLines;
  if (broken !== undefined)
    return refuse(`line ${broken}: expected quotes around a whole field, and doubled inside it`);
  const [header, ...body] = records;
  if (!header || body.length === 0) return refuse('expected a header line and at least one row');
  const twice = header.fields.findIndex((name, index) => header.fields.indexOf(name) !== index);
  if (twice >= 0) return refuse(`line ${header.line}: column ${twice + 1} has the name of an earlier one`);
  const odd = body.find(({ fields }) => fields.length !== header.fields.length);
  if (odd) {
    return refuse(
      `line ${odd.line}: expected ${header.fields.length} fields, as in the header, got ${odd.fields.length}`,
    );
  }
  const rowOf = (fields: readonly string[]) =>
    Object.fromEntries(header.fields.map((name, index) => [name, fields[index] ?? '']));
  return { ok: true, rows: body.map(({ fields }) => rowOf(fields)) };
}

function splitWithinLimit(text: string): ReturnType<typeof splitCsv> | { tooLong: number } {
  try {
    return splitCsv(text);
  } catch (error) {
    if (error instanceof RecordTooLong) return { tooLong: error.line };
    throw error;
  }
}
