import { join } from 'node:path';
import { containerEnvironment } from '../container/container-environment.ts';
import { NoLocalImageError, servingImageFor } from '../container/images.ts';
import { ContainerStartError } from '../container/run-container.ts';
import type { Scope } from '../core/arn.ts';
import { SageMakerError } from '../core/errors.ts';
import type { DeployedModel, DeployedVariant, FleetConfig } from './endpoint-record.ts';
import { fetchCode } from './model-code.ts';
import { fetchModelFiles, ModelFilesError, removeFolder } from './model-files.ts';
import type { HostingPlatform } from './platform.ts';
import { ServingProcess, UnhealthyContainerError } from './serving-process.ts';
import type { Share } from './traffic.ts';

/** FailureReason of an endpoint whose instances are not to be had, as public error reports have it. */
const noCapacity =
  'Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please retry using a different ML instance type or after some time.';

/** A fleet could not be started. The message is the endpoint's FailureReason. */
export class FleetError extends Error {
  override readonly name = 'FleetError';
}

/** The endpoint that a fleet belongs to. */
export interface FleetOwner {
  readonly name: string;
  readonly scope: Scope;
}

/** A variant that runs: its settings of the moment, and its model server. */
export interface RunningVariant {
  settings: DeployedVariant;
  readonly fleet: Fleet;
  readonly process: ServingProcess;
  /** Its stream in the log group of the endpoint. */
  readonly logStream: string;
}

/** The model servers of one endpoint config: one process a variant, whatever its instance count. */
export class Fleet {
  readonly config: FleetConfig;
  readonly folder: string;
  private readonly platform: HostingPlatform;
  private readonly owner: FleetOwner;
  private readonly running: RunningVariant[] = [];
  private readonly logs: { close(): Promise<void> }[] = [];
  private stopping: Promise<void> | undefined;

  constructor(platform: HostingPlatform, owner: FleetOwner, config: FleetConfig, folder: string) {
    this.platform = platform;
    this.owner = owner;
    this.config = config;
    this.folder = folder;
  }

  /** Starts every variant and waits until all are healthy. @throws FleetError; what had started is stopped then */
  async start(): Promise<void> {
    const starts = await Promise.allSettled(this.config.variants.map((variant) => this.startVariant(variant)));
    const failure = starts.find((start) => start.status === 'rejected');
    if (!failure) return;
    await this.stop();
    throw failure.reason;
  }

  /** Shares of the fleet's own traffic, which sum to `share`. */
  shares(share: number): Share<RunningVariant>[] {
    // A variant that was scaled to no instance has nothing that could answer.
    const running = this.running.filter((variant) => variant.settings.instances > 0);
    const total = running.reduce((sum, variant) => sum + variant.settings.weight, 0);
    if (total === 0) return [];
    return running.map((variant) => ({ target: variant, weight: (share * variant.settings.weight) / total }));
  }

  /** A variant that can answer. */
  variant(name: string): RunningVariant | undefined {
    return this.running.find((variant) => variant.settings.name === name && variant.settings.instances > 0);
  }

  /** Takes new weights and instance counts of variants that run. */
  adjust(variants: readonly DeployedVariant[]): void {
    for (const settings of variants) {
      const variant = this.running.find((one) => one.settings.name === settings.name);
      if (variant) variant.settings = settings;
    }
  }

  /** Ends the calls under way, the processes, and their folders. */
  stop(): Promise<void> {
    this.stopping ??= this.stopAll();
    return this.stopping;
  }

  private async stopAll(): Promise<void> {
    await Promise.all(this.running.map((variant) => variant.process.stop()));
    await Promise.all(this.logs.map((log) => log.close()));
    await removeFolder(this.folder);
  }

  /** The model's files, and its code where that is in S3. @throws ModelFilesError, UnhealthyContainerError */
  private async fetchFiles(model: DeployedModel, root: string, say: (line: string) => void): Promise<void> {
    const { source, roleArn, networkIsolation, environment } = model;
    const s3 = await this.platform.s3As(roleArn, this.owner.scope);
    const code = environment.SAGEMAKER_SUBMIT_DIRECTORY ?? '';
    if (code.startsWith('s3://')) await fetchCode(s3, code, root, networkIsolation, say);
    if (source) await fetchModelFiles(s3, source, join(root, 'model'));
  }

  private async startVariant(variant: DeployedVariant): Promise<void> {
    const { owner, platform } = this;
    const { model } = variant;
    const root = join(this.folder, variant.name);
    const logStream = `${variant.name}/${instanceId()}`;
    const log = platform.logStreamAs(model.roleArn, owner.scope, `/aws/sagemaker/Endpoints/${owner.name}`, logStream);
    this.logs.push(log);
    try {
      if (!platform.core.faults.hasCapacity(variant.instanceType)) throw new FleetError(noCapacity);
      const image = servingImageFor(platform.core.images, model.image);
      const [environment] = await Promise.all([
        containerEnvironment(platform.core, {
          region: owner.scope.region,
          roleArn: model.roleArn,
          isolated: model.networkIsolation,
          image,
          own: model.environment,
        }),
        this.fetchFiles(model, root, (line) => log.write(line)),
      ]);
      if (this.stopping) throw new FleetError('The endpoint was deleted while it was starting.');
      const process = new ServingProcess({
        argv: image.serve,
        environment,
        root,
        containment: platform.core.containment,
        network: !model.networkIsolation,
        onLine: (line) => log.write(line),
        startupTimeoutMs: variant.startupTimeoutSeconds * 1000,
      });
      this.running.push({ settings: variant, fleet: this, process, logStream });
      await process.ready;
    } catch (error) {
      throw new FleetError(failureReason(error, variant), { cause: error });
    }
  }
}

/** SageMaker's words for the ways in which a variant fails to start. */
function failureReason(error: unknown, variant: DeployedVariant): string {
  if (error instanceof UnhealthyContainerError) {
    return (
      `The primary container for production variant ${variant.name} did not pass the ping health check. ` +
      'Please check CloudWatch logs for this endpoint.'
    );
  }
  if (error instanceof ContainerStartError) {
    return (
      `CannotStartContainerError. Please ensure the model container for variant ${variant.name} starts correctly when invoked ` +
      `with 'docker run <image> serve'. (${error.message})`
    );
  }
  if (error instanceof FleetError || error instanceof ModelFilesError || error instanceof NoLocalImageError)
    return error.message;
  if (error instanceof SageMakerError) return error.message;
  const told = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return `Variant ${variant.name} could not be started: ${told}`;
}

function instanceId(): string {
  return `i-${Array.from({ length: 17 }, () => Math.floor(Math.random() * 16).toString(16)).join('')}`;
}
