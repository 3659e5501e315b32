import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { Batches } from '../container/batches.ts';
import type { Scope } from '../core/arn.ts';
import type { Clock } from '../core/clock.ts';
import type { Core } from '../core/core.ts';
import { validationException } from '../core/errors.ts';
import type { Collection, Resource, Store } from '../core/store.ts';
import { CaptureWriter } from './capture-writer.ts';
import { Endpoint } from './endpoint.ts';
import { type EndpointConfigRecord, endpointConfigRecord } from './endpoint-config-record.ts';
import { type EndpointRecord, type EndpointResource, endpointRecord } from './endpoint-record.ts';
import { instancesHeld } from './instance-quota.ts';
import { type MeasuredInvocation, metricData } from './invocation-metrics.ts';
import { removeFolder } from './model-files.ts';
import { type ModelRecord, modelRecord } from './model-resource.ts';
import { HostingPlatform, type HostingSettings } from './platform.ts';

/** Models, endpoint configs and endpoints of a server, the processes behind them, and what is told of their invocations. */
export class HostedResources {
  readonly store: Store;
  readonly clock: Clock;
  readonly models: Collection<ModelRecord>;
  readonly configs: Collection<EndpointConfigRecord>;
  readonly endpoints: Collection<EndpointRecord>;
  readonly platform: HostingPlatform;
  readonly captures: CaptureWriter;
  private readonly running = new Map<string, Endpoint>();
  private readonly metrics: Batches<{ readonly scope: Scope; readonly invocation: MeasuredInvocation }>;

  /** Loads what is stored, and starts again the endpoints that were in service. */
  constructor(core: Core, settings: HostingSettings) {
    this.store = core.store;
    this.clock = core.clock;
    this.models = core.store.collection('model', modelRecord);
    this.configs = core.store.collection('endpoint-config', endpointConfigRecord);
    this.endpoints = core.store.collection('endpoint', endpointRecord);
    this.platform = new HostingPlatform(core, settings);
    this.captures = new CaptureWriter(this.platform);
    this.metrics = new Batches((batch) => this.publishMetrics(batch), this.platform.metricsFlushMs, 1000);
    core.quotas.counts('endpoint usage', (scope, type) =>
      this.endpoints.list(scope).reduce((sum, endpoint) => sum + instancesHeld(endpoint, type), 0),
    );
    this.clearFolder();
    for (const resource of this.endpoints.all()) this.add(resource).restore();
  }

  /** @throws SageMakerError ValidationException in SageMaker's words */
  modelNamed(scope: Scope, name: string): Resource<ModelRecord> {
    const model = this.models.get(scope, name);
    if (!model) throw validationException(`Could not find model "${this.models.arn(scope, name)}".`);
    return model;
  }

  /** @throws SageMakerError ValidationException in SageMaker's words */
  configNamed(scope: Scope, name: string): Resource<EndpointConfigRecord> {
    const config = this.configs.get(scope, name);
    if (!config) throw validationException(`Could not find endpoint configuration "${this.configs.arn(scope, name)}".`);
    return config;
  }

  /** @throws SageMakerError ValidationException in SageMaker's words */
  endpointNamed(scope: Scope, name: string): Endpoint {
    const endpoint = this.findEndpoint(scope, name);
    if (!endpoint) throw validationException(`Could not find endpoint "${this.endpoints.arn(scope, name)}".`);
    return endpoint;
  }

  findEndpoint(scope: Scope, name: string): Endpoint | undefined {
    return this.running.get(this.endpoints.arn(scope, name));
  }

  /** Makes a stored endpoint one that runs. */
  add(resource: EndpointResource): Endpoint {
    const endpoint = new Endpoint({ platform: this.platform, clock: this.clock, records: this.endpoints }, resource);
    this.running.set(resource.arn, endpoint);
    return endpoint;
  }

  /** Deletes an endpoint; it is found, as Deleting, until its processes have ended. */
  remove(endpoint: Endpoint): void {
    endpoint.delete();
    void endpoint.settled.then(() => this.running.delete(endpoint.resource.arn));
  }

  /** Counts an invocation in CloudWatch. */
  measure(scope: Scope, invocation: MeasuredInvocation): void {
    this.metrics.add({ scope, invocation });
  }

  /** Ends all processes and delivers captures and metrics. Records stay, so that the next server starts the endpoints again. */
  async close(): Promise<void> {
    await Promise.all([...this.running.values()].map((endpoint) => endpoint.end()));
    await Promise.all([this.captures.flush(), this.metrics.flush()]);
    this.platform.close();
  }

  /** A server that was killed leaves the folders of its containers; this one makes its own, and removes those behind the scenes. */
  private clearFolder(): void {
    const { folder } = this.platform;
    if (existsSync(folder)) {
      const left = `${folder}-left-${randomUUID()}`;
      renameSync(folder, left);
      removeFolder(left).catch((error: unknown) => this.platform.report(`${left} could not be removed`, error));
    }
    mkdirSync(folder, { recursive: true });
  }

  private async publishMetrics(
    batch: readonly { readonly scope: Scope; readonly invocation: MeasuredInvocation }[],
  ): Promise<void> {
    const groups = Map.groupBy(batch, ({ scope }) => `${scope.account} ${scope.region}`);
    for (const group of groups.values()) {
      const [first] = group;
      if (!first) continue;
      const MetricData = metricData(
        group.map((one) => one.invocation),
        new Date(this.clock.now()),
      );
      await this.platform
        .cloudWatch(first.scope)
        .send(new PutMetricDataCommand({ Namespace: 'AWS/SageMaker', MetricData }))
        .catch((error: unknown) =>
          this.platform.report(`Metrics of ${group.length} invocations could not be published`, error),
        );
    }
  }
}
