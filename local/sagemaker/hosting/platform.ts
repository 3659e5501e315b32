import { join } from 'node:path';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import type { S3Client } from '@aws-sdk/client-s3';
import type { Scope } from '../core/arn.ts';
import type { Credentials } from '../core/cloud.ts';
import type { Core } from '../core/core.ts';
import { eventDetail } from '../core/events.ts';
import type { Fields } from '../core/fields.ts';
import { LogStream } from '../core/log-stream.ts';
import type { Resource } from '../core/store.ts';

export interface HostingSettings {
  /** Multiplies the waits of deployments (bake times, time limits): 0.1 makes a canary of 60 s take 6 s. @default 1 */
  readonly timeScale?: number;
  /** Longest time, in ms, that a captured invocation waits for its file. @default 2000 */
  readonly captureFlushMs?: number;
  /** Longest time, in ms, that an invocation waits to be counted in CloudWatch. @default 1000 */
  readonly metricsFlushMs?: number;
}

/** What endpoints use of the cloud around them, with the roles that SageMaker would use. */
export class HostingPlatform {
  readonly core: Core;
  readonly timeScale: number;
  readonly captureFlushMs: number;
  readonly metricsFlushMs: number;
  private readonly cloudWatchClients = new Map<string, CloudWatchClient>();

  constructor(core: Core, settings: HostingSettings) {
    this.core = core;
    this.timeScale = settings.timeScale ?? 1;
    this.captureFlushMs = settings.captureFlushMs ?? 2000;
    this.metricsFlushMs = settings.metricsFlushMs ?? 1000;
  }

  /** Folder for the roots of the endpoints' containers. */
  get folder(): string {
    return join(this.core.directory, 'endpoints');
  }

  async s3As(roleArn: string, { region }: Scope): Promise<S3Client> {
    return this.core.cloud.s3(await this.core.cloud.roleCredentials(roleArn, region), region);
  }

  async cloudWatchAs(roleArn: string, { region }: Scope): Promise<CloudWatchClient> {
    return this.cloudWatchWith(await this.core.cloud.roleCredentials(roleArn, region), region);
  }

  /** CloudWatch of the platform itself, for the metrics that SageMaker publishes. */
  cloudWatch({ account, region }: Scope): CloudWatchClient {
    return this.cloudWatchWith(this.core.cloud.platformCredentials(account), region);
  }

  logStreamAs(roleArn: string, { region }: Scope, group: string, stream: string): LogStream {
    return new LogStream(() => this.core.cloud.logs(roleArn, region), group, stream, this.core.log);
  }

  /** A state-change event; `description` is the Describe answer. */
  publish(
    detailType: string,
    describeShape: string,
    resource: Resource<Fields>,
    description: Fields,
    more: Fields = {},
  ): void {
    const detail = eventDetail(this.core.model, describeShape, { ...resource, description });
    this.core.events.publish({
      scope: resource.scope,
      detailType,
      resource: resource.arn,
      detail: { ...detail, ...more },
    });
  }

  /** Tells the operator what failed without a caller to tell. */
  report(problem: string, error: unknown): void {
    this.core.log(`${problem}: ${error instanceof Error ? error.message : String(error)}`);
  }

  close(): void {
    for (const client of this.cloudWatchClients.values()) client.destroy();
  }

  private cloudWatchWith(credentials: Credentials, region: string): CloudWatchClient {
    const key = `${credentials.accessKeyId} ${region}`;
    const known = this.cloudWatchClients.get(key);
    if (known) return known;
    const client = new CloudWatchClient(this.core.cloud.clientSettings(credentials, region));
    this.cloudWatchClients.set(key, client);
    return client;
  }
}
