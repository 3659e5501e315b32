import { describe, expect, it } from 'vitest';
import { type TrainingRunRecord, trainingRunRecord } from '../../lambdas/contract/records.ts';
import type { TrainingSettings } from '../../lambdas/contract/settings.ts';
import { installationOf } from '../../lambdas/domain/installation.ts';
import { runIdentity, servingImageUri, trainingJobRequest, windowOf } from '../../lambdas/domain/training-run.ts';
import { projectSettings } from '../support/project.ts';

const settings = projectSettings();
const training = (change: Partial<TrainingSettings>) =>
  projectSettings({ training: { ...settings.training, ...change } });

describe('runIdentity', () => {
  const identity = runIdentity(settings, 'manifest', 'aaaaa');

  it('is the same for the same data, code, image, hyperparameters and instance family', () => {
    expect(identity).toMatch(/^[0-9a-f]{12}$/);
    expect(runIdentity(projectSettings(), 'manifest', 'aaaaa')).toBe(identity);
    // Another size of the same family, another budget: the model would be the same.
    const larger = training({ instances: ['ml.g5.2xlarge'], budgetHoursPerMonth: 99 });
    expect(runIdentity(larger, 'manifest', 'aaaaa')).toBe(identity);
  });

  it('of a project whose training image serves too is what it always was: another trains all of them anew', () => {
    expect(identity).toBe('29962e4bffb6');
  });

  it.each([
    ['data', settings, 'other'],
    ['code', projectSettings({ code: { sha256: 'd'.repeat(64) } }), 'manifest'],
    ['seed', training({ seed: 8 }), 'manifest'],
    ['window', training({ window: { versions: 3 } }), 'manifest'],
    ['held-out share', training({ holdOut: 0.3 }), 'manifest'],
    ['held-out days', training({ holdOutBy: 'day' }), 'manifest'],
    ['instance family', training({ instances: ['ml.p5.48xlarge'] }), 'manifest'],
    [
      'serving image',
      training({ algorithm: { ...settings.training.algorithm, servingImage: 'sagemaker-xgboost:3.3-0' } }),
      'manifest',
    ],
    [
      'hyperparameters',
      training({ algorithm: { ...settings.training.algorithm, hyperparameters: { max_depth: '7' } } }),
      'manifest',
    ],
  ])('changes with the %s', (_what, changed, manifest) => {
    expect(runIdentity(changed, manifest, 'aaaaa')).not.toBe(identity);
  });

  it('is of one installation: the table of an environment that was made anew is another', () => {
    const [first, second] = ['dev-State-LineageTable-1ABC', 'dev-State-LineageTable-2DEF'].map(installationOf);
    expect(first).toMatch(/^[0-9a-f]{5}$/);
    expect(runIdentity(settings, 'manifest', first ?? '')).not.toBe(runIdentity(settings, 'manifest', second ?? ''));
  });
});

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
  attempt: 3,
  instance: 1,
  tries: 1,
  requestedAt: '2026-11-24T12:00:00Z',
  at: '2026-11-24T12:00:00Z',
};
const registries = { 'sagemaker-xgboost': '111111111111.dkr.ecr', pytorch: '222222222222.dkr.ecr' };

describe('trainingJobRequest', () => {
  const places = {
    environment: 'dev',
    roleArn: 'role',
    keyArn: 'key',
    datasetBucket: 'data',
    modelBucket: 'models',
    registries,
    region: 'us-east-1',
  };
  const request = trainingJobRequest(settings, run, places);

  it('encrypts the volume with our key, on an instance that has one: disks of its own take no key', () => {
    const keyOn = (instance: string) =>
      trainingJobRequest(training({ instances: [instance] }), run, places).ResourceConfig?.VolumeKmsKeyId;
    expect(keyOn('ml.m5.xlarge')).toBe('key');
    expect(keyOn('ml.p3dn.24xlarge')).toBeUndefined();
  });

  it('is named by run and attempt, and takes the instance of its place in the list', () => {
    expect(request.TrainingJobName).toBe('flywheel-dev-flights-0123456789ab-a3');
    expect(request.ResourceConfig?.InstanceType).toBe('ml.g4dn.xlarge');
  });

  it('runs on the image of the run, from the registry of its repository', () => {
    expect(request.AlgorithmSpecification?.TrainingImage).toBe('111111111111.dkr.ecr/sagemaker-xgboost:3.2-0');
  });

  it('runs isolated: its code comes by a channel, not over the network', () => {
    expect(request.EnableNetworkIsolation).toBe(true);
    expect(request.InputDataConfig?.map((channel) => channel.ChannelName)).toEqual(['dataset', 'code']);
  });

  it('starts train.py itself, of which the toolkits of the images know nothing', () => {
    expect(request.AlgorithmSpecification?.ContainerEntrypoint).toEqual([
      'bash',
      '-c',
      'mkdir -p /opt/ml/code && tar -xzf /opt/ml/input/data/code/sourcedir.tar.gz -C /opt/ml/code && exec python3 /opt/ml/code/train.py',
    ]);
  });

  it.each(['sagemaker-xgboost:3.2-0', 'pytorch:2.13'])(
    'defines no metrics, which SageMaker refuses for its algorithms: %s',
    (image) => {
      expect(trainingJobRequest(settings, { ...run, image }, places).AlgorithmSpecification).not.toHaveProperty(
        'MetricDefinitions',
      );
    },
  );

  it('resumes on spot from checkpoints of the run, not of the attempt', () => {
    expect(request.EnableManagedSpotTraining).toBe(true);
    expect(request.CheckpointConfig?.S3Uri).toBe('s3://models/models/flights/checkpoints/0123456789ab');
    expect(request.StoppingCondition?.MaxWaitTimeInSeconds).toBeGreaterThan(3600);
  });
});

describe('servingImageUri', () => {
  it('is what the run was requested with, from the registry of its repository', () => {
    const network = { ...run, image: 'pytorch:2.13', servingImage: 'sagemaker-xgboost:3.2-0' };
    expect(servingImageUri(network, '222222222222.dkr.ecr/pytorch:2.13', registries)).toBe(
      '111111111111.dkr.ecr/sagemaker-xgboost:3.2-0',
    );
  });

  it('is what the run was trained on where it names no other, as no run did before there was a choice', () => {
    expect(trainingRunRecord.parse(run)).toEqual(run);
    expect(servingImageUri(run, 'old-host/sagemaker-xgboost:1.7-1', {})).toBe('old-host/sagemaker-xgboost:1.7-1');
  });

  it('is not made up for a repository without a registry', () => {
    expect(() => servingImageUri({ ...run, servingImage: 'own:1' }, '', registries)).toThrow(
      'IMAGE_REGISTRIES has no registry of own:1, only of sagemaker-xgboost, pytorch: deploy the stacks again',
    );
  });
});

it('windowOf keeps the newest', () => {
  expect(windowOf([1, 2, 3], { versions: 2 })).toEqual([2, 3]);
  expect(windowOf([1, 2, 3], undefined)).toEqual([1, 2, 3]);
});
