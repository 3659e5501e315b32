import { isAscii, isUtf8 } from 'node:buffer';
import { MAXIMUM_RECORD } from './csv.ts';
import { Refusal } from './report.ts';

/** Takes text in order; `line` is the line at which the next text starts, from 1. */
export interface TextReader {
  readonly line: number;
  push(text: string): void;
  end(): void;
}

/**
 * Hands UTF-8 bytes to a reader as text, in pieces of whole lines but for the last. A byte order mark is left out. Where
 * the bytes are no text, the lines before are handed over first: what was read does not depend on how the bytes came.
 */
export class TextBlocks {
  readonly #reader: TextReader;
  #rest: Uint8Array[] = [];
  #restBytes = 0;
  #isFirst = true;

  constructor(reader: TextReader) {
    this.#reader = reader;
  }

  /** @throws Refusal for bytes that are no UTF-8 text, or a line without end. */
  push(chunk: Uint8Array): void {
    const lineEnd = chunk.lastIndexOf(LINE_FEED) + 1;
    if (lineEnd > 0) {
      const whole = chunk.subarray(0, lineEnd);
      const bytes = this.#rest.length > 0 ? Buffer.concat([...this.#rest, whole]) : whole;
      this.#rest = [];
      this.#restBytes = 0;
      this.#handOver(bytes);
    }
    this.#keep(chunk.subarray(lineEnd));
    if (this.#restBytes > MAXIMUM_LINE_BYTES) throw lineTooLong(this.#reader.line);
  }

  end(): void {
    this.#handOver(Buffer.concat(this.#rest));
    this.#reader.end();
  }

  #keep(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    // A copy: the source may use its buffer again.
    this.#rest.push(Uint8Array.from(chunk));
    this.#restBytes += chunk.length;
  }

  #handOver(bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (isText(buffer)) {
      this.#decode(buffer);
      return;
    }
    let start = 0;
    let end = nextLine(buffer, start);
    while (isText(buffer.subarray(start, end))) {
      start = end;
      end = nextLine(buffer, start);
    }
    this.#decode(buffer.subarray(0, start));
    const { line } = this.#reader;
    if (end - start > MAXIMUM_LINE_BYTES) throw lineTooLong(line);
    throw buffer.subarray(start, end).includes(0) ? binary(line) : notUtf8(line);
  }

  #decode(buffer: Buffer): void {
    // One-byte text is made and cut faster than two-byte text.
    const text = isAscii(buffer) ? buffer.toString('latin1') : buffer.toString('utf8');
    this.#reader.push(this.#isFirst && text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text);
    if (text.length > 0) this.#isFirst = false;
  }
}

export function lineTooLong(line: number): Refusal {
  return new Refusal(
    'record-too-long',
    `the record that starts in line ${line} is longer than ${MAXIMUM_RECORD} characters`,
    'look for a quote in that line that is never closed, and check that every line ends with a line feed',
  );
}

const LINE_FEED = 10;
const BYTE_ORDER_MARK = '\uFEFF';
const MAXIMUM_LINE_BYTES = 4 * MAXIMUM_RECORD;

function isText(bytes: Buffer): boolean {
  return isUtf8(bytes) && !bytes.includes(0);
}

function nextLine(bytes: Buffer, start: number): number {
  const lineEnd = bytes.indexOf(LINE_FEED, start);
  return lineEnd < 0 ? bytes.length : lineEnd + 1;
}

function binary(line: number): Refusal {
  return new Refusal(
    'binary',
    `line ${line} holds a zero byte: this is binary data, not text`,
    'upload the text itself, as UTF-8, plain or gzipped',
  );
}

function notUtf8(line: number): Refusal {
  return new Refusal(
    'encoding',
    `line ${line} is not UTF-8 text; the file may be Latin-1, Windows-1252 or binary data`,
    'convert it, for example with `iconv -f WINDOWS-1252 -t UTF-8 FILE`, and upload it again',
  );
}
