/** A container as a process group of this machine. */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { Readable } from 'node:stream';
import type { ContainerOptions } from './container-options.ts';
import { launchOf } from './launch.ts';
import { splitLines } from './lines.ts';
import { addProcess, removeProcess, signalGroup } from './processes.ts';

export interface ContainerExit {
  /** Exit code; 128 + the signal's number when a signal ended it, as Docker reports; null when it was stopped before it started. */
  readonly exitCode: number | null;
  /** Whether `signal` stopped it. */
  readonly killed: boolean;
}

/** The program of a container could not be started: there is no such file, or it may not be executed. */
export class ContainerStartError extends Error {
  override readonly name = 'ContainerStartError';
}

const signalNumbers: Partial<Record<NodeJS.Signals, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

/**
 * Runs a container's contract as a process group of this machine and waits for its end. What the first process leaves running in its
 * group ends with it, as in a container. A program that moves itself to a group of its own is out of contract.
 * @throws ContainerStartError when the program cannot be started
 */
export async function runContainer(options: ContainerOptions): Promise<ContainerExit> {
  const { root, signal } = options;
  if (signal?.aborted) return { exitCode: null, killed: true };
  const launch = launchOf(options);
  if (launch === undefined) throw new ContainerStartError('A container needs a command, got an empty list');
  mkdirSync(root, { recursive: true });
  return new Promise((resolve, reject) => {
    const child = spawn(launch.command, launch.args, {
      cwd: launch.cwd,
      env: launch.environment,
      stdio: ['ignore', 'pipe', 'pipe', ...(launch.reports ? (['pipe'] as const) : [])],
      detached: true,
    });
    const { pid, stdout, stderr } = child;
    const problem = startProblem(child.stdio[3]);
    const cannotStart = (why: string) => reject(startError(options, why));
    let killed = false;
    let killTimer: NodeJS.Timeout | undefined;
    const stop = () => {
      if (pid === undefined) return;
      killed = true;
      signalGroup(pid, 'SIGTERM');
      killTimer = setTimeout(() => signalGroup(pid, 'SIGKILL'), options.stopTimeoutMs ?? 120_000);
    };
    if (pid !== undefined) {
      addProcess(pid);
      signal?.addEventListener('abort', stop, { once: true });
      void problem.then((why) => why === '' && options.onStart?.(pid));
    }
    if (stdout) splitLines(stdout, (line) => options.onLine(line, 'stdout'));
    if (stderr) splitLines(stderr, (line) => options.onLine(line, 'stderr'));
    child.once('error', (error) => cannotStart(error.message));
    // A stray child may hold the pipes open: end the group at 'exit', or 'close' (all output read) would never come.
    child.once('exit', () => {
      if (pid !== undefined) signalGroup(pid, 'SIGKILL');
    });
    child.once('close', (code, endedBy) => {
      clearTimeout(killTimer);
      signal?.removeEventListener('abort', stop);
      if (pid === undefined) return;
      removeProcess(pid);
      const exit = { exitCode: endedBy ? 128 + (signalNumbers[endedBy] ?? 0) : code, killed };
      void problem.then((why) => (why === '' ? resolve(exit) : cannotStart(why)));
    });
  });
}

/** Waits until the program runs. @returns why it could not be started; empty when it was, or was stopped before */
async function startProblem(report: unknown): Promise<string> {
  if (!(report instanceof Readable)) return '';
  let text = '';
  for await (const chunk of report) text += String(chunk);
  return text;
}

function startError({ argv, root, cwd = root }: ContainerOptions, why: string): ContainerStartError {
  return new ContainerStartError(`Cannot start '${argv[0]}' in ${cwd}: ${why}`);
}
