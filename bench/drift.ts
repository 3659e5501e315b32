/**
 * Drift: rows counted a second, and the time of one measurement of 100 features × 10 bins, against numpy and scipy doing
 * the same on the same machine (`drift_baseline.py`, in the models' venv; left out where that is not installed).
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as z from 'zod';
import type { BaselineFile } from '../lambdas/contract/model-files.ts';
import { CaptureReader } from '../lambdas/domain/drift/capture.ts';
import { countRows, decodeCounts, emptyCounts, encodeCounts, mergeCounts } from '../lambdas/domain/drift/counts.ts';
import { measureDrift } from '../lambdas/domain/drift/measure.ts';
import { renderDriftReport } from '../lambdas/domain/drift/report.ts';

export interface Result {
  readonly metric: string;
  readonly value: number;
  readonly unit: string;
  readonly against?: { readonly name: string; readonly value: number };
  /** How many times better than `against`. */
  readonly ratio?: number;
}

const FEATURES = 100;
const EDGES = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const ROWS = 20_000;
const REPETITIONS = 7;

export async function run(): Promise<Result[]> {
  const baseline = makeBaseline();
  const rows = makeRows();
  const predictions = rows.map((_, row) => (row % 100) / 10);
  const counts = countRows(baseline, rows, predictions);
  const policy = { minimumRows: 200, psi: 0.2, consecutive: 2 };
  const measure = () => measureDrift({ baseline, counts, policy });
  const measurement = measure();

  const countMs = fastest(() => countRows(baseline, rows, predictions));
  const lines = captureLines(2_000);
  const parseMs = fastest(() => readLines(lines));
  const measureMs = fastest(measure);
  const texts = Array.from({ length: 24 }, () => encodeCounts(counts));
  const mergeMs = fastest(() =>
    texts.reduce((sum, text) => mergeCounts(sum, decodeCounts(baseline, text)), emptyCounts(baseline)),
  );
  const report = {
    project: 'bench',
    model: 1,
    at: '2013-07-01T10:00:00Z',
    baseline,
    counts,
    measurement,
    threshold: 0.2,
  };
  const reportMs = fastest(() => renderDriftReport(report));

  const python = await measurePython();
  return [
    faster(
      'rows counted (100 features)',
      (ROWS / countMs) * 1000,
      'rows/s',
      python && {
        name: 'numpy searchsorted and bincount on the same rows as dicts',
        value: python.rowsPerSecond,
      },
    ),
    {
      metric: 'captured requests parsed (10 rows × 10 columns each)',
      value: (2_000 / parseMs) * 1000,
      unit: 'requests/s',
    },
    slower(
      'measurement of 100 features × 10 bins',
      measureMs,
      'ms',
      python && {
        name: 'numpy and scipy, the same statistics',
        value: python.measureMs,
      },
    ),
    { metric: 'merging a day of hourly counts, decoded', value: mergeMs, unit: 'ms' },
    { metric: 'report of 100 features', value: reportMs, unit: 'ms' },
    { metric: 'encoded counts of 100 features', value: encodeCounts(counts).length, unit: 'bytes' },
  ].map((result) => ({ ...result, value: Number(result.value.toPrecision(4)) }));
}

/** Features alternate: 9 edges, or 8 listed values. */
function makeBaseline(): BaselineFile {
  const counts = new Array<number>(10).fill(5_000);
  const values = Array.from({ length: 8 }, (_, value) => `v${value}`);
  return {
    schemaVersion: 1,
    rows: 50_000,
    features: Array.from({ length: FEATURES }, (_, index) =>
      index % 2 === 0
        ? { name: `f${index}`, kind: 'numeric', edges: EDGES, counts, missing: 0 }
        : { name: `f${index}`, kind: 'categorical', values, counts: values.map(() => 6_000), other: 2_000, missing: 0 },
    ),
    prediction: { name: 'prediction', kind: 'numeric', edges: EDGES, counts, missing: 0 },
  };
}

/** The same values in both languages: a Weyl sequence, ten equal bins; `v8` and `v9` are not listed. */
function makeRows(): Record<string, unknown>[] {
  return Array.from({ length: ROWS }, (_, row) =>
    Object.fromEntries(
      Array.from({ length: FEATURES }, (_, index) => {
        const value = (((row * 31 + index * 17) * 0.6180339887498949) % 1) * 10;
        return [`f${index}`, index % 2 === 0 ? value : `v${Math.floor(value)}`];
      }),
    ),
  );
}

function captureLines(count: number): string {
  const instances = Array.from({ length: 10 }, (_, row) =>
    Object.fromEntries(Array.from({ length: 10 }, (_, column) => [`f${column}`, row * column * 0.37])),
  );
  const answer = { predictions: instances.map(() => 0.25), modelVersion: 'bench/1' };
  const part = (value: unknown) => ({
    observedContentType: 'application/json',
    data: JSON.stringify(value),
    encoding: 'JSON',
  });
  const line = JSON.stringify({
    captureData: { endpointInput: part({ instances }), endpointOutput: part(answer) },
    eventMetadata: { eventId: 'e', inferenceTime: '2013-07-01T09:15:00Z' },
    eventVersion: '0',
  });
  return `${line}\n`.repeat(count);
}

/** Milliseconds of the fastest of some runs: what the code costs when nothing disturbs it. */
function fastest(work: () => unknown): number {
  const times = Array.from({ length: REPETITIONS }, () => {
    const start = performance.now();
    work();
    return performance.now() - start;
  });
  return Math.min(...times);
}

type Against = Result['against'];

function faster(metric: string, value: number, unit: string, against: Against): Result {
  return against
    ? { metric, value, unit, against, ratio: Number((value / against.value).toFixed(2)) }
    : { metric, value, unit };
}

function slower(metric: string, value: number, unit: string, against: Against): Result {
  return against
    ? { metric, value, unit, against, ratio: Number((against.value / value).toFixed(2)) }
    : { metric, value, unit };
}

const pythonFigures = z.object({ rowsPerSecond: z.number(), measureMs: z.number() });

async function measurePython(): Promise<z.infer<typeof pythonFigures> | undefined> {
  const python = fileURLToPath(new URL('../.flywheel/venv/models/bin/python', import.meta.url));
  if (!existsSync(python)) return undefined;
  const script = fileURLToPath(new URL('./drift_baseline.py', import.meta.url));
  const { stdout } = await promisify(execFile)(python, [script, `${FEATURES}`, `${ROWS}`, `${REPETITIONS}`]);
  return pythonFigures.parse(JSON.parse(stdout));
}

/** As profile-capture reads a file. */
function readLines(text: string): number {
  let requests = 0;
  const reader = new CaptureReader({ request: () => requests++, broken() {} });
  reader.push(Buffer.from(text));
  reader.end();
  return requests;
}
