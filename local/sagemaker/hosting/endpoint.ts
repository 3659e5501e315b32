import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { epochSeconds } from '../core/clock.ts';
import type { Collection } from '../core/store.ts';
import { AlarmWatch } from './alarms.ts';
import { type DeploymentConfig, type DeploymentStep, deploymentSteps } from './deployment-plan.ts';
import {
  type DeployedVariant,
  describeEndpoint,
  type EndpointRecord,
  type EndpointResource,
  eventStatus,
  type FleetConfig,
  type PendingDeployment,
} from './endpoint-record.ts';
import { Fleet, FleetError, type RunningVariant } from './fleet.ts';
import { pause } from './pause.ts';
import type { HostingPlatform } from './platform.ts';
import { TrafficSplitter } from './traffic.ts';

/** What an endpoint works with. */
export interface EndpointContext {
  readonly platform: HostingPlatform;
  readonly clock: Clock;
  readonly records: Collection<EndpointRecord>;
}

type Phase = PendingDeployment['phase'];

/** One endpoint that runs: its blue fleet, and while a deployment is under way, a green one that takes over step by step. */
export class Endpoint {
  resource: EndpointResource;
  /** Fulfilled when the deployment under way, if any, has ended, either way. */
  settled: Promise<void> = Promise.resolve();
  /** Fulfilled when an endpoint that came back after a restart has its processes again. */
  restored: Promise<void> = Promise.resolve();
  private readonly context: EndpointContext;
  private readonly splitter = new TrafficSplitter();
  private readonly ending = new AbortController();
  private blue: Fleet | undefined;
  private green: Fleet | undefined;
  private greenShare = 0;

  constructor(context: EndpointContext, resource: EndpointResource) {
    this.context = context;
    this.resource = resource;
  }

  get status(): EndpointRecord['EndpointStatus'] {
    return this.resource.description.EndpointStatus;
  }

  /** The variant that the next request goes to; undefined when there is none, or none by that name. */
  route(variantName: string | undefined): RunningVariant | undefined {
    const shares = [...(this.blue?.shares(1 - this.greenShare) ?? []), ...(this.green?.shares(this.greenShare) ?? [])];
    if (variantName === undefined) return this.splitter.next(shares);
    // A target variant gets the request whatever its weight, yet blue and green still share it while they bake.
    const fleets = [
      { target: this.blue?.variant(variantName), weight: 1 - this.greenShare },
      { target: this.green?.variant(variantName), weight: this.greenShare },
    ];
    return this.splitter.next(fleets.filter((fleet) => fleet.target !== undefined));
  }

  /** Starts a new endpoint's fleet: Creating, then InService or Failed. */
  create(): void {
    this.tell();
    this.settled = this.background(this.startFirstFleet(), 'its creation');
  }

  /** Starts again what ran before the server ended; a deployment that was under way begins anew. */
  restore(): void {
    const { EndpointStatus: status, pending, live } = this.resource.description;
    if (status === 'Failed') return;
    if (status === 'Deleting') {
      this.context.records.delete(this.resource);
      return;
    }
    if (status === 'Creating') {
      this.settled = this.background(this.startFirstFleet(), 'its creation');
      return;
    }
    if (status === 'RollingBack') this.change({ EndpointStatus: 'InService', pending: undefined });
    this.blue = this.fleet(live);
    this.restored = this.background(this.startAgain(this.blue), 'its start after a restart of the server');
    if (status === 'Updating' && pending) {
      const resumed = this.restored.then(async () => {
        if (this.status === 'Updating') await this.deploy(pending.fleet, pending.deploymentConfig);
      });
      this.settled = this.background(resumed, 'its deployment');
    }
  }

  /** Begins a deployment: Updating, then InService with the new config, or RollingBack and InService with the old. */
  update(fleet: FleetConfig, deploymentConfig: DeploymentConfig | undefined): void {
    this.change({
      EndpointStatus: 'Updating',
      FailureReason: undefined,
      pending: this.pendingAt(fleet, deploymentConfig),
    });
    this.tell();
    this.settled = this.background(this.deploy(fleet, deploymentConfig), 'its deployment');
  }

  /** Takes new weights and instance counts. One process serves a variant whatever its count, so that this is done at once. */
  adjust(variants: readonly DeployedVariant[]): void {
    this.change({ EndpointStatus: 'Updating' });
    this.tell();
    const { live } = this.resource.description;
    this.blue?.adjust(variants);
    this.change({ EndpointStatus: 'InService', live: { ...live, variants: [...variants] } });
    this.tell();
  }

  /** Deleting, then gone from the store once its processes have ended. */
  delete(): void {
    this.change({ EndpointStatus: 'Deleting', pending: undefined });
    this.tell();
    const gone = this.end().then(() => this.context.records.delete(this.resource));
    this.settled = this.background(gone, 'its deletion');
  }

  /** Ends the processes and keeps the record, for the end of the server. */
  async end(): Promise<void> {
    this.ending.abort();
    await this.settled;
    await Promise.all([this.blue?.stop(), this.green?.stop()]);
  }

  private async startFirstFleet(): Promise<void> {
    const fleet = this.fleet(this.resource.description.live);
    this.blue = fleet;
    const problem = await startProblem(fleet, this.ending.signal);
    if (this.ending.signal.aborted) return;
    if (problem === undefined) this.change({ EndpointStatus: 'InService' });
    else this.change({ EndpointStatus: 'Failed', FailureReason: problem });
    this.tell();
  }

  private async startAgain(blue: Fleet): Promise<void> {
    const problem = await startProblem(blue, this.ending.signal);
    if (problem === undefined || this.ending.signal.aborted) return;
    this.change({ EndpointStatus: 'Failed', pending: undefined, FailureReason: problem });
    this.tell();
  }

  private async deploy(config: FleetConfig, deploymentConfig: DeploymentConfig | undefined): Promise<void> {
    const { signal } = this.ending;
    const green = this.fleet(config);
    this.green = green;
    this.enter('Creating', 'Creating the new fleet.', 0);
    const problem = await this.replaceBy(green, deploymentConfig);
    if (signal.aborted) return;
    const blue = this.blue;
    if (problem !== undefined) {
      this.greenShare = 0;
      this.change({ EndpointStatus: 'RollingBack', FailureReason: problem });
      this.tell();
      this.tellDeployment();
      this.green = undefined;
      await green.stop();
      this.change({ EndpointStatus: 'InService', pending: undefined });
    } else {
      this.enter('Deleting', 'Deleting the old fleet.', 1);
      this.blue = green;
      this.green = undefined;
      this.greenShare = 0;
      // The old fleet only ends the calls it has; the endpoint need not wait for it.
      if (blue) void this.background(blue.stop(), 'the end of its old fleet');
      this.change({
        EndpointStatus: 'InService',
        live: config,
        pending: undefined,
        LastDeploymentConfig: deploymentConfig,
      });
    }
    this.tell();
    this.tellDeployment();
  }

  /** Starts the green fleet and moves the traffic to it, under the alarms' eyes. @returns why it has to go back */
  private async replaceBy(green: Fleet, deploymentConfig: DeploymentConfig | undefined): Promise<string | undefined> {
    const { config } = green;
    const { platform } = this.context;
    const names = deploymentConfig?.AutoRollbackConfiguration?.Alarms?.map((alarm) => alarm.AlarmName) ?? [];
    const role = config.roleArn ?? firstRole(config);
    const watch = new AlarmWatch(() => platform.cloudWatchAs(role, this.resource.scope), names);
    const tripped = await watch.look();
    if (tripped !== undefined) return tripped;
    watch.start();
    try {
      const problem = await startProblem(green, AbortSignal.any([this.ending.signal, watch.tripped]));
      // A fleet that an alarm stopped says that it was stopped; the alarm says why.
      if (problem !== undefined) return watch.tripped.aborted ? await watch.look() : problem;
      return await this.shiftTraffic(config, deploymentConfig, watch);
    } finally {
      await watch.stop();
    }
  }

  /** Moves the traffic step by step. @returns why it has to go back; undefined when all of it is on the green fleet */
  private async shiftTraffic(
    config: FleetConfig,
    deploymentConfig: DeploymentConfig | undefined,
    watch: AlarmWatch,
  ): Promise<string | undefined> {
    const instances = config.variants.reduce((sum, variant) => sum + variant.instances, 0);
    const { timeScale } = this.context.platform;
    const limit = (deploymentConfig?.BlueGreenUpdatePolicy ?? deploymentConfig?.RollingUpdatePolicy)
      ?.MaximumExecutionTimeoutInSeconds;
    const deadline = limit === undefined ? Number.POSITIVE_INFINITY : performance.now() + limit * 1000 * timeScale;
    for (const step of deploymentSteps(deploymentConfig, instances)) {
      this.enter(
        'ActivatingTraffic',
        `Activating traffic on ${Math.round(step.greenShare * 100)} % of the new fleet.`,
        step.greenShare,
      );
      this.greenShare = step.greenShare;
      this.enter('Baking', step.message, step.greenShare);
      const reason = await this.bake(step, watch, deadline);
      if (reason !== undefined || this.ending.signal.aborted) return reason;
    }
    return undefined;
  }

  private async bake(step: DeploymentStep, watch: AlarmWatch, deadline: number): Promise<string | undefined> {
    const end = performance.now() + step.bakeSeconds * 1000 * this.context.platform.timeScale;
    const left = Math.min(end, deadline) - performance.now();
    if (left > 0) await pause(left, AbortSignal.any([this.ending.signal, watch.tripped]));
    if (this.ending.signal.aborted) return undefined;
    const reason = await watch.look();
    if (reason !== undefined) return reason;
    if (performance.now() >= deadline) return 'The deployment did not end within MaximumExecutionTimeoutInSeconds.';
    return undefined;
  }

  private enter(status: Phase['status'], message: string, greenShare: number): void {
    const { pending } = this.resource.description;
    if (!pending) return;
    this.change({
      pending: { ...pending, phase: { status, message, greenShare, since: epochSeconds(this.context.clock) } },
    });
    this.tellDeployment();
  }

  private pendingAt(fleet: FleetConfig, deploymentConfig: DeploymentConfig | undefined): PendingDeployment {
    const now = epochSeconds(this.context.clock);
    const phase: Phase = { status: 'Creating', message: 'Creating the new fleet.', since: now, greenShare: 0 };
    return { fleet, deploymentConfig, startedAt: now, phase };
  }

  /** Work that no caller waits for: what fails in it is reported to the operator. */
  private background(work: Promise<void>, what: string): Promise<void> {
    return work.catch((error: unknown) =>
      this.context.platform.report(`Endpoint ${this.resource.name}: ${what} failed`, error),
    );
  }

  private fleet(config: FleetConfig): Fleet {
    const { account, region } = this.resource.scope;
    const folder = join(this.context.platform.folder, account, region, this.resource.name, randomUUID().slice(0, 8));
    return new Fleet(this.context.platform, this.resource, config, folder);
  }

  private change(change: Partial<EndpointRecord>): void {
    this.resource = this.context.records.update(this.resource, {
      ...change,
      LastModifiedTime: epochSeconds(this.context.clock),
    });
  }

  private tell(): void {
    this.publish('SageMaker Endpoint State Change');
  }

  private tellDeployment(): void {
    this.publish('SageMaker Endpoint Deployment State Change');
  }

  private publish(detailType: string): void {
    const spelled = { EndpointStatus: eventStatus(this.status) };
    this.context.platform.publish(
      detailType,
      'DescribeEndpointOutput',
      this.resource,
      describeEndpoint(this.resource),
      spelled,
    );
  }
}

async function startProblem(fleet: Fleet, signal: AbortSignal): Promise<string | undefined> {
  const stop = () => void fleet.stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    await fleet.start();
    return undefined;
  } catch (error) {
    return reasonOf(error);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof FleetError) return error.message;
  throw error;
}

function firstRole(config: FleetConfig): string {
  const [first] = config.variants;
  if (!first) throw new Error(`The endpoint config ${config.configName} has no variant`);
  return first.model.roleArn;
}
