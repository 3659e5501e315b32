/** Why an upload is refused, where, and what to do: as data (stored as JSON) and as text for people. */
import * as z from 'zod/mini';
import { uploadLimits } from '../../contract/limits.ts';
import type { DataSettings } from '../../contract/settings.ts';
import { type ColumnCheck, shorten, show, type ValueRule } from './columns.ts';

/** Violations that are told one by one; all are counted. */
export const TOLD_VIOLATIONS = 100;
/** Pairs of rule and column that are counted apart; the names of unexpected columns could be as many as rows. */
const COUNTED_PAIRS = 1000;

const uploadRules = [
  'type',
  'missing-value',
  'range',
  'allowed-values',
  'length',
  'duplicate-id',
  'missing-column',
  'unexpected-column',
  'duplicate-column',
  'field-count',
  'json',
  'nesting',
] as const satisfies readonly (ValueRule | string)[];
export type UploadRule = (typeof uploadRules)[number];

const violation = z.object({
  /** Line of the file, the header is line 1; in Parquet the row, from 1; 0 where it is about the schema of a Parquet file. */
  line: z.int(),
  /** null where it is about the whole row. */
  column: z.nullable(z.string()),
  rule: z.enum(uploadRules),
  /** Completes "expected ...". */
  expected: z.string(),
  /** As people see it, cut to 80 characters. Never there for personal data. */
  value: z.optional(z.string()),
});

export const rejectionReport = z.object({
  schemaVersion: z.literal(1),
  /** Short name of the reason, for programs. */
  code: z.string(),
  /** One sentence, holds no value of the file. */
  reason: z.string(),
  /** What to do about it. */
  advice: z.string(),
  /** What `line` counts. */
  position: z.enum(['line', 'row']),
  /** Rows that were read, and how many of them break a rule. */
  rows: z.int(),
  badRows: z.int(),
  counts: z.array(z.object({ rule: z.enum(uploadRules), column: z.nullable(z.string()), count: z.int() })),
  /** The first ones, in the order of the file. */
  violations: z.array(violation),
  /** Violations that are counted above and not told. */
  omitted: z.int(),
});

export type Violation = z.infer<typeof violation>;
export type RejectionReport = z.infer<typeof rejectionReport>;

/** The file as a whole cannot be used: reading stops, hashing goes on. The texts hold no value of the file. */
export class Refusal extends Error {
  readonly code: string;
  readonly advice: string;
  constructor(code: string, reason: string, advice: string) {
    super(reason);
    this.code = code;
    this.advice = advice;
  }
}

/** Keeps the first violations and counts all. */
export class ViolationLog {
  readonly #told: Violation[] = [];
  readonly #counts = new Map<string, RejectionReport['counts'][number]>();
  #total = 0;

  add(violation: Violation): void {
    this.#total += 1;
    if (this.#told.length < TOLD_VIOLATIONS) this.#told.push(violation);
    this.#count(violation.rule, violation.column);
  }

  /** A name that the project does not declare. What is expected instead is only worked out for those that are told. */
  addUnexpected(line: number, name: string, expected: () => string): void {
    const isTold = this.#told.length < TOLD_VIOLATIONS;
    this.#total += 1;
    const column = shownName(name);
    this.#count('unexpected-column', column);
    if (isTold) this.#told.push({ line, column, rule: 'unexpected-column', expected: expected() });
  }

  addValue(line: number, check: ColumnCheck, rule: ValueRule, raw: unknown): void {
    const isTold = this.#told.length < TOLD_VIOLATIONS;
    this.#total += 1;
    this.#count(rule, check.name);
    if (!isTold) return;
    const isHidden = check.settings.pii || rule === 'missing-value';
    this.#told.push({
      line,
      column: check.name,
      rule,
      expected: check.expected(rule),
      ...(!isHidden && { value: show(raw) }),
    });
  }

  get total(): number {
    return this.#total;
  }

  /** Violations of a rule. */
  count(rule: UploadRule): number {
    return [...this.#counts.values()].reduce((sum, entry) => sum + (entry.rule === rule ? entry.count : 0), 0);
  }

  summary(): Pick<RejectionReport, 'counts' | 'violations' | 'omitted'> {
    return {
      counts: [...this.#counts.values()].sort((a, b) => b.count - a.count),
      violations: [...this.#told],
      omitted: this.#total - this.#told.length,
    };
  }

  #count(rule: UploadRule, column: string | null): void {
    let key = `${rule}\n${column ?? ''}`;
    let entry = this.#counts.get(key);
    if (!entry) {
      const isFull = this.#counts.size >= COUNTED_PAIRS;
      if (isFull) key = `${rule}\n`;
      entry = this.#counts.get(key) ?? { rule, column: isFull ? null : column, count: 0 };
      this.#counts.set(key, entry);
    }
    entry.count += 1;
  }
}

/** The report on a refused upload; of one that was not read, nothing but the reason. */
export function reportOn(
  refusal: Pick<Refusal, 'code' | 'message' | 'advice'>,
  format: DataSettings['format'],
  read: { readonly rows: number; readonly badRows: number; readonly log: ViolationLog } | undefined,
): RejectionReport {
  return {
    schemaVersion: 1,
    code: refusal.code,
    reason: refusal.message,
    advice: refusal.advice,
    position: format === 'parquet' ? 'row' : 'line',
    rows: read?.rows ?? 0,
    badRows: read?.badRows ?? 0,
    ...(read?.log.summary() ?? { counts: [], violations: [], omitted: 0 }),
  };
}

/** `line 17, column dep_delay: expected a number, got 'abc'`. */
export function violationText({ line, column, expected, value }: Violation, position: 'line' | 'row'): string {
  const where = line === 0 ? 'schema' : `${position} ${line}`;
  return `${where}${column === null ? '' : `, column ${column}`}: expected ${expected}${value === undefined ? '' : `, got ${value}`}`;
}

/** The report as people read it, a violation a line. */
export function reportText(report: RejectionReport): string {
  const lines = [`Rejected: ${report.reason}.`, `To do: ${report.advice}.`];
  if (report.rows > 0) lines.push(`Rows: ${report.rows}, of which ${report.badRows} break a rule.`);
  if (report.counts.length > 0) {
    lines.push('', 'How often:');
    for (const { rule, column, count } of report.counts) {
      lines.push(`  ${count} × ${rule}${column === null ? '' : ` in column ${column}`}`);
    }
  }
  if (report.violations.length > 0) {
    lines.push('', report.omitted > 0 ? `The first ${report.violations.length}:` : 'Where:');
    for (const entry of report.violations) lines.push(`  ${violationText(entry, report.position)}`);
  }
  if (report.omitted > 0) lines.push(`  and ${report.omitted} more`);
  return `${lines.join('\n')}\n`;
}

/** A header, schema or JSON object with more names than any project has columns. */
export function tooManyColumns(names: number, line?: number): Refusal {
  return new Refusal(
    'too-many-columns',
    `${line === undefined ? 'the schema' : `line ${line}`} has ${names} columns, expected at most ${uploadLimits.columns}`,
    'leave out the columns that the project does not declare and upload the file again',
  );
}

/** A name from the file as it may be shown. */
export const shownName = (name: string): string => shorten(name);
