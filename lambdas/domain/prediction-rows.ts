/** The rows of a prediction request: by the same column rules as an upload's, with the row that breaks one named. */
import type { DataSettings } from '../contract/settings.ts';
import { checkRow, type RowForm } from './dataset/columns.ts';
import { CsvSplitter, RecordTooLong } from './dataset/csv.ts';

export interface InstanceViolation {
  /** From 0. */
  readonly row: number;
  readonly column: string;
  readonly rule: string;
}

export type CheckedInstances =
  /** Features only: ids, labels and personal data do not reach the endpoint, and so not its capture. */
  | { readonly ok: true; readonly instances: readonly Readonly<Record<string, unknown>>[] }
  | { readonly ok: false; readonly violations: readonly InstanceViolation[] };

export function checkInstances(
  rows: readonly Readonly<Record<string, unknown>>[],
  data: Pick<DataSettings, 'columns'>,
  form: RowForm,
): CheckedInstances {
  const instances: Readonly<Record<string, unknown>>[] = [];
  const violations: InstanceViolation[] = [];
  rows.forEach((each, row) => {
    const checked = checkRow(each, data.columns, form);
    if (checked.ok) instances.push(checked.value);
    else violations.push(...checked.violations.map(({ column, message }) => ({ row, column, rule: ruleOf(message) })));
  });
  return violations.length > 0 ? { ok: false, violations } : { ok: true, instances };
}

/** `column delay: expected a number, got 'soon'` → `expected a number, got 'soon'`: the column is told beside it. */
const ruleOf = (message: string): string => message.replace(/^column .*?: (?=expected)/, '');

export type CsvRows =
  | { readonly ok: true; readonly rows: readonly Readonly<Record<string, string>>[] }
  | { readonly ok: false; readonly reason: string };

const BYTE_ORDER_MARK = '\uFEFF';

/** A CSV body with a header row. */
export function parseCsvBody(body: string): CsvRows {
  const records: { fields: string[]; line: number }[] = [];
  const broken: number[] = [];
  const splitter = new CsvSplitter({
    record: (fields, line) => records.push({ fields, line }),
    broken: (line) => broken.push(line),
  });
  try {
    splitter.push(body.startsWith(BYTE_ORDER_MARK) ? body.slice(1) : body);
    splitter.end();
  } catch (error) {
    if (error instanceof RecordTooLong) return { ok: false, reason: error.message };
    throw error;
  }
  if (broken.length > 0) return { ok: false, reason: `line ${broken[0]}: the quotes do not close` };
  const [header, ...rows] = records;
  if (!header || rows.length === 0)
    return { ok: false, reason: 'the CSV body needs a header line and at least one row' };
  const twice = header.fields.find((name, index) => header.fields.indexOf(name) !== index);
  if (twice !== undefined) return { ok: false, reason: `the header names the column ${twice} twice` };
  const uneven = rows.find(({ fields }) => fields.length !== header.fields.length);
  if (uneven)
    return {
      ok: false,
      reason: `line ${uneven.line}: got ${uneven.fields.length} fields, the header has ${header.fields.length}`,
    };
  return {
    ok: true,
    rows: rows.map(({ fields }) => Object.fromEntries(header.fields.map((name, index) => [name, fields[index] ?? '']))),
  };
}
