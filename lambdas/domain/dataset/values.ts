/**
 * What a value of each column type may look like, in text (CSV) and as a JSON or Parquet value. The Python of
 * `models/common/values.py` reads by the same rules.
 *
 * | type             | in memory                              |
 * | ---              | ---                                    |
 * | number, integer  | number, finite                         |
 * | boolean          | boolean                                |
 * | category, text   | string, not empty                      |
 * | timestamp        | number: milliseconds since 1970 in UTC |
 */
import type { ColumnSettings } from '../../contract/settings.ts';

export type ColumnType = ColumnSettings['type'];
export type Value = number | string | boolean;
/** null: missing; undefined: not of the column's type. */
export type Read = Value | null | undefined;

export const expectedOfType: Readonly<Record<ColumnType, string>> = {
  number: 'a number',
  integer: 'an integer',
  boolean: 'true or false',
  category: 'a text',
  text: 'a text',
  timestamp: 'an ISO 8601 time such as 2013-01-31T05:00:00Z',
};

/** Reads a CSV field; the empty field is missing. */
export const textReaders: Readonly<Record<ColumnType, (text: string) => Read>> = {
  number: (text) => (text === '' ? null : readNumber(text)),
  integer(text) {
    if (text === '') return null;
    const number = readNumber(text);
    return Number.isInteger(number) ? number : undefined;
  },
  boolean(text) {
    if (text === '') return null;
    return booleanTexts.get(text) ?? booleanTexts.get(trimmed(text));
  },
  category: (text) => (text === '' ? null : text),
  text: (text) => (text === '' ? null : text),
  timestamp: (text) => (text === '' ? null : readTimestamp(text)),
};

/**
 * Reads a JSON or Parquet value; null, undefined and the empty text are missing. A text is no number and no boolean, but a
 * category may be a number or a boolean. Parquet's 64-bit integers and dates are taken too.
 */
export function readNative(type: ColumnType, value: unknown): Read {
  if (value === null || value === undefined || value === '') return null;
  switch (type) {
    case 'number':
      return finite(value);
    case 'integer': {
      const number = finite(value);
      return Number.isInteger(number) ? number : undefined;
    }
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'timestamp':
      if (typeof value === 'string') return readTimestamp(value);
      return value instanceof Date ? finite(value.getTime()) : undefined;
    case 'category':
    case 'text': {
      // JSON can escape half a character, which UTF-8 cannot hold: no Arrow table, no report of a job.
      if (typeof value === 'string') return value.isWellFormed() ? value : undefined;
      const plain = typeof value === 'boolean' ? value : finite(value);
      return plain === undefined ? undefined : String(plain);
    }
  }
}

const booleanTexts: ReadonlyMap<string, boolean> = new Map([
  ...['true', 'True', 'TRUE', '1'].map((text) => [text, true] as const),
  ...['false', 'False', 'FALSE', '0'].map((text) => [text, false] as const),
]);

function finite(value: unknown): number | undefined {
  const number = typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * `Number` is five times as fast as the pattern, and takes more than the pattern does: hexadecimal, octal, binary and
 * blank texts, and blanks beyond ASCII. Those begin with a blank, end with one or have a letter in second place, and only then is the
 * pattern asked.
 */
function readNumber(text: string): number | undefined {
  const number = Number(text);
  if (!Number.isFinite(number)) return undefined;
  const first = text.charCodeAt(0);
  const last = text.charCodeAt(text.length - 1);
  const isPlain = first > SPACE && first <= NINE && !(text.charCodeAt(1) > NINE) && last <= NINE;
  return isPlain || decimal.test(trimmed(text)) ? number : undefined;
}

/** Without the blanks of ASCII at both ends: what else is a blank differs between languages. */
const trimmed = (text: string): string => text.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, '');

const ZERO = 48;
const NINE = 57;
const SPACE = 32;

const timestamp =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?(Z|[+-]\d{2}(?::?\d{2})?)?)?$/;

/** Milliseconds since 1970 in UTC; a time without an offset is UTC, finer digits are cut. */
function readTimestamp(text: string): number | undefined {
  return readCanonicalTimestamp(text) ?? readAnyTimestamp(text);
}

/** `2013-01-31T05:00:00Z` without the pattern, in a tenth of its time; undefined for any other form. */
function readCanonicalTimestamp(text: string): number | undefined {
  if (text.length !== 20 || text[10] !== 'T' || text[13] !== ':' || text[16] !== ':' || text[19] !== 'Z')
    return undefined;
  if (text[4] !== '-' || text[7] !== '-') return undefined;
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2);
  const [month, day] = [twoDigits(text, 5), twoDigits(text, 8)];
  const [hour, minute, second] = [twoDigits(text, 11), twoDigits(text, 14), twoDigits(text, 17)];
  // Days that not every month has, and years that Date.UTC takes for others, go the long way; so does what is no digit.
  const isPlain = year >= 100 && month >= 1 && month <= 12 && day >= 1 && day <= 28;
  return isPlain && hour <= 23 && minute <= 59 && second <= 59
    ? Date.UTC(year, month - 1, day, hour, minute, second)
    : undefined;
}

/** NaN where there is something else. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - ZERO;
  const ones = text.charCodeAt(at + 1) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

function readAnyTimestamp(text: string): number | undefined {
  const match = timestamp.exec(trimmed(text));
  if (!match) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((part) => +(part ?? 0));
  const moment = new Date(0);
  moment.setUTCFullYear(year, month - 1, day);
  const isDate = year > 0 && moment.getUTCMonth() === month - 1 && moment.getUTCDate() === day;
  if (!isDate || hour > 23 || minute > 59 || second > 59) return undefined;
  moment.setUTCHours(hour, minute, second, Number((match[7] ?? '').padEnd(3, '0').slice(0, 3)));
  return moment.getTime() - offsetMilliseconds(match[8]);
}

function offsetMilliseconds(offset: string | undefined): number {
  if (offset === undefined || offset === 'Z') return 0;
  const digits = offset.slice(1).replace(':', '').padEnd(4, '0');
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
  return (offset.startsWith('-') ? -minutes : minutes) * 60_000;
}

/** A JSON object: neither null nor a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
