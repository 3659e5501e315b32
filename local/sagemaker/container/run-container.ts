import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { rewriteCommand, rewriteEnvironment } from './container-root.ts';
import { splitLines } from './lines.ts';
import { addProcess, removeProcess, signalGroup } from './processes.ts';

export interface ContainerOptions {
  /** Program and arguments; `/opt/ml` in them means `root`. */
  readonly argv: readonly string[];
  /** Working folder of the program. @default root */
  readonly cwd?: string;
  /** Everything the program sees, apart from PATH, HOME, LANG and SAGEMAKER_BASE_DIR, which it may override. */
  readonly environment: Readonly<Record<string, string>>;
  /** Folder that stands in for `/opt/ml`. */
  readonly root: string;
  /** Called for every line of output, in order per stream, without its line end. */
  readonly onLine: (line: string, stream: 'stdout' | 'stderr') => void;
  /** Called as soon as the process runs. */
  readonly onStart?: (pid: number) => void;
  /** Stops the container: SIGTERM to its process group, then SIGKILL. */
  readonly signal?: AbortSignal;
  /** Time between SIGTERM and SIGKILL, in ms. @default 120000, SageMaker's for jobs (30000 for endpoints) */
  readonly stopTimeoutMs?: number;
}

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

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
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
  const [command, ...args] = rewriteCommand(options.argv, root);
  if (command === undefined) throw new ContainerStartError('A container needs a command, got an empty list');
  mkdirSync(root, { recursive: true });
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? root,
      // The server's own environment holds its operator's secrets, so nothing of it is inherited.
      env: {
        PATH: defaultPath,
        HOME: root,
        LANG: 'C.UTF-8',
        SAGEMAKER_BASE_DIR: root,
        ...rewriteEnvironment(options.environment, root),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const { pid } = child;
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
      options.onStart?.(pid);
    }
    splitLines(child.stdout, (line) => options.onLine(line, 'stdout'));
    splitLines(child.stderr, (line) => options.onLine(line, 'stderr'));
    child.once('error', (error) => {
      reject(new ContainerStartError(`Cannot start '${command}' in ${options.cwd ?? root}: ${error.message}`));
    });
    // A stray child may hold the pipes open: end the group at 'exit', or 'close' (all output read) would never come.
    child.once('exit', () => {
      if (pid !== undefined) signalGroup(pid, 'SIGKILL');
    });
    child.once('close', (code, endedBy) => {
      clearTimeout(killTimer);
      signal?.removeEventListener('abort', stop);
      if (pid === undefined) return;
      removeProcess(pid);
      resolve({ exitCode: endedBy ? 128 + (signalNumbers[endedBy] ?? 0) : code, killed });
    });
  });
}
