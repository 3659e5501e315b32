import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Containment } from '../container/containment.ts';
import { runContainer } from '../container/run-container.ts';
import { pause } from './pause.ts';

export interface ServingOptions {
  /** The image's serve command. */
  readonly argv: readonly string[];
  /** Everything but SAGEMAKER_BIND_TO_PORT, which each start gets anew. */
  readonly environment: Readonly<Record<string, string>>;
  /** Folder that stands in for `/opt/ml`, with the model under `model/`. */
  readonly root: string;
  readonly containment: Containment;
  readonly network: boolean;
  readonly onLine: (line: string) => void;
  /** ContainerStartupHealthCheckTimeoutInSeconds, in ms. */
  readonly startupTimeoutMs: number;
  /** Time between SIGTERM and SIGKILL, in ms. @default 30000, SageMaker's for endpoints */
  readonly stopTimeoutMs?: number;
}

/** What a container answered; `body` is whole. */
export interface ContainerAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** The container did not answer /ping with 200 in time, or ended at every start. */
export class UnhealthyContainerError extends Error {
  override readonly name = 'UnhealthyContainerError';
}

/** The container took longer than an invocation may. */
export class InvocationTimeoutError extends Error {
  override readonly name = 'InvocationTimeoutError';
}

/** The container closed the connection, or sent what is not HTTP. */
class BrokenAnswerError extends Error {
  override readonly name = 'BrokenAnswerError';
}

const pingTimeoutMs = 2000;
const drainTimeoutMs = 60_000;
/** SageMaker restarts a container that ends before its first good ping until the health check times out; three starts tell enough. */
const mostFailedStarts = 3;
const longestBackoffMs = 5000;

/** One model server on a loopback port of its own: started, pinged until healthy, started again when it ends, stopped when told. */
export class ServingProcess {
  /** Fulfilled at the first good ping. @throws UnhealthyContainerError */
  readonly ready: Promise<void>;
  private readonly options: ServingOptions;
  private readonly stopping = new AbortController();
  private readonly agent = new Agent({ keepAlive: true });
  private readonly ended: Promise<void>;
  private port: number | undefined;
  private inFlight = 0;
  private onIdle: (() => void) | undefined;

  constructor(options: ServingOptions) {
    this.options = options;
    const first = Promise.withResolvers<void>();
    this.ready = first.promise;
    // A fleet awaits `ready`; one that is stopped before must not make it an unhandled rejection.
    this.ready.catch(() => {});
    this.ended = this.keepRunning(first.resolve).catch(first.reject);
  }

  /**
   * Sends one POST /invocations and reads the whole answer. Connections are kept between calls.
   * @throws InvocationTimeoutError, BrokenAnswerError
   */
  invoke(headers: Record<string, string>, body: Buffer, timeoutMs: number): Promise<ContainerAnswer> {
    return this.call(headers, body, timeoutMs, async (answer) => ({
      status: answer.statusCode ?? 0,
      headers: answer.headers,
      body: await readAll(answer),
    }));
  }

  /**
   * Sends one POST /invocations and lets `read` take the answer as it comes.
   * @throws InvocationTimeoutError, BrokenAnswerError, also when the answer breaks off while it is read
   */
  async call<T>(
    headers: Record<string, string>,
    body: Buffer,
    timeoutMs: number,
    read: (answer: IncomingMessage) => Promise<T>,
  ): Promise<T> {
    const { port } = this;
    if (port === undefined) throw new BrokenAnswerError('the container does not run');
    const signal = AbortSignal.timeout(timeoutMs);
    this.inFlight += 1;
    try {
      return await read(await this.send(port, headers, body, signal));
    } catch (error) {
      if (signal.aborted) throw new InvocationTimeoutError('the container took too long to answer', { cause: error });
      throw new BrokenAnswerError(error instanceof Error ? error.message : String(error), { cause: error });
    } finally {
      this.inFlight -= 1;
      if (this.inFlight === 0) this.onIdle?.();
    }
  }

  /** Lets the calls under way end, then stops the container. Repeated calls wait for the same end. */
  async stop(): Promise<void> {
    if (this.inFlight > 0) {
      const idle = new Promise<void>((resolve) => {
        this.onIdle = resolve;
      });
      await Promise.race([idle, delay(drainTimeoutMs, undefined, { ref: false })]);
    }
    this.stopping.abort();
    await this.ended;
    this.agent.destroy();
  }

  private async keepRunning(onReady: () => void): Promise<void> {
    const deadline = Date.now() + this.options.startupTimeoutMs;
    const { signal } = this.stopping;
    let wasReady = false;
    for (let failures = 0; !signal.aborted; failures += 1) {
      const start = new AbortController();
      const port = await freePort();
      const running = runContainer({
        argv: this.options.argv,
        root: this.options.root,
        containment: this.options.containment,
        network: this.options.network,
        servedPort: port,
        readOnly: join(this.options.root, 'model'),
        environment: {
          // In a container a server listens on every address; a process of this machine must not.
          FLYWHEEL_BIND_HOST: '127.0.0.1',
          ...this.options.environment,
          SAGEMAKER_BIND_TO_PORT: String(port),
        },
        onLine: this.options.onLine,
        signal: AbortSignal.any([signal, start.signal]),
        stopTimeoutMs: this.options.stopTimeoutMs ?? 30_000,
      }).finally(() => {
        this.port = undefined;
        start.abort();
      });
      // A program that cannot be started is told below, once the pings have stopped.
      running.catch(() => {});
      const startedAt = Date.now();
      const pings = AbortSignal.any([signal, start.signal]);
      const healthy = await untilHealthy(port, wasReady ? Date.now() + this.options.startupTimeoutMs : deadline, pings);
      if (healthy) {
        this.options.onLine(`The container answered its first ping after ${Date.now() - startedAt} ms.`);
        this.port = port;
        wasReady = true;
        onReady();
      } else {
        start.abort();
      }
      const { exitCode } = await running;
      if (signal.aborted) break;
      if (Date.now() - startedAt > longestBackoffMs) failures = 0;
      if (!wasReady && Date.now() >= deadline) throw new UnhealthyContainerError('no ping was answered in time');
      if (!wasReady && failures + 1 >= mostFailedStarts) {
        throw new UnhealthyContainerError(`the container ended ${mostFailedStarts} times before it answered a ping`);
      }
      this.options.onLine(`The container ended with exit code ${exitCode}; starting it again.`);
      if (failures > 0) await pause(Math.min(longestBackoffMs, 50 * 2 ** failures), signal);
    }
    if (!wasReady) throw new UnhealthyContainerError('the container was stopped before it answered a ping');
  }

  private async send(
    port: number,
    headers: Record<string, string>,
    body: Buffer,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    for (;;) {
      const outgoing = request({
        host: '127.0.0.1',
        port,
        method: 'POST',
        path: '/invocations',
        headers: { ...headers, 'content-length': body.length },
        agent: this.agent,
        signal,
      });
      try {
        return await answerTo(outgoing, body);
      } catch (error) {
        // The container may close a kept connection at the moment it is used again; such a call goes to a new connection.
        if (outgoing.reusedSocket && isConnectionReset(error) && !signal.aborted) continue;
        throw error;
      }
    }
  }
}

/** The whole of a message's body, as one buffer. @throws the stream's error, when it breaks off */
export async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  const [only] = chunks;
  return chunks.length === 1 && only ? only : Buffer.concat(chunks);
}

function answerTo(outgoing: ReturnType<typeof request>, body: Buffer): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

function isConnectionReset(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
}

/** Pings every few ms at first, so that the platform adds little to a quick start, and less often as a start takes longer. */
async function untilHealthy(port: number, deadline: number, signal: AbortSignal): Promise<boolean> {
  const started = Date.now();
  while (!signal.aborted && Date.now() < deadline) {
    if (await ping(port, signal)) return true;
    await pause(Math.min(250, 4 + (Date.now() - started) / 50), signal);
  }
  return false;
}

function ping(port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const outgoing = request(
      { host: '127.0.0.1', port, path: '/ping', agent: false, timeout: pingTimeoutMs, signal },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200);
      },
    );
    outgoing.once('timeout', () => outgoing.destroy());
    outgoing.once('error', () => resolve(false));
    outgoing.end();
  });
}

/** A port that no one listens on now. Another program can take it before the container does; the container then ends, and starts on a new one. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}
