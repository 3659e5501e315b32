/** Rows of JSON Lines: one object a line; blank lines are skipped. A number over 2^53 is read as the nearest that fits. */
import { uploadLimits } from '../../contract/limits.ts';
import type { InspectionBudget } from './budget.ts';
import { type ColumnCheck, type Columns, columnChecks, didYouMean } from './columns.ts';
import { MAXIMUM_RECORD } from './csv.ts';
import { tooManyColumns } from './report.ts';
import { RowPass } from './row-pass.ts';
import { lineTooLong, type TextReader } from './text-blocks.ts';
import { isObject, type Read } from './values.ts';

export class JsonLinesReader implements TextReader {
  readonly pass: RowPass;
  readonly #columns: Columns;
  readonly #checks: readonly ColumnCheck[];
  readonly #values: Read[];
  #row: Readonly<Record<string, unknown>> = {};
  #line = 1;
  readonly #rawAt = (check: number): unknown => ownValue(this.#row, this.#checks[check]?.name ?? '');

  constructor(columns: Columns, maximumIds: number, budget: InspectionBudget) {
    this.#columns = columns;
    this.#checks = columnChecks(columns);
    this.pass = new RowPass(this.#checks, maximumIds, budget);
    this.#values = new Array<Read>(this.#checks.length).fill(null);
  }

  get line(): number {
    return this.#line;
  }

  /** Takes whole lines; only the last text may end without a line end. */
  push(text: string): void {
    let start = 0;
    while (start < text.length) {
      const lineEnd = text.indexOf('\n', start);
      const end = lineEnd < 0 ? text.length : lineEnd;
      if (end - start > MAXIMUM_RECORD) throw lineTooLong(this.#line);
      this.#readLine(text.slice(start, end));
      start = end + 1;
      if (lineEnd >= 0) this.#line += 1;
    }
  }

  end(): void {}

  #readLine(text: string): void {
    if (isBlank(text)) return;
    const row = parseObject(text);
    if (!row) {
      this.pass.addBrokenRow(this.#line, 'json', 'a JSON object on one line');
      return;
    }
    if (isNestedTooDeep(row)) {
      this.pass.addBrokenRow(this.#line, 'nesting', `values nested at most ${uploadLimits.nesting} deep`);
      return;
    }
    this.#row = row;
    const [checks, values] = [this.#checks, this.#values];
    for (let index = 0; index < checks.length; index++) {
      const check = checks[index];
      values[index] = check?.readNative(ownValue(row, check.name));
    }
    this.pass.addRow(this.#line, values, this.#rawAt, this.#hasUnexpected(row));
  }

  #hasUnexpected(row: Readonly<Record<string, unknown>>): boolean {
    let isFound = false;
    const names = Object.keys(row);
    if (names.length > uploadLimits.columns) throw tooManyColumns(names.length, this.#line);
    for (const name of names) {
      if (Object.hasOwn(this.#columns, name)) continue;
      isFound = true;
      this.pass.log.addUnexpected(
        this.#line,
        name,
        () => `only columns of the project${didYouMean(name, this.#columns)}`,
      );
    }
    return isFound;
  }
}

/** Own properties only: a column may be called `constructor`. */
function ownValue(row: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(row, name) ? row[name] : undefined;
}

/** By JSON's own blanks; a line of others is no object. */
function isBlank(text: string): boolean {
  return text === '' || /^[ \t\r]*$/.test(text);
}

/** Level by level: a value may be nested deeper than functions can call each other. */
function isNestedTooDeep(row: object): boolean {
  let level: object[] = [row];
  for (let depth = 0; depth < uploadLimits.nesting; depth++) {
    level = level.flatMap((each) => Object.values(each).filter(isNested));
    if (level.length === 0) return false;
  }
  return true;
}

const isNested = (value: unknown): value is object => typeof value === 'object' && value !== null;

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
