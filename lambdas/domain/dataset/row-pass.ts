/** What happens to every row of an upload, whatever its format: rules, duplicate ids, profile. */
import type { InspectionBudget } from './budget.ts';
import type { ColumnCheck } from './columns.ts';
import { IdTable } from './duplicate-ids.ts';
import { addToProfile, emptyColumnProfile, type Profile } from './profile.ts';
import { Refusal, type UploadRule, ViolationLog } from './report.ts';
import type { Read } from './values.ts';

export class RowPass {
  rows = 0;
  badRows = 0;
  readonly log = new ViolationLog();
  readonly ids: IdTable;
  #checks: readonly ColumnCheck[];
  readonly #columns: readonly ReturnType<typeof emptyColumnProfile>[];
  readonly #idColumns: readonly number[];
  readonly #idName: string;
  readonly #areIdsPersonal: boolean;
  readonly #budget: InspectionBudget;

  constructor(checks: readonly ColumnCheck[], maximumIds: number, budget: InspectionBudget) {
    this.#budget = budget;
    this.#checks = checks;
    this.#columns = checks.map(({ settings }) => emptyColumnProfile(settings));
    this.ids = new IdTable(maximumIds);
    this.#idColumns = checks.flatMap(({ settings }, index) => (settings.role === 'id' ? [index] : []));
    const ids = checks.filter(({ settings }) => settings.role === 'id');
    this.#idName = ids.map(({ name }) => name).join(', ');
    this.#areIdsPersonal = ids.some(({ settings }) => settings.pii);
  }

  /**
   * Checks one row. A good row goes into the profile.
   *
   * @param values What was read, in the order of the checks; undefined where it is not of the column's type.
   * @param rawAt The value of a check as it came, for reports.
   * @param isBroken The caller has logged a violation of this row already.
   * @throws Refusal for a value that is too long, and when the time is over
   */
  addRow(line: number, values: readonly Read[], rawAt: (check: number) => unknown, isBroken = false): void {
    this.rows += 1;
    let isGood = !isBroken;
    const checks = this.#checks;
    let units = ROW_UNITS + checks.length;
    for (let index = 0; index < checks.length; index++) {
      const check = checks[index];
      const value = values[index];
      const rule = check?.brokenRule(value);
      if (typeof value === 'string') units += value.length;
      if (!check || !rule) continue;
      if (rule === 'length') throw tooLong(line, check, String(value).length);
      isGood = false;
      this.log.addValue(line, check, rule, rawAt(index));
    }
    this.#budget.spend(units);
    this.#budget.addValues(checks.length);
    if (this.#idColumns.length > 0 && !this.#isNewId(line, values, rawAt)) isGood = false;
    if (!isGood) {
      this.badRows += 1;
      return;
    }
    const columns = this.#columns;
    for (let index = 0; index < columns.length; index++) {
      const column = columns[index];
      if (column) addToProfile(column, values[index] ?? null);
    }
  }

  /** A row whose values cannot be told apart. */
  addBrokenRow(line: number, rule: UploadRule, expected: string, value?: string): void {
    this.rows += 1;
    this.badRows += 1;
    this.#budget.spend(ROW_UNITS);
    this.log.add({ line, column: null, rule, expected, ...(value !== undefined && { value }) });
  }

  profile(): Profile {
    const columns = this.#checks.flatMap(({ name }, index) => {
      const column = this.#columns[index];
      return column ? [[name, column] as const] : [];
    });
    return { rows: this.rows - this.badRows, columns: new Map(columns) };
  }

  /** A row with an id that is missing or of the wrong type has that violation, and its id is compared with none. */
  #isNewId(line: number, values: readonly Read[], rawAt: (check: number) => unknown): boolean {
    const id: string[] = [];
    for (const index of this.#idColumns) {
      const value = values[index];
      if (value === null || value === undefined) return true;
      id.push(idText(value, rawAt(index)));
    }
    const earlier = this.ids.seen(id, line);
    if (earlier === undefined) return true;
    this.log.add({
      line,
      column: this.#idName,
      rule: 'duplicate-id',
      expected: `an id of its own, ${earlier} has the same`,
      ...(!this.#areIdsPersonal && { value: `'${id.join(', ').slice(0, 80)}'` }),
    });
    return false;
  }
}

/** What a row costs beside its values, as characters. */
const ROW_UNITS = 16;

function tooLong(line: number, check: ColumnCheck, characters: number): Refusal {
  return new Refusal(
    'value-too-long',
    `the value of column ${check.name} in line or row ${line} has ${characters} characters, expected ${check.expected('length')}`,
    'shorten the value, or give the column the role `ignore` in the project',
  );
}

/** Ids of more than 15 digits are compared as they were written: as numbers, neighbours would be equal. */
function idText(value: NonNullable<Read>, raw: unknown): string {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return String(value);
  return typeof raw === 'string' ? raw.trim() : String(raw);
}
