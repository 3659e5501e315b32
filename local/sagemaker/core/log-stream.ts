import {
  type CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  PutLogEventsCommand,
  ResourceAlreadyExistsException,
  ResourceNotFoundException,
} from '@aws-sdk/client-cloudwatch-logs';

interface Line {
  /** Epoch ms. */
  readonly timestamp: number;
  readonly message: string;
}

/** A batch of PutLogEvents holds at most 10,000 events and 1,048,576 bytes, each event counted with 26 bytes more. */
const batchBytes = 1_000_000;
const batchEvents = 10_000;
const eventBytes = 26;
const flushMs = 200;

/** A log stream that is written in batches, in order, without making the writer wait. */
export class LogStream {
  readonly #client: () => Promise<CloudWatchLogsClient>;
  readonly #group: string;
  readonly #stream: string;
  readonly #onProblem: (problem: string) => void;
  #waiting: Line[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sent: Promise<void>;

  /** @param client asked for at each write, as the credentials of a role end */
  constructor(
    client: () => Promise<CloudWatchLogsClient>,
    group: string,
    stream: string,
    onProblem: (problem: string) => void,
  ) {
    this.#client = client;
    this.#group = group;
    this.#stream = stream;
    this.#onProblem = onProblem;
    this.#sent = this.#attempt(() => this.#create());
  }

  write(message: string): void {
    // CloudWatch Logs refuses an empty event.
    this.#waiting.push({ timestamp: Date.now(), message: message === '' ? ' ' : message });
    this.#timer ??= setTimeout(() => this.#flush(), flushMs);
  }

  /** Resolves when all lines are delivered, or could not be. */
  async close(): Promise<void> {
    this.#flush();
    await this.#sent;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lines = this.#waiting;
    this.#waiting = [];
    for (const batch of batchesOf(lines)) {
      this.#sent = this.#sent.then(() =>
        this.#attempt(async () => {
          const names = { logGroupName: this.#group, logStreamName: this.#stream };
          await (await this.#client()).send(new PutLogEventsCommand({ ...names, logEvents: batch }));
        }),
      );
    }
  }

  /** Makes the group only where there is none: one that is there keeps its retention, its key and its tags. */
  async #create(): Promise<void> {
    const client = await this.#client();
    const stream = new CreateLogStreamCommand({ logGroupName: this.#group, logStreamName: this.#stream });
    try {
      await existing(client.send(stream));
    } catch (error) {
      if (!(error instanceof ResourceNotFoundException)) throw error;
      await existing(client.send(new CreateLogGroupCommand({ logGroupName: this.#group })));
      await existing(client.send(stream));
    }
  }

  /** A log that cannot be written never fails what it tells about; the operator is told. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#onProblem(`Log stream ${this.#group} ${this.#stream} was not written: ${String(error)}`);
    }
  }
}

function batchesOf(lines: readonly Line[]): Line[][] {
  const batches: Line[][] = [];
  let bytes = 0;
  for (const line of lines) {
    const size = Buffer.byteLength(line.message) + eventBytes;
    const batch = batches.at(-1);
    if (!batch || batch.length === batchEvents || bytes + size > batchBytes) {
      batches.push([line]);
      bytes = size;
    } else {
      batch.push(line);
      bytes += size;
    }
  }
  return batches;
}

async function existing(created: Promise<unknown>): Promise<void> {
  try {
    await created;
  } catch (error) {
    if (!(error instanceof ResourceAlreadyExistsException)) throw error;
  }
}
