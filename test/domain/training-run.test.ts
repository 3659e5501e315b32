import { describe, expect, it } from 'vitest';
import type { TrainingRunRecord } from '../../lambdas/contract/records.ts';
import type { TrainingSettings } from '../../lambdas/contract/settings.ts';
import { isCapacityError } from '../../lambdas/domain/jobs.ts';
import { runIdentity, trainingJobRequest, windowOf } from '../../lambdas/domain/training-run.ts';
import { projectSettings } from '../support/project.ts';

const settings = projectSettings();
const training = (change: Partial<TrainingSettings>) =>
  projectSettings({ training: { ...settings.training, ...change } });

describe('runIdentity', () => {
  const identity = runIdentity(settings, 'manifest');

  it('is the same for the same data, code, image, hyperparameters and instance family', () => {
    expect(identity).toMatch(/^[0-9a-f]{12}$/);
    expect(runIdentity(projectSettings(), 'manifest')).toBe(identity);
    // Another size of the same family, another budget: the model would be the same.
    expect(runIdentity(training({ instances: ['ml.g5.2xlarge'], budgetHoursPerMonth: 99 }), 'manifest')).toBe(identity);
  });

  it.each([
    ['data', settings, 'other'],
    ['code', projectSettings({ code: { sha256: 'd'.repeat(64) } }), 'manifest'],
    ['seed', training({ seed: 8 }), 'manifest'],
    ['window', training({ window: { versions: 3 } }), 'manifest'],
    ['held-out share', training({ holdOut: 0.3 }), 'manifest'],
    ['instance family', training({ instances: ['ml.p5.48xlarge'] }), 'manifest'],
    [
      'hyperparameters',
      training({ algorithm: { ...settings.training.algorithm, hyperparameters: { max_depth: '7' } } }),
      'manifest',
    ],
  ])('changes with the %s', (_what, changed, manifest) => {
    expect(runIdentity(changed, manifest)).not.toBe(identity);
  });
});

describe('trainingJobRequest', () => {
  const run: TrainingRunRecord = {
    runId: '0123456789ab',
    status: 'requested',
    datasetVersion: 2,
    manifestId: 'm',
    trigger: 'upload',
    cause: 'c',
    reason: 'r',
    image: 'sagemaker-xgboost:3.2-0',
    hyperparameters: {},
    codeSha256: settings.code.sha256,
    attempt: 2,
    requestedAt: '2026-11-24T12:00:00Z',
    at: '2026-11-24T12:00:00Z',
  };
  const request = trainingJobRequest(settings, run, {
    environment: 'dev',
    roleArn: 'role',
    keyArn: 'key',
    datasetBucket: 'data',
    modelBucket: 'models',
    registry: '123456789012.dkr.ecr.us-east-1.amazonaws.com',
    region: 'us-east-1',
  });

  it('is named by run and attempt, and takes the instance of the attempt', () => {
    expect(request.TrainingJobName).toBe('flywheel-dev-flights-0123456789ab-a2');
    expect(request.ResourceConfig?.InstanceType).toBe('ml.g4dn.xlarge');
  });

  it('runs isolated: its code comes by a channel, not over the network', () => {
    expect(request.EnableNetworkIsolation).toBe(true);
    expect(request.InputDataConfig?.map((channel) => channel.ChannelName)).toEqual(['dataset', 'code']);
    expect(request.HyperParameters?.sagemaker_submit_directory).toMatch(/^\/opt\/ml\/input\/data\/code\//);
  });

  it('resumes on spot from checkpoints of the run, not of the attempt', () => {
    expect(request.EnableManagedSpotTraining).toBe(true);
    expect(request.CheckpointConfig?.S3Uri).toBe('s3://models/models/flights/checkpoints/0123456789ab');
    expect(request.StoppingCondition?.MaxWaitTimeInSeconds).toBeGreaterThan(3600);
  });
});

it('windowOf keeps the newest', () => {
  expect(windowOf([1, 2, 3], { versions: 2 })).toEqual([2, 3]);
  expect(windowOf([1, 2, 3], undefined)).toEqual([1, 2, 3]);
});

it('isCapacityError knows what SageMaker says', () => {
  expect(isCapacityError('CapacityError: Unable to provision requested ML compute capacity. Please retry.')).toBe(true);
  expect(isCapacityError('AlgorithmError: ExecuteUserScriptError: ExitCode 1')).toBe(false);
});
