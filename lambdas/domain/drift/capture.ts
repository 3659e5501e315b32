/**
 * SageMaker's data capture: JSON Lines, one invocation a line, input and output as the endpoint saw them.
 * https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
 */
import * as z from 'zod/mini';
import { captureLimits } from '../../contract/limits.ts';
import { invocationResponse } from '../../contract/model-files.ts';
import type { Row } from './counts.ts';

export type CapturedPrediction = z.infer<typeof invocationResponse>['predictions'][number];

/** One invocation: as many predictions as rows, at least one. */
export interface CapturedRequest {
  /** Line in the file, from 1. */
  readonly line: number;
  /** Length of the line. */
  readonly bytes: number;
  readonly rows: readonly Row[];
  readonly predictions: readonly CapturedPrediction[];
  /** `flights/3`. */
  readonly modelVersion: string;
  /** The caller's inference id, or SageMaker's event id where the caller sent none: ground truth joins on it. */
  readonly inferenceId: string;
  /** ISO 8601, UTC. */
  readonly time: string;
}

/** Takes what a capture file holds, line by line. The reason never holds captured data. */
export interface CaptureHandler {
  request(request: CapturedRequest): void;
  broken(line: number, reason: string): void;
}

/**
 * Reads a capture file, given in pieces; memory is that of one line. The input is `{"instances": [{column: value}]}`,
 * `{"inputs": {column: [value]}}`, JSON Lines or CSV with a header; the output is an `invocationResponse`. A line that
 * cannot be read, or is too long, is told of and the others are kept; blank lines are skipped.
 */
export class CaptureReader {
  readonly #handler: CaptureHandler;
  #rest: Uint8Array[] = [];
  #restBytes = 0;
  #line = 1;

  constructor(handler: CaptureHandler) {
    this.#handler = handler;
  }

  push(chunk: Uint8Array): void {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      this.#keep(chunk.subarray(start, end));
      this.#take();
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
  }

  end(): void {
    this.#take();
  }

  #keep(piece: Uint8Array): void {
    this.#restBytes += piece.length;
    // Of a line that is too long only the length is needed.
    if (this.#restBytes > captureLimits.lineBytes) this.#rest = [];
    // A copy: the source may use its buffer again.
    else if (piece.length > 0) this.#rest.push(Uint8Array.from(piece));
  }

  #take(): void {
    const line = this.#line++;
    const [bytes, content] = [this.#restBytes, Buffer.concat(this.#rest).toString('utf8')];
    this.#rest = [];
    this.#restBytes = 0;
    try {
      if (bytes > captureLimits.lineBytes)
        throw new BrokenLine(`the line has ${bytes} bytes, expected at most ${captureLimits.lineBytes}`);
      if (content.trim() !== '') this.#handler.request({ line, bytes, ...parseLine(content) });
    } catch (error) {
      if (!(error instanceof BrokenLine)) throw error;
      this.#handler.broken(line, error.message);
    }
  }
}

const LINE_FEED = 10;

/** A reason why one line cannot be read, in words that hold no captured data. */
class BrokenLine extends Error {}

const payload = z.object({
  data: z.string(),
  encoding: z.enum(['CSV', 'JSON', 'BASE64']),
  observedContentType: z.optional(z.string()),
});

const captureLine = z.object({
  captureData: z.object({ endpointInput: payload, endpointOutput: payload }),
  eventMetadata: z.object({
    eventId: z.string().check(z.minLength(1)),
    inferenceId: z.optional(z.string().check(z.minLength(1))),
    inferenceTime: z.iso.datetime(),
  }),
});

const jsonLinesTypes: ReadonlySet<string> = new Set(['application/jsonlines', 'application/x-ndjson']);

const jsonRows = z.union([
  z.object({ instances: z.array(z.record(z.string(), z.unknown())).check(z.minLength(1)) }),
  z.object({ inputs: z.record(z.string(), z.array(z.unknown()).check(z.minLength(1))) }),
]);

function parseLine(content: string): Omit<CapturedRequest, 'line' | 'bytes'> {
  const { captureData, eventMetadata } = check(captureLine, parseJson(content, 'the line'), 'the line');
  const rows = parseRows(captureData.endpointInput);
  const output = parseJson(decode(captureData.endpointOutput, 'endpointOutput'), 'endpointOutput');
  limitRows(output, 'endpointOutput');
  const { predictions, modelVersion } = check(invocationResponse, output, 'endpointOutput');
  if (predictions.length !== rows.length) {
    throw new BrokenLine(
      `${rows.length} rows in endpointInput, but ${predictions.length} predictions in endpointOutput`,
    );
  }
  const { inferenceId, eventId, inferenceTime } = eventMetadata;
  return { rows, predictions, modelVersion, inferenceId: inferenceId ?? eventId, time: inferenceTime };
}

function parseRows(input: z.infer<typeof payload>): Row[] {
  const text = decode(input, 'endpointInput');
  const type = (input.observedContentType ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (input.encoding === 'CSV' || type === 'text/csv') return parseCsv(text);
  const json = jsonLinesTypes.has(type)
    ? { instances: text.split('\n').flatMap((row) => (row.trim() ? [parseJson(row, 'endpointInput')] : [])) }
    : parseJson(text, 'endpointInput');
  limitRows(json, 'endpointInput');
  const content = check(jsonRows, json, 'endpointInput');
  return 'instances' in content ? content.instances : rowsOfColumns(content.inputs);
}

/** Before a schema looks at each of them, and tells what is wrong with each. */
function limitRows(value: unknown, part: string): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, rows] of Object.entries(value)) {
    if (Array.isArray(rows) && rows.length > captureLimits.rowsPerLine)
      throw new BrokenLine(`${part} has ${rows.length} rows, expected at most ${captureLimits.rowsPerLine}`);
    if (name === 'inputs') limitRows(rows, part);
  }
}

function rowsOfColumns(columns: Readonly<Record<string, readonly unknown[]>>): Row[] {
  const entries = Object.entries(columns);
  const [first, ...others] = entries.map(([, values]) => values.length);
  if (first === undefined || others.some((length) => length !== first))
    throw new BrokenLine('endpointInput: the columns of inputs are not of one length');
  return Array.from({ length: first }, (_, row) =>
    Object.fromEntries(entries.map(([column, values]) => [column, values[row]])),
  );
}

/** SageMaker captures as base64 what is of neither content type that the capture config lists. */
function decode({ data, encoding }: z.infer<typeof payload>, part: string): string {
  if (encoding !== 'BASE64') return data;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(data, 'base64'));
  } catch (error) {
    if (error instanceof TypeError) throw new BrokenLine(`${part} is not UTF-8 text in base64`);
    throw error;
  }
}

function parseJson(text: string, part: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // The engine's message quotes the text, which may be personal.
    if (error instanceof SyntaxError) throw new BrokenLine(`${part} is not JSON`);
    throw error;
  }
}

function check<T>(schema: z.ZodMiniType<T>, value: unknown, part: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue && issue.path.length > 0 ? ` at ${issue.path.slice(0, 4).join('.')}` : '';
  throw new BrokenLine(`${part} has another shape${where}: ${issue?.message ?? 'unreadable'}`);
}

/** CSV with a header (RFC 4180): every row a record of text. */
function parseCsv(text: string): Row[] {
  const [header, ...records] = splitCsv(text.replace(/^\uFEFF/, ''));
  if (!header || records.length === 0) throw new BrokenLine('endpointInput is CSV without a header and a row');
  return records.map((record, index) => {
    if (record.length !== header.length) {
      throw new BrokenLine(
        `endpointInput: CSV row ${index + 1} has ${record.length} fields, the header has ${header.length}`,
      );
    }
    return Object.fromEntries(header.map((column, field) => [column, record[field]]));
  });
}

/**
 * Records of fields. One token is a field, quoted or plain, with the separator that ends it; a quoted field doubles its
 * quotes. A line end at the end of the text begins no record.
 */
function splitCsv(text: string): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  const token = /(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\r?\n|$)/y;
  while (token.lastIndex < text.length || record.length > 0) {
    const match = token.exec(text);
    if (!match) throw new BrokenLine('endpointInput is CSV with a stray quote');
    record.push(match[1] === undefined ? (match[2] ?? '') : match[1].replaceAll('""', '"'));
    if (match[3] === ',') continue;
    if (record.length > 1 || record[0] !== '') records.push(record);
    record = [];
  }
  return records;
}
