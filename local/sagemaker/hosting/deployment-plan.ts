import * as z from 'zod';

const size = z.object({ Type: z.enum(['INSTANCE_COUNT', 'CAPACITY_PERCENT']), Value: z.number() });

/** DeploymentConfig of CreateEndpoint and UpdateEndpoint; times in seconds. */
export const deploymentConfig = z.object({
  BlueGreenUpdatePolicy: z
    .object({
      TrafficRoutingConfiguration: z.object({
        Type: z.enum(['ALL_AT_ONCE', 'CANARY', 'LINEAR']),
        WaitIntervalInSeconds: z.number(),
        CanarySize: size.optional(),
        LinearStepSize: size.optional(),
      }),
      TerminationWaitInSeconds: z.number().optional(),
      MaximumExecutionTimeoutInSeconds: z.number().optional(),
    })
    .optional(),
  RollingUpdatePolicy: z
    .object({
      MaximumBatchSize: size,
      WaitIntervalInSeconds: z.number(),
      MaximumExecutionTimeoutInSeconds: z.number().optional(),
      RollbackMaximumBatchSize: size.optional(),
    })
    .optional(),
  AutoRollbackConfiguration: z.object({ Alarms: z.array(z.object({ AlarmName: z.string() })).optional() }).optional(),
});
export type DeploymentConfig = z.infer<typeof deploymentConfig>;
type Size = z.infer<typeof size>;

/** One step of a deployment: the green fleet takes `greenShare` of the traffic, and alarms are watched for `bakeSeconds`. */
export interface DeploymentStep {
  /** Share of the traffic that the green fleet serves in this step, in (0, 1]. */
  readonly greenShare: number;
  readonly bakeSeconds: number;
  /** VariantStatus.StatusMessage while baking. */
  readonly message: string;
}

/**
 * The steps that take an endpoint from its blue fleet to a green one that is already up.
 * ALL_AT_ONCE: everything, then TerminationWait. CANARY: the canary, WaitInterval, everything, TerminationWait. LINEAR: a step
 * and WaitInterval until everything is moved, then TerminationWait. Rolling: a batch and WaitInterval until everything is moved.
 *
 * @param instances instances of the endpoint, which INSTANCE_COUNT sizes are a part of
 */
export function deploymentSteps(config: DeploymentConfig | undefined, instances: number): DeploymentStep[] {
  const rolling = config?.RollingUpdatePolicy;
  if (rolling) {
    const seconds = rolling.WaitIntervalInSeconds;
    return increments(capacityShare(rolling.MaximumBatchSize, instances)).map((share) =>
      step(share, seconds, 'WaitIntervalInSeconds', share < 1 ? 'batch' : 'full'),
    );
  }
  const policy = config?.BlueGreenUpdatePolicy;
  const full = step(1, policy?.TerminationWaitInSeconds ?? 0, 'TerminationWaitInSeconds', 'full');
  const routing = policy?.TrafficRoutingConfiguration;
  if (routing?.Type === 'CANARY' && routing.CanarySize) {
    const share = capacityShare(routing.CanarySize, instances);
    return [step(share, routing.WaitIntervalInSeconds, 'WaitIntervalInSeconds', 'canary'), full];
  }
  if (routing?.Type === 'LINEAR' && routing.LinearStepSize) {
    const shares = increments(capacityShare(routing.LinearStepSize, instances)).slice(0, -1);
    return [
      ...shares.map((share) => step(share, routing.WaitIntervalInSeconds, 'WaitIntervalInSeconds', 'linear')),
      full,
    ];
  }
  return [full];
}

/** What SageMaker refuses beyond the ranges of its service model: sizes, exclusive policies, a time limit shorter than the waits. */
export function deploymentConfigProblem(config: DeploymentConfig): string | undefined {
  const { BlueGreenUpdatePolicy: blueGreen, RollingUpdatePolicy: rolling } = config;
  if (blueGreen && rolling) return 'Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy can be specified.';
  const routing = blueGreen?.TrafficRoutingConfiguration;
  if (routing?.Type === 'CANARY' && !routing.CanarySize)
    return 'CanarySize is required when the traffic routing type is CANARY.';
  if (routing?.Type === 'LINEAR' && !routing.LinearStepSize)
    return 'LinearStepSize is required when the traffic routing type is LINEAR.';
  return (
    sizeProblem('CanarySize', routing?.CanarySize, 1, 50) ??
    sizeProblem('LinearStepSize', routing?.LinearStepSize, 10, 50) ??
    sizeProblem('MaximumBatchSize', rolling?.MaximumBatchSize, 5, 50)
  );
}

/**
 * Sizes in instances are at most half of the fleet, as those in percent are (API reference, TrafficRoutingConfig: "less than or
 * equal to 50% of the variant's total instance count").
 */
export function instanceCountProblem(config: DeploymentConfig, instances: number): string | undefined {
  const routing = config.BlueGreenUpdatePolicy?.TrafficRoutingConfiguration;
  const sizes = {
    CanarySize: routing?.CanarySize,
    LinearStepSize: routing?.LinearStepSize,
    MaximumBatchSize: config.RollingUpdatePolicy?.MaximumBatchSize,
  };
  for (const [name, size] of Object.entries(sizes)) {
    if (size?.Type !== 'INSTANCE_COUNT' || size.Value <= instances / 2) continue;
    return `${name} must be less than or equal to 50% of the variant's total instance count, got ${size.Value} of ${instances}.`;
  }
  return undefined;
}

/**
 * The time limit has to leave room for all waits (API reference, BlueGreenUpdatePolicy: "should be larger than the total waiting time
 * specified in TerminationWaitInSeconds and WaitIntervalInSeconds").
 */
export function timeLimitProblem(config: DeploymentConfig, instances: number): string | undefined {
  const limit = (config.BlueGreenUpdatePolicy ?? config.RollingUpdatePolicy)?.MaximumExecutionTimeoutInSeconds;
  const waits = deploymentSteps(config, instances).reduce((sum, step) => sum + step.bakeSeconds, 0);
  if (limit === undefined || limit > waits) return undefined;
  return `MaximumExecutionTimeoutInSeconds must be larger than the total waiting time, got ${limit} for ${waits} seconds of waiting.`;
}

function sizeProblem(name: string, given: Size | undefined, least: number, most: number): string | undefined {
  if (given?.Type !== 'CAPACITY_PERCENT' || (given.Value >= least && given.Value <= most)) return undefined;
  return `${name} of type CAPACITY_PERCENT must be between ${least} and ${most}, got ${given.Value}.`;
}

function step(greenShare: number, bakeSeconds: number, setting: string, capacity: string): DeploymentStep {
  const message = `Baking for ${bakeSeconds} seconds (${setting}) with traffic enabled on ${capacity} capacity (${percent(greenShare)}).`;
  return { greenShare, bakeSeconds, message };
}

function capacityShare(given: Size, instances: number): number {
  const share = given.Type === 'CAPACITY_PERCENT' ? given.Value / 100 : given.Value / Math.max(1, instances);
  return Math.min(1, share);
}

/** share, 2·share, … and 1 at the end. Counted in whole steps, so that 10 steps of 0.1 are 10 and not 11. */
function increments(share: number): number[] {
  const count = Math.max(1, Math.ceil(1 / share - 1e-9));
  return Array.from({ length: count }, (_, index) => (index === count - 1 ? 1 : (index + 1) * share));
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`;
}
