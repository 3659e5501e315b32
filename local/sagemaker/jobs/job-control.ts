import { setMaxListeners } from 'node:events';

/** Why a job's container is stopped before it ends by itself. */
export type StopReason = 'requested' | 'max-runtime' | 'max-wait' | 'interrupted' | 'host-failed';

/** Stops a running job, and remembers why; the first reason stays. A control with a parent stops with it. */
export class JobControl {
  readonly #controller = new AbortController();
  readonly #timers: NodeJS.Timeout[] = [];
  #reason: StopReason | undefined;

  constructor(parent?: JobControl) {
    setMaxListeners(0, this.#controller.signal);
    parent?.onStop((reason) => this.stop(reason));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get reason(): StopReason | undefined {
    return this.#reason;
  }

  stop(reason: StopReason): void {
    this.#reason ??= reason;
    this.#controller.abort(new StoppedError(this.#reason));
  }

  /** Calls back once, at once when the job is stopped already. */
  onStop(listener: (reason: StopReason) => void): void {
    if (this.#reason !== undefined) listener(this.#reason);
    else this.signal.addEventListener('abort', () => listener(this.#reason ?? 'requested'), { once: true });
  }

  stopAfter(milliseconds: number, reason: StopReason): void {
    // setTimeout counts in 32 bits, about 24.8 days; a job may run 28.
    const timer = setTimeout(() => this.stop(reason), Math.min(milliseconds, 2 ** 31 - 1));
    this.#timers.push(timer);
  }

  /** Ends the timers. */
  end(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}

/** What aborted work of a stopped job throws. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';
  readonly reason: StopReason;

  constructor(reason: StopReason) {
    super(`stopped: ${reason}`);
    this.reason = reason;
  }
}

/** A job failed. The message is SageMaker's FailureReason: a prefix (AlgorithmError, ClientError, …) and at most 1024 characters. */
export class JobFailure extends Error {
  override readonly name = 'JobFailure';
}

/** FailureReason of a container that ended with an error; `message` is cut so that the exit code stays visible. */
export function algorithmError(message: string, exitCode: number | null): JobFailure {
  const end = `, exit code: ${exitCode}`;
  const start = `AlgorithmError: ${message}`;
  return new JobFailure(start.slice(0, 1024 - end.length) + end);
}

/** Runs work whose failure is the request's fault: its error becomes `ClientError: <what><the error>`. */
export async function orClientError<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StoppedError || error instanceof JobFailure) throw error;
    throw new JobFailure(`ClientError: ${what}${describe(error)}`.slice(0, 1024));
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'Error' || error.name === 'SageMakerError' ? error.message : `${error.name}: ${error.message}`;
}

export const internalServerError = 'InternalServerError: We encountered an internal error. Please try again.';
export const capacityError =
  'CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type.';
