import { spawn } from 'node:child_process';
import { existsSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import * as z from 'zod';
import { imagesFiles } from './images.ts';
import { type CloudPorts, readIfPresent, repository } from './layout.ts';
import { commandOf } from './ports.ts';
import { makeDirectory, secretFile } from './secret.ts';

export type ServiceName = 'ministack' | 'sagemaker';

/** One of the two server processes of the laptop cloud. */
export interface Service {
  readonly name: ServiceName;
  readonly port: number;
  readonly command: readonly [string, ...string[]];
}

export type ServiceStatus =
  | { readonly state: 'running'; readonly pid: number; readonly port: number }
  | { readonly state: 'stopped' }
  | { readonly state: 'crashed'; readonly lastLines: readonly string[] };

const pollMs = 15;
const startLimitMs = 30_000;
const stopLimitMs = 15_000;
// Servers, functions and containers see these variables of the user's shell and no others.
const inherited = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'TZ', 'LD_LIBRARY_PATH', 'CUDA_VISIBLE_DEVICES'];

interface MinistackSettings {
  /** Seconds before the first retry of an asynchronous function call. */
  readonly retryDelaySeconds: number;
  /** Additions to leave out, 'all' or names: a test sees whether MiniStack has caught up. */
  readonly without?: string;
  /**
   * Executions of functions at once that the account may have.
   * @default - as many as this machine can run; of 1,000 it is decided what a function may reserve
   */
  readonly accountConcurrency?: number;
}

/** The services of a cloud: SageMaker local is one as soon as the repository has it. */
export function servicesOf(directory: string, ports: CloudPorts, settings: MinistackSettings): readonly Service[] {
  const ministack = ministackService(directory, ports, settings);
  const server = join(repository, 'local/sagemaker/main.ts');
  if (!existsSync(server)) return [ministack];
  const images = imagesFiles(directory).flatMap((file) => ['--images', file]);
  const sagemaker: Service = {
    name: 'sagemaker',
    port: ports.sagemaker,
    command: [
      process.execPath,
      server,
      ...['--port', String(ports.sagemaker), '--cloud', `http://127.0.0.1:${ports.cloud}`],
      ...['--state', join(directory, 'sagemaker'), '--secret', secretFile(directory), ...images],
    ],
  };
  return [ministack, sagemaker];
}

export function ministackService(directory: string, ports: CloudPorts, settings: MinistackSettings): Service {
  return {
    name: 'ministack',
    port: ports.cloud,
    command: [
      join(repository, '.flywheel/venv/cloud/bin/python'),
      join(repository, 'local/ministack/launcher.py'),
      ...['--port', String(ports.cloud), '--sagemaker', `http://127.0.0.1:${ports.sagemaker}`],
      ...['--directory', join(directory, 'ministack'), '--retry-delay', String(settings.retryDelaySeconds)],
      ...['--secret', secretFile(directory)],
      ...(settings.without ? ['--without', settings.without] : []),
      ...(settings.accountConcurrency ? ['--account-concurrency', String(settings.accountConcurrency)] : []),
    ],
  };
}

/**
 * Starts a service as a process of its own that outlives this one, and returns when it answers.
 * @throws Error with the last lines of its log when it ends, or does not answer in 30 s
 */
export async function startService(directory: string, service: Service): Promise<void> {
  makeDirectory(directory);
  const [program, ...arguments_] = service.command;
  if (!existsSync(program)) throw new Error(`${program} does not exist. Run 'npm run setup' to create it.`);
  const log = openSync(logFile(directory, service.name), 'a', 0o600);
  const child = spawn(program, arguments_, {
    cwd: repository,
    detached: true,
    stdio: ['ignore', log, log],
    env: Object.fromEntries(inherited.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
  });
  let ended: string | undefined;
  child.once('error', (error) => {
    ended = error.message;
  });
  child.once('exit', (code, signal) => {
    ended = signal ?? `exit code ${code}`;
  });
  if (child.pid !== undefined) writeFileSync(pidFile(directory, service.name), `${child.pid}\n`);
  const deadline = Date.now() + startLimitMs;
  while (!(await answers(service, child.pid))) {
    if (ended !== undefined || Date.now() > deadline) {
      const reason = ended ?? `no answer on port ${service.port} in ${startLimitMs / 1000} s`;
      const lines = lastLines(directory, service.name, 15).join('\n  ');
      throw new Error(`${service.name} did not start: ${reason}. Last lines of its log:\n  ${lines}`);
    }
    await wait(pollMs);
  }
  child.removeAllListeners();
  child.unref();
}

/** Asks a service to end, which writes its state; kills it after 15 s. Returns when the process is gone. */
export async function stopService(directory: string, name: ServiceName): Promise<'stopped' | 'was not running'> {
  const pid = runningPid(directory, name);
  rmSync(pidFile(directory, name), { force: true });
  if (pid === undefined) return 'was not running';
  process.kill(pid, 'SIGTERM');
  const deadline = Date.now() + stopLimitMs;
  while (commandOf(pid) !== undefined) {
    if (Date.now() > deadline) process.kill(pid, 'SIGKILL');
    await wait(pollMs);
  }
  return 'stopped';
}

/** A pid file without its process means a crash: a stop removes the file. */
export function serviceStatus(directory: string, name: ServiceName, port: number): ServiceStatus {
  const pid = runningPid(directory, name);
  if (pid !== undefined) return { state: 'running', pid, port };
  if (!existsSync(pidFile(directory, name))) return { state: 'stopped' };
  return { state: 'crashed', lastLines: lastLines(directory, name, 15) };
}

export function lastLines(directory: string, name: ServiceName, count: number): string[] {
  const text = readIfPresent(logFile(directory, name)) ?? '';
  return text.trimEnd().split('\n').slice(-count);
}

function logFile(directory: string, name: ServiceName): string {
  return join(directory, `${name}.log`);
}

function pidFile(directory: string, name: ServiceName): string {
  return join(directory, `${name}.pid`);
}

/** A pid may have been given to another program since: ours names this folder on its command line. */
function runningPid(directory: string, name: ServiceName): number | undefined {
  const pid = Number(readIfPresent(pidFile(directory, name)) ?? Number.NaN);
  return Number.isInteger(pid) && commandOf(pid)?.includes(directory) ? pid : undefined;
}

const health = z.object({ pid: z.int() });

const containers = z.object({ containers: z.string() });

/** What SageMaker local says of its containers. @throws Error when it does not answer */
export async function containersOf(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/_flywheel/health`);
  return containers.parse(await response.json()).containers;
}

/** Whether the service listens, and it is the process just started that does. */
async function answers(service: Service, pid: number | undefined): Promise<boolean> {
  if (service.name === 'sagemaker') return accepts(service.port);
  try {
    const response = await fetch(`http://127.0.0.1:${service.port}/_flywheel/health`);
    return health.parse(await response.json()).pid === pid;
  } catch {
    return false; // not listening yet, or another program answers: the limit ends the wait
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
