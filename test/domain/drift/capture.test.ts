import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { captureLimits } from '../../../lambdas/contract/limits.ts';
import { type CapturedRequest, CaptureReader } from '../../../lambdas/domain/drift/capture.ts';
import { forAll } from '../for-all.ts';

interface Capture {
  readonly requests: readonly Omit<CapturedRequest, 'bytes'>[];
  readonly broken: readonly { readonly line: number; readonly reason: string }[];
}

/** What a reader tells of a file that comes in these pieces. */
function readPieces(pieces: readonly Uint8Array[]): Capture {
  const requests: Omit<CapturedRequest, 'bytes'>[] = [];
  const broken: { line: number; reason: string }[] = [];
  const reader = new CaptureReader({
    request: ({ bytes: _bytes, ...request }) => requests.push(request),
    broken: (line, reason) => broken.push({ line, reason }),
  });
  for (const piece of pieces) reader.push(piece);
  reader.end();
  return { requests, broken };
}

const parseCapture = (text: string): Capture => readPieces([Buffer.from(text)]);

type Part = { data: string; encoding?: string; observedContentType?: string };
const base64 = (text: string) => Buffer.from(text, 'utf8').toString('base64');
const answer = (count: number) =>
  JSON.stringify({ predictions: Array.from({ length: count }, () => 0.25), modelVersion: 'flights/3' });

function line(input: Part, output: Part, metadata: Record<string, unknown> = {}): string {
  const json = { observedContentType: 'application/json', encoding: 'JSON' };
  return JSON.stringify({
    captureData: {
      endpointInput: { ...json, mode: 'INPUT', ...input },
      endpointOutput: { ...json, mode: 'OUTPUT', ...output },
    },
    eventMetadata: { eventId: 'event-1', inferenceTime: '2013-07-01T09:15:00Z', ...metadata },
    eventVersion: '0',
  });
}
const rows = [
  { carrier: 'UA', temperature: 21.5 },
  { carrier: 'B6', temperature: null },
];
const good = line({ data: JSON.stringify({ instances: rows }) }, { data: answer(2) });

describe('parseCapture', () => {
  it('reads rows, predictions, model version, inference id and time', () => {
    const request = {
      line: 1,
      rows,
      predictions: [0.25, 0.25],
      modelVersion: 'flights/3',
      inferenceId: 'event-1',
      time: '2013-07-01T09:15:00Z',
    };
    expect(parseCapture(good)).toEqual({ requests: [request], broken: [] });
    const named = line({ data: '{"instances":[{}]}' }, { data: answer(1) }, { inferenceId: 'mine' });
    expect(parseCapture(named).requests[0]?.inferenceId).toBe('mine');
  });

  it('reads JSON by columns', () => {
    const inputs = { carrier: ['UA', 'B6'], temperature: [21.5, null] };
    const { requests } = parseCapture(line({ data: JSON.stringify({ inputs }) }, { data: answer(2) }));
    expect(requests[0]?.rows).toEqual(rows);
  });

  it('reads JSON Lines', () => {
    const data = base64(`${rows.map((row) => JSON.stringify(row)).join('\n')}\n\n`);
    const input = { data, encoding: 'BASE64', observedContentType: 'application/jsonlines; charset=utf-8' };
    expect(parseCapture(line(input, { data: answer(2) })).requests[0]?.rows).toEqual(rows);
    const broken = { data: '{"a":1}\n{', observedContentType: 'application/x-ndjson' };
    expect(parseCapture(line(broken, { data: answer(2) })).broken[0]?.reason).toBe('endpointInput is not JSON');
  });

  it('reads base64 of either part', () => {
    const encoded = line(
      { data: base64(JSON.stringify({ instances: [{ city: 'Zürich' }] })), encoding: 'BASE64' },
      { data: base64(answer(1)), encoding: 'BASE64' },
    );
    expect(parseCapture(encoded).requests[0]?.rows).toEqual([{ city: 'Zürich' }]);
  });

  it('reads multiclass answers', () => {
    const predictions = [{ label: 'late', probabilities: { late: 0.7, early: 0.3 } }];
    const text = line({ data: '{"instances":[{}]}' }, { data: JSON.stringify({ predictions, modelVersion: 'x/1' }) });
    expect(parseCapture(text).requests[0]?.predictions).toEqual(predictions);
  });

  it.each([
    ['CSV', 'text/csv', (text: string) => text],
    ['BASE64', 'text/csv; charset=utf-8', base64],
  ])('reads CSV with a header, captured as %s', (encoding, observedContentType, encode) => {
    const data = encode('carrier,note,temperature\r\nUA,"a ""b"", c",21.5\r\nB6,"two\nlines",\r\n');
    const { requests } = parseCapture(line({ data, encoding, observedContentType }, { data: answer(2) }));
    expect(requests[0]?.rows).toEqual([
      { carrier: 'UA', note: 'a "b", c', temperature: '21.5' },
      { carrier: 'B6', note: 'two\nlines', temperature: '' },
    ]);
  });

  it('reads any CSV that was written with quotes', () => {
    const field = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r\n', ' '), maxLength: 6 });
    const table = fc
      .integer({ min: 2, max: 4 })
      .chain((width) =>
        fc.array(fc.array(field, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 5 }),
      );
    forAll(table, (records) => {
      const header = (records[0] ?? []).map((_, column) => `c${column}`);
      const data = [header, ...records]
        .map((record) => record.map((entry) => `"${entry.replaceAll('"', '""')}"`).join())
        .join('\n');
      const { requests, broken } = parseCapture(line({ data, encoding: 'CSV' }, { data: answer(records.length) }));
      expect(broken).toEqual([]);
      expect(requests[0]?.rows.map((row) => header.map((column) => row[column]))).toEqual(records);
    });
  });

  it.each([
    ['not JSON', '{"captureData":', 'the line is not JSON'],
    ['a part that is missing', '{"captureData":{},"eventMetadata":{}}', 'the line has another shape at captureData'],
    ['input that is not JSON', line({ data: 'secret' }, { data: answer(1) }), 'endpointInput is not JSON'],
    ['input without instances', line({ data: '{"rows":[]}' }, { data: answer(1) }), 'endpointInput has another shape'],
    ['columns that are no lists', line({ data: '{"inputs":{"a":1}}' }, { data: answer(1) }), 'has another shape'],
    ['no column', line({ data: '{"inputs":{}}' }, { data: answer(1) }), 'not of one length'],
    ['uneven columns', line({ data: '{"inputs":{"a":[1],"b":[1,2]}}' }, { data: answer(1) }), 'not of one length'],
    ['an error page', line({ data: '{"instances":[{}]}' }, { data: '<html>' }), 'endpointOutput is not JSON'],
    ['an answer of another shape', line({ data: '{"instances":[{}]}' }, { data: '{}' }), 'endpointOutput has another'],
    ['too few predictions', line({ data: '{"instances":[{},{}]}' }, { data: answer(1) }), '2 rows in endpointInput'],
    ['bytes that are no text', line({ data: '/w==', encoding: 'BASE64' }, { data: answer(1) }), 'not UTF-8'],
    ['CSV without rows', line({ data: 'a,b\n', encoding: 'CSV' }, { data: answer(1) }), 'without a header and a row'],
    ['ragged CSV', line({ data: 'a,b\n1', encoding: 'CSV' }, { data: answer(1) }), 'row 1 has 1 fields'],
    ['CSV with a stray quote', line({ data: 'a,b\n1,x"y', encoding: 'CSV' }, { data: answer(1) }), 'stray quote'],
    ['no time', line({ data: '{"instances":[{}]}' }, { data: answer(1) }, { inferenceTime: '' }), 'inferenceTime'],
  ])('reports %s with its line, and keeps the other lines', (_, wrong, reason) => {
    const { requests, broken } = parseCapture(`${good}\n\n${wrong}\n${good}\n`);
    expect(requests.map((request) => request.line)).toEqual([1, 4]);
    expect(broken).toEqual([{ line: 3, reason: expect.stringContaining(reason) }]);
  });

  it('never quotes captured data in a reason', () => {
    const secret = 'P4ssw0rd';
    const lines = [
      secret,
      line({ data: secret }, { data: answer(1) }),
      line({ data: JSON.stringify({ instances: [secret] }) }, { data: answer(1) }),
      line({ data: '{"instances":[{}]}' }, { data: JSON.stringify({ predictions: [secret], modelVersion: 'x/1' }) }),
      line({ data: `a,b\n${secret}`, encoding: 'CSV' }, { data: answer(1) }),
      line({ data: `a,b\n${secret},"${secret}`, encoding: 'CSV' }, { data: answer(1) }),
    ];
    const { broken } = parseCapture(lines.join('\n'));
    expect(broken).toHaveLength(lines.length);
    expect(JSON.stringify(broken)).not.toContain(secret);
  });

  it('accounts for every line of any text', () => {
    const anyLine = fc.oneof(fc.constant(good), fc.json(), fc.string()).map((text) => text.replaceAll('\n', ' '));
    forAll(fc.array(anyLine), (lines) => {
      const { requests, broken } = parseCapture(lines.join('\n'));
      expect(requests.length + broken.length).toBe(lines.filter((text) => text.trim() !== '').length);
    });
  });

  it('reads the same wherever the bytes are parted', () => {
    const bytes = Buffer.from(`${good}\n\nbroken\n${good.replaceAll('UA', 'Zürich')}`);
    forAll(fc.array(fc.nat(bytes.length), { maxLength: 8 }), (places) => {
      const cuts = [0, ...places.sort((a, b) => a - b), bytes.length];
      const pieces = cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end));
      expect(readPieces(pieces)).toEqual(readPieces([bytes]));
    });
  });
});

describe('lines that cost more than they weigh', () => {
  const wrongBy = (text: string) => parseCapture(`${text}\n${good}\n`);

  it('a line that is too long is left out without being kept, and the next one is read', () => {
    const reader: Capture['broken'][number][] = [];
    let requests = 0;
    const taken = new CaptureReader({
      request: () => requests++,
      broken: (line, reason) => reader.push({ line, reason }),
    });
    const before = process.memoryUsage().arrayBuffers;
    const piece = Buffer.alloc(1 << 20, 'x');
    for (let megabyte = 0; megabyte < 200; megabyte++) taken.push(piece);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * captureLimits.lineBytes);
    taken.push(Buffer.from(`\n${good}\n`));
    taken.end();
    expect(reader).toEqual([{ line: 1, reason: expect.stringContaining(`at most ${captureLimits.lineBytes}`) }]);
    expect(requests).toBe(1);
  });

  it.each([
    [
      'two million empty rows',
      line({ data: `{"instances":[${'1,'.repeat(2_000_000)}1]}` }, { data: answer(1) }),
      'rows',
    ],
    [
      'as many columns of one',
      line({ data: `{"inputs":{"a":[${'1,'.repeat(2_000_000)}1]}}` }, { data: answer(1) }),
      'rows',
    ],
    [
      'as many predictions',
      line({ data: '{"instances":[{}]}' }, { data: `{"predictions":[${'{},'.repeat(2_000_000)}1]}` }),
      'rows',
    ],
    ['lists in lists', line({ data: '['.repeat(1_000_000) }, { data: answer(1) }), 'not JSON'],
    [
      'a quoted field of megabytes',
      line({ data: `a\n"${'x""'.repeat(2_000_000)}`, encoding: 'CSV' }, { data: answer(1) }),
      'stray quote',
    ],
  ])('%s are one broken line', (_, wrong, reason) => {
    const start = performance.now();
    const { requests, broken } = wrongBy(wrong);
    expect(broken).toEqual([{ line: 1, reason: expect.stringContaining(reason) }]);
    expect(requests).toHaveLength(1);
    expect(performance.now() - start).toBeLessThan(4000);
  });
});
