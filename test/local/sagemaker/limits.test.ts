/** What an account and a region do not let one have, and what one sees a little later. */
import {
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  CreateModelCommand,
  CreateProcessingJobCommand,
  CreateTrainingJobCommand,
  DescribeEndpointCommand,
  DescribeTrainingJobCommand,
  StopTrainingJobCommand,
  type TrainingInstanceType,
} from '@aws-sdk/client-sagemaker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readOptions } from '../../../local/sagemaker/options.ts';
import { adminRequest, eventually, image, roleArn, Session } from './jobs/support/session.ts';

let session: Session;

beforeAll(async () => {
  session = await Session.start();
  const PrimaryContainer = { Image: image };
  await session.client.send(new CreateModelCommand({ ModelName: 'any', PrimaryContainer, ExecutionRoleArn: roleArn }));
}, 60_000);

afterAll(() => session?.stop(), 60_000);

const sleeps = 'import time; time.sleep(300)';

const order = (route: string, body: object) => adminRequest(session.server, route, body);

async function train(name: string, InstanceType: TrainingInstanceType, spot = false, more: object = {}) {
  const request = await session.request(name, sleeps, {
    ResourceConfig: { InstanceType, InstanceCount: 1, VolumeSizeInGB: 5, ...more },
    ...(spot && {
      EnableManagedSpotTraining: true,
      StoppingCondition: { MaxRuntimeInSeconds: 60, MaxWaitTimeInSeconds: 60 },
    }),
  });
  return session.client.send(new CreateTrainingJobCommand(request));
}

function process(name: string, more: object = {}) {
  return session.client.send(
    new CreateProcessingJobCommand({
      ProcessingJobName: name,
      RoleArn: roleArn,
      AppSpecification: { ImageUri: image, ContainerEntrypoint: ['python', '-c', sleeps] },
      ProcessingResources: {
        ClusterConfig: { InstanceCount: 1, InstanceType: 'ml.m5.large', VolumeSizeInGB: 5, ...more },
      },
    }),
  );
}

function configure(name: string, InstanceType: 'ml.m5.large' | 'ml.g5.xlarge', count = 1, KmsKeyId?: string) {
  const variant = { VariantName: 'main', ModelName: 'any', InstanceType, InitialInstanceCount: count };
  return session.client.send(
    new CreateEndpointConfigCommand({ EndpointConfigName: name, ProductionVariants: [variant], KmsKeyId }),
  );
}

describe('a key for the volume of an instance with disks of its own', () => {
  const refused = { name: 'ValidationException', message: expect.stringContaining('not supported for instance type') };

  test('is refused for training and processing jobs', async () => {
    await expect(train('keyed', 'ml.g5.xlarge', false, { VolumeKmsKeyId: 'key' })).rejects.toMatchObject(refused);
    await expect(process('keyed', { InstanceType: 'ml.g4dn.xlarge', VolumeKmsKeyId: 'key' })).rejects.toMatchObject(
      refused,
    );
  });

  test('is refused for endpoint configs', async () => {
    await expect(configure('keyed', 'ml.g5.xlarge', 1, 'key')).rejects.toMatchObject(refused);
    await expect(configure('keyed', 'ml.g5.xlarge')).resolves.toBeDefined();
    await expect(configure('keyed-volume', 'ml.m5.large', 1, 'key')).resolves.toBeDefined();
  });
});

describe('an account’s quota', () => {
  test('refuses a job in the words of AWS while another uses it, and takes it when that has ended', async () => {
    await order('quota', { instanceType: 'ml.g5.xlarge', usage: 'spot training job usage', limit: 1 });
    await train('first', 'ml.g5.xlarge', true);
    await expect(train('second', 'ml.g5.xlarge', true)).rejects.toMatchObject({
      name: 'ResourceLimitExceeded',
      message:
        "The account-level service limit 'ml.g5.xlarge for spot training job usage' is 1 Instances, with current utilization " +
        'of 1 Instances and a request delta of 1 Instances. Please use AWS Service Quotas to request an increase for this ' +
        'quota. If AWS Service Quotas is not available, contact AWS support to request an increase for this quota.',
    });
    // On demand is another quota, and another type too.
    await train('on-demand', 'ml.g5.xlarge');
    await session.running('first');
    for (const TrainingJobName of ['first', 'on-demand']) {
      await session.client.send(new StopTrainingJobCommand({ TrainingJobName }));
      await session.ended(TrainingJobName);
    }
    await train('second', 'ml.g5.xlarge', true);
    await session.client.send(new StopTrainingJobCommand({ TrainingJobName: 'second' }));
    await order('quota', { instanceType: 'ml.g5.xlarge', usage: 'spot training job usage', limit: null });
  });

  test('refuses processing jobs and endpoints', async () => {
    await order('quota', { instanceType: 'ml.m5.large', usage: 'processing job usage', limit: 0 });
    await expect(process('none')).rejects.toThrow(
      "'ml.m5.large for processing job usage' is 0 Instances, with current utilization of 0 Instances and a request delta of 1 Instances",
    );
    await order('quota', { instanceType: 'ml.m5.large', usage: 'endpoint usage', limit: 1 });
    await configure('two', 'ml.m5.large', 2);
    const create = new CreateEndpointCommand({ EndpointName: 'two', EndpointConfigName: 'two' });
    await expect(session.client.send(create)).rejects.toMatchObject({
      name: 'ResourceLimitExceeded',
      message: expect.stringContaining("'ml.m5.large for endpoint usage' is 1 Instances"),
    });
    await order('quota', { instanceType: 'ml.m5.large', usage: 'endpoint usage', limit: 2 });
    await session.client.send(create);
  });

  test('is given when the server starts, too', () => {
    const { quotas } = readOptions(['--quota', 'ml.g5.xlarge for spot training job usage=1']);
    expect(quotas).toEqual({ 'ml.g5.xlarge for spot training job usage': 1 });
    expect(() => readOptions(['--quota', 'ml.g5.xlarge=1'])).toThrow(
      "expected a quota and its number: 'ml.m5.large for",
    );
  });
});

describe('an instance type that the region lacks', () => {
  test('is refused in either way that SageMaker has', async () => {
    await order('offer', { instanceType: 'ml.p3dn.24xlarge', offer: 'unsupported' });
    await expect(train('nowhere', 'ml.p3dn.24xlarge')).rejects.toMatchObject({
      name: 'ValidationException',
      message: 'Unsupported instance type ml.p3dn.24xlarge',
    });
    await order('offer', { instanceType: 'ml.p2.xlarge', offer: 'unavailable' });
    await expect(train('nowhere', 'ml.p2.xlarge')).rejects.toMatchObject({
      name: 'ResourceLimitExceeded',
      message: 'The requested resource training-job/ml.p2.xlarge is not available in this region',
    });
  });

  test('that has none to give fails an endpoint with SageMaker’s reason', async () => {
    await order('capacity', { instanceType: 'ml.g5.xlarge', available: false });
    await configure('scarce', 'ml.g5.xlarge');
    await session.client.send(new CreateEndpointCommand({ EndpointName: 'scarce', EndpointConfigName: 'scarce' }));
    const describe = () => session.client.send(new DescribeEndpointCommand({ EndpointName: 'scarce' }));
    await eventually(async () => (await describe()).EndpointStatus === 'Failed');
    expect((await describe()).FailureReason).toMatch(
      /^Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error/,
    );
  });
});

test('a Describe that lags answers the state before a change, then the present one', async () => {
  await order('describe-lag', { milliseconds: 1500 });
  await train('lagging', 'ml.m5.large');
  await session.running('lagging');
  await session.client.send(new StopTrainingJobCommand({ TrainingJobName: 'lagging' }));
  const status = async () =>
    (await session.client.send(new DescribeTrainingJobCommand({ TrainingJobName: 'lagging' }))).TrainingJobStatus;
  expect(await status()).toBe('InProgress');
  await eventually(async () => (await status()) === 'Stopped');
  await order('describe-lag', { milliseconds: 0 });
});

test('an order that is not understood says what it expects', async () => {
  const answer = await order('quota', { instanceType: 'ml.m5.large', usage: 'anything', limit: 1 });
  expect(answer.status).toBe(400);
  expect(await answer.text()).toContain('usage');
  expect(await (await order('nothing', {})).text()).toContain('POST quota');
});
