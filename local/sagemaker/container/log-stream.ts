import {
  type CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  PutLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { Batches } from './batches.ts';

/** A PutLogEvents request takes 10,000 events and 1 MiB; lines of containers are short, so that a count keeps both. */
const mostLines = 1000;
const flushMs = 500;

interface LogLine {
  readonly timestamp: number;
  readonly message: string;
}

/** Writes lines to a stream of CloudWatch Logs, in batches. Group and stream are created with the first line. */
export class LogStream {
  private readonly client: CloudWatchLogsClient;
  private readonly name: { readonly logGroupName: string; readonly logStreamName: string };
  private readonly report: (problem: string, error: unknown) => void;
  private readonly batches: Batches<LogLine>;
  private created: Promise<void> | undefined;

  /** @param report told when lines could not be delivered; a container's work never depends on its log */
  constructor(
    client: CloudWatchLogsClient,
    group: string,
    stream: string,
    report: (problem: string, error: unknown) => void,
  ) {
    this.client = client;
    this.name = { logGroupName: group, logStreamName: stream };
    this.report = report;
    this.batches = new Batches((lines) => this.send(lines), flushMs, mostLines);
  }

  write(line: string): void {
    // CloudWatch Logs refuses an empty message.
    this.batches.add({ timestamp: Date.now(), message: line === '' ? ' ' : line });
  }

  /** Delivers what was written. */
  close(): Promise<void> {
    return this.batches.flush();
  }

  private async send(lines: readonly LogLine[]): Promise<void> {
    try {
      this.created ??= this.create();
      await this.created;
      await this.client.send(new PutLogEventsCommand({ ...this.name, logEvents: [...lines] }));
    } catch (error) {
      this.created = undefined;
      this.report(
        `${lines.length} lines could not be written to log stream ${this.name.logGroupName}/${this.name.logStreamName}`,
        error,
      );
    }
  }

  private async create(): Promise<void> {
    const { logGroupName } = this.name;
    await this.client.send(new CreateLogGroupCommand({ logGroupName })).catch(ignoreExisting);
    await this.client.send(new CreateLogStreamCommand(this.name)).catch(ignoreExisting);
  }
}

function ignoreExisting(error: unknown): void {
  if (error instanceof Error && error.name === 'ResourceAlreadyExistsException') return;
  throw error;
}
