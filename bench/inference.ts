/**
 * Inference: the container process with a trained booster, requests of 1 and of 1,000 rows, against MLflow's local server
 * with the same booster and the same rows. Both run at once on this machine and are measured in turns by the same
 * client: one connection, the next request when the answer is there. A booster of 60 rounds is about what early stopping
 * leaves of a month or two of flights; with 200 more of the time is the trees', which both servers spend.
 *
 * JSON is compared with JSON and CSV with CSV. MLflow's JSON is `dataframe_split`, the fastest of its forms.
 *
 * MLflow gets an environment of its own (`bench/inference/requirements.txt`); where that cannot be installed, ours is
 * measured alone.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import * as z from 'zod';
import type { Result } from './drift.ts';

const ROOT = join(import.meta.dirname, '..');
const FOLDER = join(ROOT, '.flywheel/bench/inference');
const ENVIRONMENTS = join(ROOT, '.flywheel/venv');
const REQUIREMENTS = join(import.meta.dirname, 'inference/requirements.txt');
const ROUNDS = [60, 200] as const;
/** The request files of `models/bench/inference.py`, each with the one of MLflow that it is compared with. */
const REQUESTS = [
  { rows: 1, form: 'JSON', ours: 'request-1-by-rows.json', theirs: 'mlflow-request-1.json' },
  { rows: 1_000, form: 'JSON by columns', ours: 'request-1000-by-columns.json', theirs: 'mlflow-request-1000.json' },
  { rows: 1_000, form: 'JSON by rows', ours: 'request-1000-by-rows.json', theirs: 'mlflow-request-1000.json' },
  { rows: 1_000, form: 'CSV', ours: 'request-1000-table.csv', theirs: 'mlflow-request-1000.csv' },
] as const;
const TURNS = 10;
const TURN_MS = 700;
const WARM_UP_MS = 1_000;
/** Both answer from the same trees; ours prints 9 digits of a float32. */
const TOLERANCE = 1e-6;

const execute = promisify(execFile);

export async function run(): Promise<Result[]> {
  const models = join(ENVIRONMENTS, 'models/bin/python');
  const mlflow = await mlflowPython(models);
  const results: Result[] = [];
  for (const rounds of ROUNDS) results.push(...(await compareServers(models, mlflow, rounds)));
  return results;
}

async function compareServers(models: string, mlflow: string | undefined, rounds: number): Promise<Result[]> {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  console.error(`training the booster: 20,000 rows, 14 columns, ${rounds} rounds`);
  const train = ['--rounds', `${rounds}`, '--seconds', '0.1', '--keep', FOLDER];
  await execute(models, [join(ROOT, 'models/bench/inference.py'), ...train]);
  if (mlflow !== undefined) await execute(mlflow, [join(import.meta.dirname, 'inference/mlflow_model.py'), FOLDER]);

  const servers: Server[] = [];
  try {
    servers.push(await startOurs(models));
    if (mlflow !== undefined) servers.push(await startMlflow(mlflow));
    const timings = await measure(servers);
    return timings.flatMap(({ rows, form, times: [ours, theirs] }) => {
      const of = `${count(rows)}, ${form}, ${rounds} rounds`;
      return [
        compare(`rows per second, ${of}`, 'rows/s', rate, ours, theirs, rows),
        compare(`p50, ${of}`, 'ms', (times) => percentile(times, 0.5), ours, theirs, rows),
        compare(`p99, ${of}`, 'ms', (times) => percentile(times, 0.99), ours, theirs, rows),
      ];
    });
  } finally {
    for (const server of servers) await server.stop();
  }
}

interface Server {
  readonly client: Client;
  /** Which of a comparison's files it reads. */
  readonly reads: 'ours' | 'theirs';
  readonly stop: () => Promise<void>;
}

interface Timing {
  readonly rows: number;
  readonly form: string;
  /** Milliseconds of every request, one list a server. */
  readonly times: readonly number[][];
}

/** In turns, so that what else the machine does meets both. */
async function measure(servers: readonly Server[]): Promise<Timing[]> {
  const timings: Timing[] = [];
  for (const { rows, form, ...files } of REQUESTS) {
    const requests = servers.map(({ reads }) => readRequest(files[reads]));
    const answers: number[][] = [];
    for (const [index, { client }] of servers.entries()) {
      const request = at(requests, index);
      answers.push(predictions(await client.post(request)));
      await repeat(client, request, WARM_UP_MS);
    }
    requireEqual(answers, rows);
    const times = servers.map((): number[] => []);
    for (let turn = 0; turn < TURNS; turn++) {
      for (const [index, { client }] of servers.entries()) {
        at(times, index).push(...(await repeat(client, at(requests, index), TURN_MS)));
      }
    }
    timings.push({ rows, form, times });
  }
  return timings;
}

interface Request {
  readonly contentType: string;
  readonly body: Buffer;
}

function readRequest(file: string): Request {
  const contentType = file.endsWith('.csv') ? 'text/csv' : 'application/json';
  return { contentType, body: readFileSync(join(FOLDER, file)) };
}

async function repeat(client: Client, request: Request, milliseconds: number): Promise<number[]> {
  const times: number[] = [];
  const end = performance.now() + milliseconds;
  for (let before = performance.now(); before < end; ) {
    await client.post(request);
    const after = performance.now();
    times.push(after - before);
    before = after;
  }
  return times;
}

const answer = z.object({ predictions: z.array(z.number()) });

function predictions(body: Buffer): number[] {
  return answer.parse(JSON.parse(body.toString())).predictions;
}

function requireEqual(answers: readonly number[][], rows: number): void {
  const [ours, theirs] = answers;
  if (ours?.length !== rows) throw new Error(`got ${ours?.length} predictions, expected ${rows}`);
  const apart = theirs ? Math.max(...ours.map((value, row) => Math.abs(value - (theirs[row] ?? Number.NaN)))) : 0;
  if (!(apart <= TOLERANCE))
    throw new Error(`predictions differ by ${apart}: the servers do not hold the same booster`);
}

/** The least that a client can do, so that little of what is measured is its own: one socket, prepared bytes. */
class Client {
  readonly #socket: Socket;
  #received: Buffer[] = [];
  #arrived: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket.setNoDelay(true);
    socket.on('data', (part) => {
      this.#received.push(part);
      this.#arrived();
    });
    socket.on('close', () => this.#arrived());
  }

  static async open(port: number): Promise<Client> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new Client(socket);
  }

  /** @throws for a status that is not 200 or a closed connection */
  async post({ contentType, body }: Request): Promise<Buffer> {
    this.#received = [];
    this.#socket.write(
      `POST /invocations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${contentType}\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    this.#socket.write(body);
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#arrived = resolve;
      await promise;
      const response = Buffer.concat(this.#received);
      const headEnd = response.indexOf('\r\n\r\n');
      const head = response.subarray(0, Math.max(headEnd, 0)).toString('latin1');
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
      if (headEnd >= 0 && response.length >= headEnd + 4 + length) {
        if (head.startsWith('HTTP/1.1 200')) return response.subarray(headEnd + 4);
        throw new Error(`got ${response.toString().slice(0, 500)}, expected status 200`);
      }
      if (this.#socket.closed || this.#socket.destroyed) throw new Error('the server closed the connection');
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

async function startOurs(python: string): Promise<Server> {
  const child = spawn(python, [join(ROOT, 'models/common/serve.py')], {
    env: {
      ...process.env,
      SAGEMAKER_BASE_DIR: FOLDER,
      SAGEMAKER_BIND_TO_PORT: '0',
      FLYWHEEL_BIND_HOST: '127.0.0.1',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface(child.stdout)) {
    const port = /^listening on .*:(\d+)$/.exec(line)?.[1];
    if (port === undefined) continue;
    // What it still prints has to go somewhere.
    child.stdout.resume();
    const client = await Client.open(Number(port));
    return { client, reads: 'ours', stop: () => stop(child, client) };
  }
  throw new Error(`${python} models/common/serve.py ended before it listened`);
}

/** `mlflow models serve` as its documentation has it, in the environment it runs in. */
async function startMlflow(python: string): Promise<Server> {
  const port = await freePort();
  const command = ['-m', 'mlflow', 'models', 'serve', '--model-uri', join(FOLDER, 'mlflow-model')];
  const child = spawn(python, [...command, '--env-manager', 'local', '--host', '127.0.0.1', '--port', `${port}`], {
    env: { ...process.env, PATH: `${join(python, '..')}:${process.env.PATH ?? ''}` },
    stdio: ['ignore', 'ignore', 'pipe'],
    // It starts the server as a child: a group of their own, so that both can be ended.
    detached: true,
  });
  let log = '';
  child.stderr.on('data', (part: Buffer) => {
    log = (log + part.toString()).slice(-2_000);
  });
  const deadline = Date.now() + 120_000;
  for (;;) {
    const ready = await fetch(`http://127.0.0.1:${port}/ping`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (ready) break;
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`MLflow's server did not start:\n${log}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const client = await Client.open(port);
  return { client, reads: 'theirs', stop: () => stop(child, client, true) };
}

async function stop(child: ChildProcess, client: Client, group = false): Promise<void> {
  client.close();
  if (child.exitCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  process.kill(group ? -child.pid : child.pid, 'SIGTERM');
  await ended;
}

/** undefined, with the reason on stderr, where MLflow cannot be installed. */
async function mlflowPython(base: string): Promise<string | undefined> {
  const folder = join(ENVIRONMENTS, 'mlflow');
  const python = join(folder, 'bin/python');
  const stamp = join(folder, 'installed.sha256');
  const wanted = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return python;
  console.error(
    'installing MLflow (bench/inference/requirements.txt → .flywheel/venv/mlflow), a minute the first time',
  );
  try {
    await execute(base, ['-m', 'venv', '--clear', folder]);
    await execute(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', REQUIREMENTS]);
  } catch (error) {
    console.error(`MLflow not installed, so there is no comparison: ${error instanceof Error ? error.message : error}`);
    return undefined;
  }
  writeFileSync(stamp, wanted);
  return python;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  server.close();
  await once(server, 'close');
  return port;
}

function compare(
  metric: string,
  unit: 'rows/s' | 'ms',
  figure: (times: readonly number[], rows: number) => number,
  ours: readonly number[] = [],
  theirs: readonly number[] | undefined,
  rows: number,
): Result {
  const value = Number(figure(ours, rows).toPrecision(4));
  if (theirs === undefined) return { metric, value, unit };
  const against = {
    name: "MLflow's local server, the same booster",
    value: Number(figure(theirs, rows).toPrecision(4)),
  };
  const ratio = unit === 'ms' ? against.value / value : value / against.value;
  return { metric, value, unit, against, ratio: Number(ratio.toFixed(2)) };
}

function rate(times: readonly number[], rows: number): number {
  return (rows * times.length * 1_000) / times.reduce((sum, time) => sum + time, 0);
}

function percentile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return at(sorted, Math.min(Math.floor(sorted.length * share), sorted.length - 1));
}

function count(rows: number): string {
  return rows === 1 ? '1 row a request' : `${rows.toLocaleString('en')} rows a request`;
}

function at<T>(list: readonly T[], index: number): T {
  const value = list[index];
  if (value === undefined) throw new Error(`got ${list.length} entries, expected more than ${index}`);
  return value;
}
