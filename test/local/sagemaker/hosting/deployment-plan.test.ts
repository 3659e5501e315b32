import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type DeploymentConfig,
  deploymentConfigProblem,
  deploymentSteps,
  instanceCountProblem,
  timeLimitProblem,
} from '../../../../local/sagemaker/hosting/deployment-plan.ts';

const percent = (Value: number) => ({ Type: 'CAPACITY_PERCENT' as const, Value });
const instances = (Value: number) => ({ Type: 'INSTANCE_COUNT' as const, Value });

/** Share and bake time of each step. */
function plan(config: DeploymentConfig | undefined, count = 4): [number, number][] {
  return deploymentSteps(config, count).map((step) => [Math.round(step.greenShare * 1000) / 1000, step.bakeSeconds]);
}

function blueGreen(routing: object, TerminationWaitInSeconds = 7): DeploymentConfig {
  const base = { Type: 'ALL_AT_ONCE' as const, WaitIntervalInSeconds: 60 };
  return { BlueGreenUpdatePolicy: { TrafficRoutingConfiguration: { ...base, ...routing }, TerminationWaitInSeconds } };
}

test('instanceCountProblem refuses a part that is more than half of the fleet', () => {
  const canary = blueGreen({ Type: 'CANARY', CanarySize: instances(1) });
  expect(instanceCountProblem(canary, 1)).toContain('CanarySize must be less than or equal to 50%');
  expect(instanceCountProblem(canary, 2)).toBeUndefined();
  const rolling = { RollingUpdatePolicy: { MaximumBatchSize: instances(3), WaitIntervalInSeconds: 0 } };
  expect(instanceCountProblem(rolling, 5)).toContain('MaximumBatchSize');
});

test('timeLimitProblem refuses a limit that the waits alone reach', () => {
  const canary = blueGreen({ Type: 'CANARY', CanarySize: percent(10), WaitIntervalInSeconds: 600 }, 600);
  const limited = (seconds: number): DeploymentConfig => ({
    BlueGreenUpdatePolicy: {
      TrafficRoutingConfiguration: { Type: 'ALL_AT_ONCE', WaitIntervalInSeconds: 0 },
      ...canary.BlueGreenUpdatePolicy,
      MaximumExecutionTimeoutInSeconds: seconds,
    },
  });
  expect(timeLimitProblem(limited(1200), 2)).toContain('got 1200 for 1200 seconds of waiting');
  expect(timeLimitProblem(limited(1201), 2)).toBeUndefined();
  expect(timeLimitProblem(canary, 2)).toBeUndefined();
});

describe('deploymentSteps', () => {
  test('without a config moves everything at once and waits for nothing', () => {
    expect(plan(undefined)).toEqual([[1, 0]]);
  });

  test('follows the policy', () => {
    expect(plan(blueGreen({}))).toEqual([[1, 7]]);
    expect(plan(blueGreen({ Type: 'CANARY', CanarySize: percent(10) }))).toEqual([
      [0.1, 60],
      [1, 7],
    ]);
    expect(plan(blueGreen({ Type: 'CANARY', CanarySize: instances(1) }))).toEqual([
      [0.25, 60],
      [1, 7],
    ]);
    expect(plan(blueGreen({ Type: 'LINEAR', LinearStepSize: percent(30) }))).toEqual([
      [0.3, 60],
      [0.6, 60],
      [0.9, 60],
      [1, 7],
    ]);
    expect(plan({ RollingUpdatePolicy: { MaximumBatchSize: percent(50), WaitIntervalInSeconds: 9 } })).toEqual([
      [0.5, 9],
      [1, 9],
    ]);
  });

  test('takes ever more, never a part twice, and ends with everything', () => {
    const linear = fc
      .integer({ min: 10, max: 50 })
      .map((size) => blueGreen({ Type: 'LINEAR', LinearStepSize: percent(size) }));
    const rolling = fc.integer({ min: 5, max: 50 }).map(
      (size): DeploymentConfig => ({
        RollingUpdatePolicy: { MaximumBatchSize: percent(size), WaitIntervalInSeconds: 1 },
      }),
    );
    fc.assert(
      fc.property(fc.oneof(linear, rolling), fc.integer({ min: 1, max: 20 }), (config, count) => {
        const shares = deploymentSteps(config, count).map((step) => step.greenShare);
        expect(shares.at(-1)).toBe(1);
        for (const [index, share] of shares.entries()) expect(share).toBeGreaterThan(shares[index - 1] ?? 0);
      }),
    );
  });

  test('a linear step that divides the whole takes no extra step', () => {
    expect(plan(blueGreen({ Type: 'LINEAR', LinearStepSize: percent(10) }))).toHaveLength(10);
  });
});

describe('deploymentConfigProblem', () => {
  test('names what SageMaker refuses', () => {
    const rolling = { MaximumBatchSize: percent(20), WaitIntervalInSeconds: 1 };
    expect(deploymentConfigProblem({ ...blueGreen({}), RollingUpdatePolicy: rolling })).toMatch(/Only one of/);
    expect(deploymentConfigProblem(blueGreen({ Type: 'CANARY' }))).toMatch(/CanarySize is required/);
    expect(deploymentConfigProblem(blueGreen({ Type: 'CANARY', CanarySize: percent(60) }))).toMatch(
      /between 1 and 50, got 60/,
    );
    expect(deploymentConfigProblem(blueGreen({ Type: 'LINEAR', LinearStepSize: percent(5) }))).toMatch(
      /between 10 and 50/,
    );
    expect(deploymentConfigProblem({ RollingUpdatePolicy: { ...rolling, MaximumBatchSize: percent(60) } })).toMatch(
      /MaximumBatchSize/,
    );
    expect(deploymentConfigProblem(blueGreen({ Type: 'CANARY', CanarySize: percent(10) }))).toBeUndefined();
  });
});
