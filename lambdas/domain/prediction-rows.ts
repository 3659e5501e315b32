/** The rows of a prediction request: by the same column rules as an upload's, with the row that breaks one named. */
import { requestLimits } from '../contract/limits.ts';
import type { DataSettings } from '../contract/settings.ts';
import { checkRow, type RowForm } from './dataset/columns.ts';
import { CsvSplitter, RecordTooLong } from './dataset/csv.ts';
import { isObject } from './dataset/values.ts';

export interface InstanceViolation {
  /** From 0. */
  readonly row: number;
  readonly column: string;
  readonly rule: string;
}

type RequestRow = Readonly<Record<string, unknown>>;

export type CheckedInstances =
  /** Features only: ids, labels and personal data do not reach the endpoint, and so not its capture. */
  | { readonly ok: true; readonly instances: readonly RequestRow[] }
  /** The first violations, and how many there are. */
  | { readonly ok: false; readonly violations: readonly InstanceViolation[]; readonly count: number };

export function checkInstances(
  rows: readonly RequestRow[],
  data: Pick<DataSettings, 'columns'>,
  form: RowForm,
): CheckedInstances {
  const instances: RequestRow[] = [];
  const violations: InstanceViolation[] = [];
  let count = 0;
  rows.forEach((each, row) => {
    const checked = checkRow(each, data.columns, form);
    if (checked.ok) {
      instances.push(checked.value);
      return;
    }
    count += checked.count;
    for (const { column, message } of checked.violations) {
      if (violations.length === requestLimits.violations) break;
      violations.push({ row, column, rule: ruleOf(message) });
    }
  });
  return count > 0 ? { ok: false, violations, count } : { ok: true, instances };
}

/** `column delay: expected a number, got 'soon'` → `expected a number, got 'soon'`: the column is told beside it. */
const ruleOf = (message: string): string => message.replace(/^column .*?: (?=expected)/, '');

/** Why a body has no rows that can be checked; `tooMany` rows are another fault than rows of another shape. */
interface NoRows {
  readonly ok: false;
  readonly tooMany: boolean;
  readonly reason: string;
}
export type ParsedRows = { readonly ok: true; readonly rows: readonly RequestRow[] } | NoRows;

const shapeless = (reason: string): NoRows => ({ ok: false, tooMany: false, reason });
const tooMany = (maximumRows: number): NoRows => ({
  ok: false,
  tooMany: true,
  reason: `got more than the ${maximumRows} rows that fit in one request (serving.maximumRows)`,
});

/** One row `{column: value}`, or many `{"rows": [...]}`. */
export function parseJsonRows(body: unknown, maximumRows: number): ParsedRows {
  const EXPECTED = 'expected {column: value} or {"rows": [{column: value}]}';
  if (!isObject(body)) return shapeless(EXPECTED);
  const rows: readonly unknown[] = Array.isArray(body.rows) && Object.keys(body).length === 1 ? body.rows : [body];
  if (rows.length === 0) return shapeless(`${EXPECTED}, got no row`);
  if (rows.length > maximumRows) return tooMany(maximumRows);
  const parsed: RequestRow[] = [];
  for (const [index, row] of rows.entries()) {
    if (!isObject(row)) return shapeless(`${EXPECTED}: row ${index} is no object`);
    const columns = Object.keys(row).length;
    if (columns > requestLimits.columns) return shapeless(tooWide(`row ${index}`, columns));
    parsed.push(row);
  }
  return { ok: true, rows: parsed };
}

const tooWide = (what: string, columns: number): string =>
  `${what} has ${columns} columns, expected at most ${requestLimits.columns}`;

const BYTE_ORDER_MARK = '\uFEFF';

/** Thrown by the splitter's handler: what comes after cannot change the answer. */
class AnswerKnown extends Error {
  readonly answer: NoRows;
  constructor(answer: NoRows) {
    super(answer.reason);
    this.answer = answer;
  }
}

/** A CSV body with a header row. */
export function parseCsvBody(body: string, maximumRows: number): ParsedRows {
  const records: { fields: string[]; line: number }[] = [];
  const splitter = new CsvSplitter({
    record(fields, line) {
      // The header is a record too.
      if (records.length > maximumRows) throw new AnswerKnown(tooMany(maximumRows));
      if (fields.length > requestLimits.columns)
        throw new AnswerKnown(shapeless(tooWide(`line ${line}`, fields.length)));
      records.push({ fields, line });
    },
    broken(line, why) {
      const fault = why === 'quotes' ? 'the quotes do not close' : 'a carriage return without a line feed';
      throw new AnswerKnown(shapeless(`line ${line}: ${fault}`));
    },
  });
  try {
    splitter.push(body.startsWith(BYTE_ORDER_MARK) ? body.slice(1) : body);
    splitter.end();
  } catch (error) {
    if (error instanceof AnswerKnown) return error.answer;
    if (error instanceof RecordTooLong) return shapeless(error.message);
    throw error;
  }
  return rowsOfRecords(records);
}

function rowsOfRecords(records: readonly { fields: readonly string[]; line: number }[]): ParsedRows {
  const [header, ...rows] = records;
  if (!header || rows.length === 0) return shapeless('the CSV body needs a header line and at least one row');
  const names = new Set<string>();
  for (const name of header.fields) {
    if (names.has(name)) return shapeless(`the header names the column ${name} twice`);
    names.add(name);
  }
  const uneven = rows.find(({ fields }) => fields.length !== header.fields.length);
  if (uneven)
    return shapeless(`line ${uneven.line}: got ${uneven.fields.length} fields, the header has ${header.fields.length}`);
  return {
    ok: true,
    rows: rows.map(({ fields }) => Object.fromEntries(header.fields.map((name, index) => [name, fields[index] ?? '']))),
  };
}
