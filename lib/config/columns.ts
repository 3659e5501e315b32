/**
 * The columns of a dataset, named by what they are for and what they hold: `feature.number({ min: 0 })`,
 * `label.boolean()`, `id.text()`, `time.timestamp()`, `ignore()`.
 */
import type { ColumnSettings } from '../../lambdas/contract/settings.ts';

interface Common {
  /**
   * A missing value (empty CSV field, JSON null or absent, Parquet null) is allowed.
   * @default false
   */
  readonly nullable?: boolean;
  /**
   * Personal data: stored in the dataset, left out of capture, logs, events and reports. Never a feature.
   * @default false
   */
  readonly pii?: boolean;
}
interface Range extends Common {
  /**
   * Inclusive lower limit.
   * @default - no limit
   */
  readonly min?: number;
  /**
   * Inclusive upper limit.
   * @default - no limit
   */
  readonly max?: number;
}
interface Values extends Common {
  /**
   * The allowed values.
   * @default - any value
   */
  readonly values?: readonly string[];
}

/** A column as a project states it; the defaults are filled in when the configuration is read. */
export type Column = Pick<ColumnSettings, 'role' | 'type'> & Range & Values;

type Role = ColumnSettings['role'];
const number =
  (role: Role) =>
  (options: Range = {}) =>
    column(role, 'number', options);
const integer =
  (role: Role) =>
  (options: Range = {}) =>
    column(role, 'integer', options);
const category =
  (role: Role) =>
  (options: Values = {}) =>
    column(role, 'category', options);
const boolean =
  (role: Role) =>
  (options: Common = {}) =>
    column(role, 'boolean', options);
const timestamp =
  (role: Role) =>
  (options: Common = {}) =>
    column(role, 'timestamp', options);
const text =
  (role: Role) =>
  (options: Common = {}) =>
    column(role, 'text', options);

/** What the model sees. */
export const feature = {
  number: number('feature'),
  integer: integer('feature'),
  category: category('feature'),
  boolean: boolean('feature'),
} as const;

/** What is predicted. */
export const label = {
  /** For the binary objective. */
  boolean: boolean('label'),
  /** For the multiclass objective. */
  category: category('label'),
  /** For the regression objective. */
  number: number('label'),
  integer: integer('label'),
} as const;

/** Names a row, together with the other ids; two rows of the same ids are a violation. */
export const id = {
  text: text('id'),
  category: category('id'),
  integer: integer('id'),
  timestamp: timestamp('id'),
} as const;

/** When the row happened. */
export const time = { timestamp: timestamp('time') } as const;

/** Stored and checked, never used. */
export const ignore = (options: Common & { readonly type?: ColumnSettings['type'] } = {}): Column => {
  const { type = 'text', nullable = true, ...rest } = options;
  return column('ignore', type, { nullable, ...rest });
};

function column(role: Role, type: ColumnSettings['type'], options: Range & Values): Column {
  return { role, type, ...options };
}
