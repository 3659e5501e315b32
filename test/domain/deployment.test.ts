import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ProjectSettings } from '../../lambdas/contract/settings.ts';
import { deploymentRequests, servingHash } from '../../lambdas/domain/deployment.ts';
import { rollbackAlarmNames } from '../../lambdas/domain/serving/rollback-alarms.ts';
import { projectSettings } from '../support/project.ts';
import { modelRecord } from '../support/records.ts';

const model = modelRecord({ model: 3, status: 'approved', datasetVersion: 2 });
const places = {
  environment: 'local',
  installation: 'aaaaa',
  roleArn: 'role',
  keyArn: 'key',
  captureBucket: 'capture',
};

describe('deploymentRequests', () => {
  const policyOf = (serving: Partial<ProjectSettings['serving']>) => {
    const settings = projectSettings();
    const changed = { ...settings, serving: { ...settings.serving, ...serving } };
    return deploymentRequests(changed, model, places).updateEndpoint.DeploymentConfig?.BlueGreenUpdatePolicy;
  };

  it('updates by a canary of whole instances, and watches again when the new fleet has all traffic', () => {
    expect(policyOf({})).toEqual({
      TrafficRoutingConfiguration: {
        Type: 'CANARY',
        CanarySize: { Type: 'INSTANCE_COUNT', Value: 1 },
        WaitIntervalInSeconds: 60,
      },
      TerminationWaitInSeconds: 60,
      MaximumExecutionTimeoutInSeconds: 1920,
    });
    const canary = { percent: 25, bakeSeconds: 60 };
    expect(policyOf({ instanceCount: 10, canary })?.TrafficRoutingConfiguration?.CanarySize?.Value).toBe(2);
  });

  it('keeps canary and time limit within what SageMaker takes, whatever the serving settings', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 500 }),
        fc.integer({ min: 5, max: 50 }),
        fc.integer({ min: 0, max: 3600 }),
        (instanceCount, percent, bakeSeconds) => {
          const policy = policyOf({ instanceCount, canary: { percent, bakeSeconds } });
          const size = policy?.TrafficRoutingConfiguration?.CanarySize?.Value ?? 0;
          // API_TrafficRoutingConfig: a canary is at most half of the fleet; API_BlueGreenUpdatePolicy: 600 to 28,800 s, more
          // than all waits together.
          expect(size).toBeGreaterThanOrEqual(1);
          expect(size).toBeLessThanOrEqual(instanceCount / 2);
          const limit = policy?.MaximumExecutionTimeoutInSeconds ?? 0;
          expect(limit).toBeGreaterThan(2 * bakeSeconds);
          expect(limit).toBeLessThanOrEqual(28_800);
        },
      ),
    );
  });

  it('names the alarms of the config that it deploys, and no other, for the rollback', () => {
    const { endpointConfig, updateEndpoint } = deploymentRequests(projectSettings(), model, places);
    expect(updateEndpoint.DeploymentConfig?.AutoRollbackConfiguration?.Alarms).toEqual(
      rollbackAlarmNames(endpointConfig).map((AlarmName) => ({ AlarmName })),
    );
  });

  it('keeps the old fleet up for the bake when there is one instance, of which no part can be a canary', () => {
    expect(policyOf({ instanceCount: 1 })).toMatchObject({
      TrafficRoutingConfiguration: { Type: 'ALL_AT_ONCE' },
      TerminationWaitInSeconds: 60,
    });
  });

  it('names another config when the serving settings change, and the same for the same', () => {
    const settings = projectSettings();
    const bigger = { ...settings, serving: { ...settings.serving, instance: 'ml.m5.4xlarge' } };
    expect(servingHash(bigger, 'aaaaa')).not.toBe(servingHash(settings, 'aaaaa'));
    expect(servingHash(projectSettings(), 'aaaaa')).toBe(servingHash(settings, 'aaaaa'));
    // The config of an environment that was here before has another role, and another model under the number.
    expect(servingHash(settings, 'bbbbb')).not.toBe(servingHash(settings, 'aaaaa'));
  });

  it('runs the container isolated and encrypts what it captures', () => {
    const requests = deploymentRequests(projectSettings(), model, places);
    expect(requests.createModel.EnableNetworkIsolation).toBe(true);
    expect(requests.createEndpointConfig.DataCaptureConfig?.KmsKeyId).toBe('key');
  });

  it('encrypts the volume with our key, on an instance that has one: disks of its own take no key', () => {
    const settings = projectSettings();
    const keyOn = (instance: string) =>
      deploymentRequests({ ...settings, serving: { ...settings.serving, instance } }, model, places)
        .createEndpointConfig.KmsKeyId;
    expect(keyOn('ml.m5.large')).toBe('key');
    expect(keyOn('ml.g5.xlarge')).toBeUndefined();
  });
});
