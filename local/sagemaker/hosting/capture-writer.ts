import { PutObjectCommand } from '@aws-sdk/client-s3';
import { Batches } from '../container/batches.ts';
import { type CapturedInvocation, captureKey, captureLine, type DataCaptureConfig } from './capture-record.ts';
import type { EndpointResource } from './endpoint-record.ts';
import type { HostingPlatform } from './platform.ts';

interface Captured {
  readonly invocation: CapturedInvocation;
  readonly config: DataCaptureConfig;
  readonly endpoint: EndpointResource;
  readonly variant: string;
  /** The model's execution role, which writes the file. */
  readonly roleArn: string;
}

/** Invocations of one batch, at most; a batch also ends with its flush interval. */
const mostInvocations = 1000;

/** Writes captured invocations to S3 in batches: a file for each endpoint, variant and hour of a batch. */
export class CaptureWriter {
  private readonly platform: HostingPlatform;
  private readonly batches: Batches<Captured>;

  constructor(platform: HostingPlatform) {
    this.platform = platform;
    this.batches = new Batches((batch) => this.write(batch), platform.captureFlushMs, mostInvocations);
  }

  /** Takes an answered invocation, or leaves it, as the sampling percentage has it. */
  add(captured: Captured): void {
    const { config } = captured;
    if (!config.EnableCapture || Math.random() * 100 >= config.InitialSamplingPercentage) return;
    this.batches.add(captured);
  }

  /** Writes what is waiting. */
  flush(): Promise<void> {
    return this.batches.flush();
  }

  private async write(batch: readonly Captured[]): Promise<void> {
    const files = Map.groupBy(batch, ({ endpoint, variant, config, roleArn, invocation }) =>
      [endpoint.arn, variant, config.DestinationS3Uri, roleArn, invocation.at.toISOString().slice(0, 13)].join('\n'),
    );
    await Promise.all([...files.values()].map((file) => this.writeFile(file)));
  }

  private async writeFile(lines: readonly Captured[]): Promise<void> {
    const [first] = lines;
    if (!first) return;
    const { config, endpoint, variant, roleArn } = first;
    const { bucket, key } = captureKey(config, endpoint.name, variant, first.invocation.at);
    try {
      const s3 = await this.platform.s3As(roleArn, endpoint.scope);
      await s3.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: key,
          Body: lines.map((line) => `${captureLine(line.config, line.invocation)}\n`).join(''),
          ContentType: 'application/jsonlines',
          ...(config.KmsKeyId !== undefined && { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: config.KmsKeyId }),
        }),
      );
    } catch (error) {
      this.platform.report(
        `${lines.length} captured invocations of endpoint ${endpoint.name} could not be written to s3://${bucket}/${key}`,
        error,
      );
    }
  }
}
