import { describe, expect, it } from 'vitest';
import type { DeploymentRecord, ModelRecord } from '../../lambdas/contract/records.ts';
import { deploymentRequests, judgeDeployment, servingHash } from '../../lambdas/domain/deployment.ts';
import { projectSettings } from '../support/project.ts';

const deployment: DeploymentRecord = {
  model: 3,
  status: 'updating',
  endpoint: 'flywheel-local-flights',
  endpointConfig: 'new',
  replaces: 2,
  at: '2026-11-24T12:00:00Z',
};
const model: ModelRecord = {
  model: 3,
  status: 'approved',
  runId: '0123456789ab',
  datasetVersion: 2,
  jobName: 'job',
  image: 'registry/sagemaker-xgboost:3.2-0',
  artifact: 's3://models/model.tar.gz',
  billableSeconds: 10,
  at: '2026-11-24T12:00:00Z',
};
const places = { environment: 'local', roleArn: 'role', keyArn: 'key', captureBucket: 'capture', alarms: ['errors'] };

describe('judgeDeployment', () => {
  it('calls it deployed only in service with the wanted config', () => {
    expect(judgeDeployment(deployment, { status: 'InService', endpointConfig: 'new' })).toEqual({
      verdict: 'deployed',
    });
  });

  it('sees a silent rollback: in service, with the old config', () => {
    expect(
      judgeDeployment(deployment, { status: 'InService', endpointConfig: 'old', failure: 'alarm errors' }),
    ).toEqual({
      verdict: 'rolled-back',
      servesOld: true,
      reason: 'alarm errors',
    });
  });

  it('calls a failed endpoint one that serves nothing', () => {
    expect(judgeDeployment(deployment, { status: 'Failed', endpointConfig: 'new' })).toMatchObject({
      verdict: 'rolled-back',
      servesOld: false,
    });
  });

  it.each(['Creating', 'Updating', 'RollingBack', 'SystemUpdating', 'Deleting'])(
    'decides nothing while %s',
    (status) => {
      expect(judgeDeployment(deployment, { status, endpointConfig: 'new' })).toEqual({ verdict: 'in-progress' });
    },
  );
});

describe('deploymentRequests', () => {
  it('updates by canary, watched by the alarms', () => {
    const { updateEndpoint } = deploymentRequests(projectSettings(), model, places);
    expect(updateEndpoint.DeploymentConfig).toMatchObject({
      BlueGreenUpdatePolicy: {
        TrafficRoutingConfiguration: { Type: 'CANARY', CanarySize: { Value: 10 }, WaitIntervalInSeconds: 60 },
      },
      AutoRollbackConfiguration: { Alarms: [{ AlarmName: 'errors' }] },
    });
  });

  it('keeps the old fleet up for the bake when there is one instance, of which no part can be a canary', () => {
    const settings = projectSettings();
    const single = { ...settings, serving: { ...settings.serving, instanceCount: 1 } };
    const policy = deploymentRequests(single, model, places).updateEndpoint.DeploymentConfig?.BlueGreenUpdatePolicy;
    expect(policy).toMatchObject({
      TrafficRoutingConfiguration: { Type: 'ALL_AT_ONCE' },
      TerminationWaitInSeconds: 60,
    });
  });

  it('names another config when the serving settings change, and the same for the same', () => {
    const settings = projectSettings();
    const bigger = { ...settings, serving: { ...settings.serving, instance: 'ml.m5.4xlarge' } };
    expect(servingHash(bigger)).not.toBe(servingHash(settings));
    expect(servingHash(projectSettings())).toBe(servingHash(settings));
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
