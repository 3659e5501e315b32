/**
 * The rules of a project's columns, for an upload's rows and for the rows of a prediction request alike.
 *
 *     value ──▶ type ──▶ missing? ──▶ limits, allowed values
 */
import { requestLimits, uploadLimits } from '../../contract/limits.ts';
import type { ColumnSettings } from '../../contract/settings.ts';
import { truncate } from '../truncate.ts';
import { expectedOfType, type Read, readNative, textReaders, type Value } from './values.ts';

export type Columns = Readonly<Record<string, ColumnSettings>>;

/** Rules of one value. The other rules of an upload (`UploadRule`) are about rows, names and the file. */
export type ValueRule = 'type' | 'missing-value' | 'range' | 'allowed-values' | 'length';

/** One column, compiled: what the pass asks for each value. */
export interface ColumnCheck {
  readonly name: string;
  readonly settings: ColumnSettings;
  readonly readText: (text: string) => Read;
  readonly readNative: (value: unknown) => Read;
  /** The rule that what was read breaks; undefined for a good value. */
  readonly brokenRule: (value: Read) => ValueRule | undefined;
  /** What the rule wants, to complete "expected ...". */
  readonly expected: (rule: ValueRule) => string;
}

function columnCheck(name: string, settings: ColumnSettings): ColumnCheck {
  const { type, nullable } = settings;
  const isNumber = type === 'number' || type === 'integer';
  const most = isNumber && settings.role === 'label' ? uploadLimits.labelMagnitude : Number.POSITIVE_INFINITY;
  const low = isNumber ? Math.max(-most, settings.min ?? -most) : Number.NEGATIVE_INFINITY;
  const high = isNumber ? Math.min(most, settings.max ?? most) : Number.POSITIVE_INFINITY;
  const longest = type === 'category' ? uploadLimits.categoryCharacters : uploadLimits.textCharacters;
  const allowed = type === 'category' && settings.values ? new Set<Read>(settings.values) : undefined;
  return {
    name,
    settings,
    readText: textReaders[type],
    readNative: (value) => readNative(type, value),
    brokenRule(value) {
      if (value === undefined) return 'type';
      if (value === null) return nullable ? undefined : 'missing-value';
      if (typeof value === 'number') return value < low || value > high ? 'range' : undefined;
      // First: a text that is too long is neither compared nor hashed.
      if (typeof value === 'string' && value.length > longest) return 'length';
      return allowed && !allowed.has(value) ? 'allowed-values' : undefined;
    },
    expected(rule) {
      if (rule === 'type') return expectedOfType[type];
      if (rule === 'length') return `a text of at most ${longest} characters`;
      if (rule === 'missing-value') return `${expectedOfType[type]}, the column is not nullable`;
      if (rule === 'allowed-values') return `one of ${quoteSome(settings.values ?? [])}`;
      if (low === Number.NEGATIVE_INFINITY) return `at most ${high}`;
      if (high === Number.POSITIVE_INFINITY) return `at least ${low}`;
      const isModelLimit = -low === most || high === most;
      return `${low} to ${high}${isModelLimit ? `, beyond ${most} squares do not fit a model's 32-bit floats` : ''}`;
    },
  };
}

/** The columns whose values are checked: all but those with the role `ignore`, which are stored and never used. */
export function columnChecks(columns: Columns): ColumnCheck[] {
  return Object.entries(columns)
    .filter(([, settings]) => settings.role !== 'ignore')
    .map(([name, settings]) => columnCheck(name, settings));
}

/** `json`: values of a JSON body; `text`: fields of a CSV body. */
export type RowForm = 'json' | 'text';

interface RowViolation {
  readonly column: string;
  readonly rule: ValueRule | 'unexpected-column';
  /** `column dep_delay: expected a number, got 'abc'`; without the value where the column is personal data. */
  readonly message: string;
}

export type RowCheck =
  | {
      readonly ok: true;
      /** Every feature, null where missing; numbers, booleans and texts. A timestamp is the text that came. */
      readonly value: Readonly<Record<string, Value | null>>;
    }
  /** The first violations, and how many there are. */
  | { readonly ok: false; readonly violations: readonly RowViolation[]; readonly count: number };

/**
 * Checks one row of a prediction request. Features are checked and returned. Declared columns that are no features (ids,
 * the label, personal data) may be there and are left out; a column that the project does not declare is a violation.
 */
export function checkRow(row: Readonly<Record<string, unknown>>, columns: Columns, form: RowForm): RowCheck {
  const violations: RowViolation[] = [];
  let count = 0;
  // Words are found for those alone that are told.
  const tell = (violation: () => RowViolation): void => {
    count += 1;
    if (violations.length < requestLimits.violations) violations.push(violation());
  };
  const value: Record<string, Value | null> = {};
  for (const check of featuresOf(columns)) {
    const raw = Object.hasOwn(row, check.name) ? row[check.name] : undefined;
    const read = form === 'text' && typeof raw === 'string' ? check.readText(raw) : check.readNative(raw);
    const rule = check.brokenRule(read);
    if (rule) tell(() => rowViolation(check, rule, raw));
    else if (read !== undefined) value[check.name] = timestampAsText(check, read, raw);
  }
  for (const column of Object.keys(row)) {
    if (Object.hasOwn(columns, column)) continue;
    tell(() => {
      const message = `column ${shorten(column)}: expected a column of the project${didYouMean(column, columns)}`;
      return { column: shorten(column), rule: 'unexpected-column', message };
    });
  }
  return count > 0 ? { ok: false, violations, count } : { ok: true, value };
}

/** ` (did you mean 'x'?)` for a name that differs in case, blanks, dashes or underscores only; else nothing. */
export function didYouMean(name: string, columns: Columns): string {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[\s_-]/g, '');
  const meant = Object.keys(columns).find((column) => plain(column) === plain(name));
  return meant === undefined ? '' : ` (did you mean '${meant}'?)`;
}

/** How a value is shown to people, in at most 80 characters. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${shorten(value)}'`;
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value);
  if (value instanceof Date) return String(value.getTime());
  if (typeof value !== 'object') return 'nothing';
  // Not their text: it may be long, and nested deeper than any function can follow.
  return Array.isArray(value) ? 'a list' : 'an object';
}

export function shorten(text: string): string {
  return truncate(text, SHOWN_CHARACTERS);
}

const SHOWN_CHARACTERS = 80;
const LISTED_VALUES = 10;

const compiled = new WeakMap<Columns, readonly ColumnCheck[]>();

function featuresOf(columns: Columns): readonly ColumnCheck[] {
  const known = compiled.get(columns);
  if (known) return known;
  const checks = columnChecks(columns).filter(({ settings }) => settings.role === 'feature' && !settings.pii);
  compiled.set(columns, checks);
  return checks;
}

function rowViolation(check: ColumnCheck, rule: ValueRule, raw: unknown): RowViolation {
  const got = check.settings.pii || rule === 'missing-value' ? '' : `, got ${show(raw)}`;
  return { column: check.name, rule, message: `column ${check.name}: expected ${check.expected(rule)}${got}` };
}

/** The model takes times as ISO 8601 text. */
function timestampAsText(check: ColumnCheck, read: Value | null, raw: unknown): Value | null {
  return check.settings.type === 'timestamp' && read !== null ? String(raw).trim() : read;
}

function quoteSome(values: readonly string[]): string {
  const shown = values.slice(0, LISTED_VALUES).map((value) => `'${value}'`);
  return [...shown, ...(values.length > LISTED_VALUES ? [`${values.length - LISTED_VALUES} more`] : [])].join(', ');
}
