/**
 * Splits CSV text (RFC 4180) into records, block by block. Why this is not a package: docs/decisions/0002.
 *
 *     bytes ──▶ TextBlocks ──▶ text that ends at a line end ──▶ CsvSplitter ──▶ fields, line
 *
 * A line without a quote, which is nearly every line, is cut with `indexOf` and `split`; only a record that holds a quote
 * is read field by field.
 */
import { uploadLimits } from '../../contract/limits.ts';

/** Longest record, in characters. */
export const MAXIMUM_RECORD = uploadLimits.recordCharacters;

export interface RecordHandler {
  record(fields: string[], line: number): void;
  /** A record that readers of CSV part differently. Reading goes on with the next line. */
  broken(line: number, why: 'quotes' | 'carriage-return'): void;
}

/** A record longer than `MAXIMUM_RECORD`; `line` is where it starts. */
export class RecordTooLong extends Error {
  readonly line: number;
  constructor(line: number) {
    super(`the record that starts in line ${line} is longer than ${MAXIMUM_RECORD} characters`);
    this.line = line;
  }
}

/** Feed it text that ends anywhere; a record that is not complete waits for the next text. Blank lines are no records. */
export class CsvSplitter {
  readonly #handler: RecordHandler;
  #rest = '';
  /** Line of the first character of `#rest`, from 1. */
  #line = 1;

  constructor(handler: RecordHandler) {
    this.#handler = handler;
  }

  /** Line at which the next text starts. */
  get line(): number {
    return this.#line + countLineEnds(this.#rest, 0, this.#rest.length);
  }

  /** @throws RecordTooLong */
  push(text: string): void {
    this.#rest = this.#split(this.#rest === '' ? text : this.#rest + text, false);
    if (this.#rest.length > MAXIMUM_RECORD) throw new RecordTooLong(this.#line);
  }

  end(): void {
    this.#rest = this.#split(this.#rest, true);
  }

  /** Hands out every complete record and returns the start of the one that is not complete. */
  #split(text: string, isEnd: boolean): string {
    let position = 0;
    let quote = text.indexOf('"');
    let carriage = text.indexOf('\r');
    while (position < text.length) {
      let lineEnd = text.indexOf('\n', position);
      if (lineEnd < 0) {
        if (!isEnd) break;
        lineEnd = text.length;
      }
      if (quote >= 0 && quote < position) quote = text.indexOf('"', position);
      if (quote < 0 || quote >= lineEnd) {
        if (lineEnd - position > MAXIMUM_RECORD) throw new RecordTooLong(this.#line);
        const last = text.charCodeAt(lineEnd - 1) === CARRIAGE_RETURN ? lineEnd - 1 : lineEnd;
        if (carriage >= 0 && carriage < position) carriage = text.indexOf('\r', position);
        if (carriage >= 0 && carriage < last) this.#handler.broken(this.#line, 'carriage-return');
        else if (last > position) this.#handler.record(text.slice(position, last).split(','), this.#line);
        this.#line += 1;
        position = lineEnd + 1;
        continue;
      }
      const next = this.#quoted(text, position, isEnd);
      if (next === undefined) break;
      this.#line += countLineEnds(text, position, next);
      position = next;
    }
    return text.slice(position);
  }

  /** Reads one record that holds quotes. Returns where the next one starts; undefined when this one is not complete. */
  #quoted(text: string, start: number, isEnd: boolean): number | undefined {
    const fields: string[] = [];
    let position = start;
    for (;;) {
      const field = text.charCodeAt(position) === QUOTE ? quotedField(text, position) : plainField(text, position);
      if (field.end - start > MAXIMUM_RECORD) throw new RecordTooLong(this.#line);
      const isCut = field.end + (text.charCodeAt(field.end) === CARRIAGE_RETURN ? 1 : 0) >= text.length;
      if (isCut && !isEnd) return undefined;
      const separator = separatorAt(text, field.end);
      if (!field.isClosed || separator === 'none') return this.#skip(text, start, 'quotes');
      if (!field.isQuoted && field.value.includes('\r')) return this.#skip(text, start, 'carriage-return');
      fields.push(field.value);
      if (separator === 'comma') {
        position = field.end + 1;
        continue;
      }
      this.#handler.record(fields, this.#line);
      const lineEnd = text.indexOf('\n', field.end);
      return lineEnd < 0 ? text.length : lineEnd + 1;
    }
  }

  /** Past a record that is broken: to the next line. */
  #skip(text: string, start: number, why: 'quotes' | 'carriage-return'): number {
    this.#handler.broken(this.#line, why);
    const lineEnd = text.indexOf('\n', start);
    return lineEnd < 0 ? text.length : lineEnd + 1;
  }
}

const QUOTE = 34;
const COMMA = 44;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

interface Field {
  readonly value: string;
  /** Position after the field. */
  readonly end: number;
  /** False for an opened quote without its end in the text. */
  readonly isClosed: boolean;
  readonly isQuoted: boolean;
}

/** Inside quotes a quote is doubled. */
function quotedField(text: string, start: number): Field {
  let from = start + 1;
  for (;;) {
    const quote = text.indexOf('"', from);
    if (quote < 0) return { value: '', end: text.length, isClosed: false, isQuoted: true };
    if (text.charCodeAt(quote + 1) !== QUOTE) {
      const value = text.slice(start + 1, quote);
      return {
        value: from === start + 1 ? value : value.replaceAll('""', '"'),
        end: quote + 1,
        isClosed: true,
        isQuoted: true,
      };
    }
    from = quote + 2;
  }
}

function plainField(text: string, start: number): Field {
  let end = start;
  while (end < text.length) {
    const code = text.charCodeAt(end);
    if (code === COMMA || code === LINE_FEED || code === QUOTE) break;
    end += 1;
  }
  // A carriage return belongs to the line end, not to the field.
  const isLast = text.charCodeAt(end) === LINE_FEED || end === text.length;
  if (isLast && end > start && text.charCodeAt(end - 1) === CARRIAGE_RETURN) end -= 1;
  return { value: text.slice(start, end), end, isClosed: true, isQuoted: false };
}

function separatorAt(text: string, position: number): 'comma' | 'line-end' | 'none' {
  const code = text.charCodeAt(position);
  if (code === COMMA) return 'comma';
  const after = code === CARRIAGE_RETURN ? position + 1 : position;
  return after >= text.length || text.charCodeAt(after) === LINE_FEED ? 'line-end' : 'none';
}

function countLineEnds(text: string, start: number, end: number): number {
  let count = 0;
  for (let at = text.indexOf('\n', start); at >= 0 && at < end; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}
