/**
 * The pass over an upload: throughput and peak memory on 100 MB of flights, each format in a process of its own; the
 * splitting alone against csv-parse on the same file; size and start of the bundle that holds the pass.
 *
 *     node bench/dataset.ts pass csv FILE     one measurement, as the bench starts it
 */
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream, existsSync, mkdirSync, statSync } from 'node:fs';
import { finished, pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGzip } from 'node:zlib';
import { parse } from 'csv-parse';
import { build } from 'esbuild';
import * as z from 'zod';
import { type ColumnSettings, uploadFormats } from '../lambdas/contract/settings.ts';
import { CsvSplitter } from '../lambdas/domain/dataset/csv.ts';
import { inspectUpload } from '../lambdas/domain/dataset/inspect.ts';
import type { ByteSource } from '../lambdas/domain/dataset/source.ts';
import type { Result } from './drift.ts';

const FOLDER = '.flywheel/bench/dataset';
const CSV = `${FOLDER}/flights.csv`;
const CSV_BYTES = 100e6;
const STARTS = 9;

const base = { role: 'feature', nullable: false, pii: false } as const;
const number = { ...base, type: 'number', nullable: true } as const;
export const flightColumns: Record<string, ColumnSettings> = {
  flight_id: { ...base, role: 'id', type: 'text' },
  scheduled_departure: { ...base, role: 'time', type: 'timestamp' },
  carrier: { ...base, type: 'category' },
  origin: { ...base, type: 'category', values: ['EWR', 'JFK', 'LGA'] },
  dest: { ...base, type: 'category' },
  distance: { ...base, type: 'number', min: 0, max: 6000 },
  hour: { ...base, type: 'integer', min: 0, max: 23 },
  dep_delay: { ...base, type: 'number', min: -120, max: 2000 },
  temp: { ...number, min: -40, max: 130 },
  dewp: { ...number, min: -60, max: 100 },
  humid: { ...number, min: 0, max: 100 },
  wind_dir: { ...number, min: 0, max: 360 },
  wind_speed: { ...number, min: 0, max: 253 },
  precip: { ...number, min: 0, max: 20 },
  pressure: { ...number, min: 870, max: 1085 },
  visib: { ...number, min: 0, max: 10 },
  late: { ...base, role: 'label', type: 'boolean' },
};

export async function run(): Promise<Result[]> {
  const files = await makeFiles();
  const [csv, gzip, jsonl] = [
    await measure('pass', 'csv', CSV),
    await measure('pass', 'csv', files.gzip),
    await measure('pass', 'jsonl', files.jsonl),
  ];
  const parquet = existsSync(files.parquet) ? await measure('pass', 'parquet', files.parquet) : undefined;
  const [split, csvParse] = [await measure('split', 'csv', CSV), await measure('csv-parse', 'csv', CSV)];
  const bundle = await measureBundle();
  return [
    throughput('pass over CSV', csv),
    {
      metric: 'processor time of the pass over CSV, with the start',
      value: Math.round(csv.cpuMilliseconds),
      unit: 'ms',
    },
    memory('peak memory, CSV', csv),
    throughput('pass over CSV.gz (of stored bytes)', gzip),
    throughput('pass over JSON Lines', jsonl),
    memory('peak memory, JSON Lines', jsonl),
    ...(parquet ? [throughput('pass over Parquet (of stored bytes)', parquet)] : []),
    ...(parquet ? [rate('pass over Parquet', parquet), memory('peak memory, Parquet', parquet)] : []),
    rate('pass over CSV', csv),
    {
      // Processor time, which other work on the machine does not stretch.
      metric: 'splitting CSV into records with lines, processor time',
      value: Math.round(split.cpuMilliseconds),
      unit: 'ms',
      against: { name: 'csv-parse 7 with info', value: Math.round(csvParse.cpuMilliseconds) },
      ratio: Number((csvParse.cpuMilliseconds / split.cpuMilliseconds).toFixed(2)),
    },
    ...bundle,
  ];
}

const measurement = z.object({
  bytes: z.number(),
  rows: z.number(),
  milliseconds: z.number(),
  cpuMilliseconds: z.number(),
  peakMiB: z.number(),
});
type Measurement = z.infer<typeof measurement>;

async function measure(what: string, format: string, file: string): Promise<Measurement> {
  const script = [import.meta.filename, what, format, file];
  const { stdout } = await promisify(execFile)(process.execPath, script, { timeout: 120_000 });
  return measurement.parse(JSON.parse(stdout));
}

/** What the child process of a measurement does. */
async function measureHere(what: string, format: (typeof uploadFormats)[number], file: string): Promise<Measurement> {
  const start = performance.now();
  const rows = what === 'pass' ? await pass(format, file) : what === 'split' ? await split(file) : await csvParse(file);
  const milliseconds = performance.now() - start;
  const { user, system } = process.cpuUsage();
  const cpuMilliseconds = (user + system) / 1000;
  const peakMiB = process.resourceUsage().maxRSS / 1024;
  return { bytes: statSync(file).size, rows, milliseconds, cpuMilliseconds, peakMiB };
}

async function pass(format: (typeof uploadFormats)[number], file: string): Promise<number> {
  const quality = { maximumBadRowShare: 0, minimumRows: 1 };
  const inspection = await inspectUpload(fileSource(file), { format, columns: flightColumns, quality });
  if (inspection.outcome !== 'accepted') throw new Error(`the sample was rejected: ${JSON.stringify(inspection)}`);
  return inspection.rows;
}

async function split(file: string): Promise<number> {
  let rows = 0;
  const splitter = new CsvSplitter({
    record: () => {
      rows += 1;
    },
    broken: (line) => {
      throw new Error(`line ${line} is broken`);
    },
  });
  for await (const chunk of createReadStream(file, 'latin1')) splitter.push(chunk);
  splitter.end();
  return rows - 1;
}

async function csvParse(file: string): Promise<number> {
  let rows = 0;
  const parser = createReadStream(file).pipe(parse({ info: true }));
  parser.on('data', () => {
    rows += 1;
  });
  await finished(parser);
  return rows - 1;
}

function fileSource(file: string): ByteSource {
  return {
    size: statSync(file).size,
    read: async (range) => createReadStream(file, range && { start: range.start, end: range.end - 1 }),
  };
}

/** The same rows in each format; Parquet by pyarrow, where the models' venv is installed. Kept for the next time. */
async function makeFiles(): Promise<{ gzip: string; jsonl: string; parquet: string }> {
  const files = { gzip: `${CSV}.gz`, jsonl: `${FOLDER}/flights.jsonl`, parquet: `${FOLDER}/flights.parquet` };
  if (existsSync(files.jsonl)) return files;
  mkdirSync(FOLDER, { recursive: true });
  const csv = createWriteStream(CSV);
  const jsonl = createWriteStream(`${files.jsonl}.part`);
  csv.write(`${Object.keys(flightColumns).join(',')}\n`);
  let bytes = 0;
  for (let row = 0; bytes < CSV_BYTES; row++) {
    const values = flight(row);
    const line = `${Object.values(values).join(',')}\n`;
    bytes += line.length;
    jsonl.write(`${JSON.stringify(values)}\n`);
    if (!csv.write(line)) await once(csv, 'drain');
  }
  await Promise.all([finished(csv.end()), finished(jsonl.end())]);
  await pipeline(createReadStream(CSV), createGzip({ level: 6 }), createWriteStream(files.gzip));
  const python = '.flywheel/venv/models/bin/python';
  const convert = `import pyarrow.csv, pyarrow.parquet; pyarrow.parquet.write_table(pyarrow.csv.read_csv('${CSV}'), '${files.parquet}', row_group_size=100_000)`;
  if (existsSync(python)) execFileSync(python, ['-c', convert]);
  execFileSync('mv', [`${files.jsonl}.part`, files.jsonl]);
  return files;
}

/** A flight in the shape of New York's of 2013: low-cardinality columns repeat, measured ones hardly do. */
function flight(row: number): Record<string, string | number | boolean> {
  const random = (salt: number) => {
    let mixed = Math.imul(row * 31 + salt, 0x9e3779b9);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b);
    return ((mixed ^ (mixed >>> 13)) >>> 0) / 2 ** 32;
  };
  const one = <T>(values: readonly T[], salt: number): T => {
    const value = values[Math.floor(random(salt) * values.length)];
    if (value === undefined) throw new Error('no values to choose from');
    return value;
  };
  const round = (value: number, digits: number) => Number(value.toFixed(digits));
  const origin = one(['EWR', 'JFK', 'LGA'], 1);
  const time = new Date(Date.UTC(2013, 0, 1, 5) + Math.floor(row / 40) * 60_000);
  const delay = Math.floor(random(2) ** 6 * 400) - 15;
  return {
    flight_id: `UA${row}-${origin}-${time.toISOString().slice(0, 10)}`,
    scheduled_departure: time.toISOString().replace('.000', ''),
    carrier: one(['UA', 'B6', 'EV', 'DL', 'AA', 'MQ', 'US', '9E', 'WN', 'VX', 'FL', 'AS', 'F9', 'YV', 'HA', 'OO'], 3),
    origin,
    dest: `D${Math.floor(random(4) * 105)}`,
    distance: 80 + Math.floor(random(4) * 105) * 40,
    hour: time.getUTCHours(),
    dep_delay: delay,
    temp: round(random(5) * 80 + 15, 2),
    dewp: round(random(6) * 70 - 5, 2),
    humid: round(random(7) * 100, 2),
    wind_dir: Math.floor(random(8) * 36) * 10,
    wind_speed: round(Math.floor(random(9) * 30) * 1.15078, 5),
    precip: random(10) < 0.93 ? 0 : round(random(11), 2),
    pressure: round(990 + random(12) * 45, 1),
    visib: random(13) < 0.8 ? 10 : round(random(14) * 10, 2),
    late: delay > 15,
  };
}

/** The pass as a function's code would hold it: bundle, and how much longer a process with it lives than an empty one. */
async function measureBundle(): Promise<Result[]> {
  const outfile = `${FOLDER}/bundle.mjs`;
  const emptyFile = `${FOLDER}/empty.mjs`;
  const options = { bundle: true, minify: true, platform: 'node', format: 'esm', logLevel: 'error' } as const;
  const contents = (code: string) => ({ stdin: { contents: code, resolveDir: `${import.meta.dirname}/..` } });
  const code = `import { inspectUpload } from './lambdas/domain/dataset/inspect.ts'; globalThis.pass = inspectUpload;`;
  await build({ ...options, ...contents(code), outfile });
  await build({ ...options, ...contents('globalThis.pass = 1;'), outfile: emptyFile });
  const fastest = (file: string) => Math.min(...Array.from({ length: STARTS }, () => startOf(file)));
  return [
    { metric: 'bundle of the pass, minified', value: round(statSync(outfile).size / 1000), unit: 'kB' },
    {
      metric: 'start of the bundle, above an empty one',
      value: round(fastest(outfile) - fastest(emptyFile)),
      unit: 'ms',
    },
  ];
}

function startOf(file: string): number {
  const start = performance.now();
  execFileSync(process.execPath, [file]);
  return performance.now() - start;
}

function throughput(metric: string, { bytes, milliseconds }: Measurement): Result {
  return { metric, value: round(bytes / 1000 / milliseconds), unit: 'MB/s' };
}

function rate(metric: string, { rows, milliseconds }: Measurement): Result {
  return { metric: `${metric}, rows`, value: Math.round((rows / milliseconds) * 1000), unit: 'rows/s' };
}

function memory(metric: string, { peakMiB }: Measurement): Result {
  return { metric, value: Math.round(peakMiB), unit: 'MiB' };
}

const round = (value: number): number => Number(value.toPrecision(3));

if (import.meta.main) {
  const [what = '', format, file = ''] = process.argv.slice(2);
  console.log(JSON.stringify(await measureHere(what, z.enum(uploadFormats).parse(format), file)));
}
