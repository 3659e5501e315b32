import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { GetMetricStatisticsCommand } from '@aws-sdk/client-cloudwatch';
import { FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import {
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  DeleteEndpointCommand,
  UpdateEndpointWeightsAndCapacitiesCommand,
  waitUntilEndpointDeleted,
} from '@aws-sdk/client-sagemaker';
import { InvokeEndpointWithResponseStreamCommand } from '@aws-sdk/client-sagemaker-runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findContainment } from '../../../../local/sagemaker/container/containment.ts';
import { account, eventually, image, region, roleArn } from './support/cloud.ts';
import { Session } from './support/session.ts';

const containment = await findContainment(resolve('.flywheel/venv/cloud/bin/python'));
let session: Session;

beforeAll(async () => {
  session = await Session.start();
}, 30_000);

afterAll(() => session?.stop(), 30_000);

describe('an endpoint', () => {
  test('goes from Creating to InService, and serves its model', async () => {
    await session.configure('first');
    await session.sagemaker.send(new CreateEndpointCommand({ EndpointName: 'first', EndpointConfigName: 'first' }));
    expect((await session.describeEndpoint('first')).EndpointStatus).toBe('Creating');
    await session.inService('first');
    const answer = await session.invoke('first', '1,2', {
      InferenceId: 'abc',
      CustomAttributes: 'trace=1',
      Accept: 'text/csv',
    });
    expect(answer.text).toBe('first:1,2');
    expect(answer).toMatchObject({
      ContentType: 'text/csv; charset=utf-8',
      InvokedProductionVariant: 'main',
      CustomAttributes: 'model=first',
    });
    expect(await session.endpointStates('first')).toEqual(['CREATING', 'IN_SERVICE']);
  });

  test('gives the container its environment and the headers of the call, and a model it cannot change', async () => {
    expect((await session.invoke('first', 'environment')).text).toContain('MODEL_SETTING=of first');
    const headers = (
      await session.invoke('first', 'headers', { InferenceId: 'abc', CustomAttributes: 'trace=1' })
    ).text.split('\n');
    expect(headers).toContain('x-amzn-sagemaker-inference-id: abc');
    expect(headers).toContain('x-amzn-sagemaker-custom-attributes: trace=1');
    expect(headers.some((header) => header.startsWith('authorization'))).toBe(false);
    // In namespaces its folder is mounted read-only (OSError); as a plain process root may write wherever it likes.
    if (containment.kind === 'namespaces') expect((await session.invoke('first', 'write')).text).toBe('OSError');
    else if (process.getuid?.() !== 0) expect((await session.invoke('first', 'write')).text).toBe('PermissionError');
  });

  test('under network isolation reaches nothing, and is reached and started again all the same', async () => {
    const port = new URL(session.cloud.url).port;
    expect((await session.invoke('first', `connect ${port}`)).text).toBe('connected');
    await session.configure('isolated', {}, {}, { EnableNetworkIsolation: true });
    await session.createEndpoint('isolated');
    if (containment.kind === 'namespaces') {
      expect((await session.invoke('isolated', `connect ${port}`)).text).toBe('ConnectionRefusedError');
    }
    await expect(session.invoke('isolated', 'crash')).rejects.toMatchObject({ OriginalStatusCode: 0 });
    await eventually(async () => (await session.invoke('isolated', 'x')).text === 'isolated:x');
    const large = 'y'.repeat(5_000_000);
    expect((await session.invoke('isolated', large)).text).toBe(`isolated:${large}`);
  });

  test('writes what its container says to CloudWatch Logs', async () => {
    await eventually(async () => {
      const { events } = await session.cloud.logs.send(
        new FilterLogEventsCommand({ logGroupName: '/aws/sagemaker/Endpoints/first' }),
      );
      return (
        events?.some((event) => event.message === 'serving first' && event.logStreamName?.startsWith('main/i-')) ??
        false
      );
    });
  });

  test('answers a model error with its status and its words', async () => {
    await expect(session.invoke('first', 'status 400')).rejects.toMatchObject({
      name: 'ModelError',
      OriginalStatusCode: 400,
      OriginalMessage: 'the model says no',
      message: expect.stringMatching(
        /^Received client error \(400\) from primary with message "the model says no"\. See https:/,
      ),
      $metadata: { httpStatusCode: 424 },
    });
    await expect(session.invoke('first', 'status 500')).rejects.toThrow(/^Received server error \(500\) from primary/);
  });

  test('streams the answer of its container, and tells when it breaks off', async () => {
    const stream = async (body: string) => {
      const command = new InvokeEndpointWithResponseStreamCommand({ EndpointName: 'first', Body: body });
      const { Body, ContentType } = await session.runtime.send(command);
      let text = '';
      try {
        for await (const event of Body ?? []) text += Buffer.from(event.PayloadPart?.Bytes ?? []).toString();
      } catch (error) {
        return { text, ContentType, error };
      }
      return { text, ContentType };
    };
    expect(await stream('stream 3')).toEqual({
      text: 'part 0 of first;part 1 of first;part 2 of first;',
      ContentType: 'text/plain',
    });
    await expect(stream('status 503')).rejects.toMatchObject({ name: 'ModelError', OriginalStatusCode: 503 });
    expect(await stream('stream 2 broken')).toMatchObject({
      text: 'part 0 of first;part 1 of first;',
      error: { name: 'ModelStreamError', ErrorCode: 'StreamBroken' },
    });
    await eventually(async () => (await session.invoke('first', 'x')).text === 'first:x');
  });

  test('is not found by a name or a variant that does not exist', async () => {
    await expect(session.invoke('nowhere', 'x')).rejects.toMatchObject({
      name: 'ValidationError',
      message: `Endpoint nowhere of account ${account} not found.`,
    });
    await expect(session.invoke('first', 'x', { TargetVariant: 'other' })).rejects.toMatchObject({
      name: 'ValidationError',
    });
    await expect(session.describeEndpoint('nowhere')).rejects.toMatchObject({
      name: 'ValidationException',
      message: `Could not find endpoint "arn:aws:sagemaker:${region}:${account}:endpoint/nowhere".`,
    });
  });

  test('starts a container again that has crashed', async () => {
    await expect(session.invoke('first', 'crash')).rejects.toMatchObject({ name: 'ModelError', OriginalStatusCode: 0 });
    await eventually(async () => (await session.invoke('first', 'x')).text === 'first:x');
    await eventually(async () => {
      const { events } = await session.cloud.logs.send(
        new FilterLogEventsCommand({ logGroupName: '/aws/sagemaker/Endpoints/first' }),
      );
      return events?.some((event) => event.message?.includes('exit code 3')) ?? false;
    });
  });

  test('counts invocations, errors and latencies in CloudWatch', async () => {
    const sum = async (MetricName: string, Statistic: 'Sum' | 'Average') => {
      const { Datapoints = [] } = await session.cloud.cloudWatch.send(
        new GetMetricStatisticsCommand({
          Namespace: 'AWS/SageMaker',
          MetricName,
          Dimensions: [
            { Name: 'EndpointName', Value: 'first' },
            { Name: 'VariantName', Value: 'main' },
          ],
          StartTime: new Date(Date.now() - 600_000),
          EndTime: new Date(Date.now() + 60_000),
          Period: 3600,
          Statistics: [Statistic],
        }),
      );
      return Datapoints.reduce((total, point) => total + (point[Statistic] ?? 0), 0);
    };
    await eventually(async () => (await sum('Invocation4XXErrors', 'Sum')) === 1);
    // The 500, and the crash.
    await eventually(async () => (await sum('Invocation5XXErrors', 'Sum')) >= 2);
    expect(await sum('Invocations', 'Sum')).toBeGreaterThanOrEqual(5);
    // Microseconds: a call takes more than 50 µs and less than a minute.
    expect(await sum('ModelLatency', 'Average')).toBeGreaterThan(50);
    expect(await sum('ModelLatency', 'Average')).toBeLessThan(60_000_000);
    expect(await sum('OverheadLatency', 'Average')).toBeGreaterThan(0);
  });

  test('splits its traffic by weight, and takes new weights', async () => {
    for (const name of ['left', 'right']) await session.configure(name);
    const variant = (name: string, weight: number) => ({
      VariantName: name,
      ModelName: name,
      InstanceType: 'ml.m5.large' as const,
      InitialInstanceCount: 1,
      InitialVariantWeight: weight,
    });
    const ProductionVariants = [variant('left', 3), variant('right', 1)];
    await session.sagemaker.send(new CreateEndpointConfigCommand({ EndpointConfigName: 'both', ProductionVariants }));
    await session.createEndpoint('both');
    const first = await session.answers('both', 40);
    expect(first.left).toBeGreaterThanOrEqual(28);
    expect(first.left).toBeLessThanOrEqual(32);
    expect((await session.invoke('both', 'x', { TargetVariant: 'right' })).text).toBe('right:x');
    const DesiredWeightsAndCapacities = [{ VariantName: 'left', DesiredWeight: 0 }];
    await session.sagemaker.send(
      new UpdateEndpointWeightsAndCapacitiesCommand({ EndpointName: 'both', DesiredWeightsAndCapacities }),
    );
    expect(await session.answers('both', 10)).toEqual({ right: 10 });
    await expect(
      session.sagemaker.send(
        new UpdateEndpointWeightsAndCapacitiesCommand({
          EndpointName: 'both',
          DesiredWeightsAndCapacities: [{ VariantName: 'up', DesiredWeight: 1 }],
        }),
      ),
    ).rejects.toThrow('The variant name(s) "up" is/are not present within endpoint configuration "both".');
    await expect(
      session.sagemaker.send(
        new UpdateEndpointWeightsAndCapacitiesCommand({
          EndpointName: 'both',
          DesiredWeightsAndCapacities: [1, 2].map((DesiredWeight) => ({ VariantName: 'left', DesiredWeight })),
        }),
      ),
    ).rejects.toThrow('Variant "left" is given more than once');
  });

  test('has a variant without instances answer nothing', async () => {
    const scale = (count: number) =>
      session.sagemaker.send(
        new UpdateEndpointWeightsAndCapacitiesCommand({
          EndpointName: 'both',
          DesiredWeightsAndCapacities: [
            { VariantName: 'left', DesiredWeight: 1, DesiredInstanceCount: count },
            { VariantName: 'right', DesiredWeight: 1 },
          ],
        }),
      );
    await scale(0);
    expect(await session.answers('both', 10)).toEqual({ right: 10 });
    await expect(session.invoke('both', 'x', { TargetVariant: 'left' })).rejects.toMatchObject({
      name: 'ValidationError',
    });
    await scale(1);
    expect(Object.keys(await session.answers('both', 10)).sort()).toEqual(['left', 'right']);
  });

  test('refuses what only endpoints of other kinds have', async () => {
    await expect(session.invoke('first', 'x', { TargetModel: 'm.tar.gz' })).rejects.toMatchObject({
      name: 'ValidationError',
      message: 'Endpoint first is not a multi-model endpoint and does not support target model header.',
    });
    for (const more of [{ InferenceComponentName: 'part' }, { TargetContainerHostname: 'host' }]) {
      await expect(session.invoke('first', 'x', more)).rejects.toMatchObject({ name: 'ValidationError' });
    }
  });

  test('is invoked by its name in its case, and described in any', async () => {
    expect((await session.describeEndpoint('FIRST')).EndpointName).toBe('first');
    await expect(session.invoke('FIRST', 'x')).rejects.toMatchObject({
      name: 'ValidationError',
      message: `Endpoint FIRST of account ${account} not found.`,
    });
  });

  test('passes the session on that its container opens', async () => {
    expect((await session.invoke('first', 'session')).NewSessionId).toMatch(/^session-1/);
  });

  test('fetches the code that its model names in S3, with the role of the model', async () => {
    const folder = join(session.cloud.folder, 'serving-code');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'inference.py'), '# served from S3');
    const Body = execFileSync('tar', ['-czf', '-', '-C', folder, 'inference.py']);
    await session.cloud.s3.send(new PutObjectCommand({ Bucket: 'models', Key: 'code/sourcedir.tar.gz', Body }));
    const Environment = { SAGEMAKER_SUBMIT_DIRECTORY: 's3://models/code/sourcedir.tar.gz' };
    for (const [name, EnableNetworkIsolation] of [
      ['coded', false],
      ['coded-isolated', true],
    ] as const) {
      await session.configure(name, {}, {}, { Environment, EnableNetworkIsolation });
      await session.sagemaker.send(new CreateEndpointCommand({ EndpointName: name, EndpointConfigName: name }));
    }
    await session.inService('coded');
    expect((await session.invoke('coded', 'code')).text).toBe('# served from S3');
    await eventually(async () => (await session.describeEndpoint('coded-isolated')).EndpointStatus === 'Failed');
    expect((await session.describeEndpoint('coded-isolated')).FailureReason).toMatch(/did not pass the ping health/);
  });

  test.each([
    ['refuse-ping', { ContainerStartupHealthCheckTimeoutInSeconds: 60 }],
    ['end-at-start', {}],
  ])('fails when its container does not get healthy: %s', async (behaviour, variant) => {
    const name = `never-${behaviour}`;
    await session.configure(name, { 'behaviour.txt': behaviour }, variant);
    // Not through the API, whose least timeout is a minute.
    if (behaviour === 'refuse-ping') shortenHealthCheck(name);
    await session.sagemaker.send(new CreateEndpointCommand({ EndpointName: name, EndpointConfigName: name }));
    await eventually(async () => (await session.describeEndpoint(name)).EndpointStatus === 'Failed');
    expect((await session.describeEndpoint(name)).FailureReason).toBe(
      'The primary container for production variant main did not pass the ping health check. Please check CloudWatch logs for this endpoint.',
    );
    await expect(session.invoke(name, 'x')).rejects.toMatchObject({ name: 'ValidationError' });
    await session.sagemaker.send(new DeleteEndpointCommand({ EndpointName: name }));
    await waitUntilEndpointDeleted(
      { client: session.sagemaker, maxWaitTime: 20, minDelay: 0.02, maxDelay: 0.05 },
      { EndpointName: name },
    );
  });

  test('is deleted with its processes', async () => {
    await session.createEndpoint('short-lived', 'first');
    await session.sagemaker.send(new DeleteEndpointCommand({ EndpointName: 'short-lived' }));
    await waitUntilEndpointDeleted(
      { client: session.sagemaker, maxWaitTime: 20, minDelay: 0.02, maxDelay: 0.05 },
      { EndpointName: 'short-lived' },
    );
  });
});

function shortenHealthCheck(config: string): void {
  const { configs } = session.server.hosting.resources;
  const found = session.server.hosting.resources.configNamed({ account, region }, config);
  configs.update(found, {
    ProductionVariants: found.description.ProductionVariants.map((variant) => ({
      ...variant,
      ContainerStartupHealthCheckTimeoutInSeconds: 0.5,
    })),
  });
}

test("the project's own model server runs a model's inference.py, on loopback only", async () => {
  const inference = `
import os
def model_fn(model_dir):
    return open(os.path.join(model_dir, "name.txt")).read()
def transform_fn(model, data, content_type, accept):
    return f"{model} {data.decode()} {os.environ['FLYWHEEL_BIND_HOST']}", "text/csv"
`;
  await session.configure(
    'project',
    { 'code/inference.py': inference },
    {},
    { Image: 'registry/sagemaker-xgboost:3.2-0' },
  );
  await session.createEndpoint('project');
  expect((await session.invoke('project', '1,2')).text).toBe('project 1,2 127.0.0.1');
});

describe('what is not implemented', () => {
  test.each([
    ['AsyncInferenceConfig', { AsyncInferenceConfig: { OutputConfig: { S3OutputPath: 's3://captured/out' } } }],
    [
      'ServerlessConfig',
      {
        ProductionVariants: [
          { VariantName: 'main', ModelName: 'first', ServerlessConfig: { MemorySizeInMB: 2048, MaxConcurrency: 1 } },
        ],
      },
    ],
  ])('says so by name: %s', async (name, more) => {
    const ProductionVariants = [
      { VariantName: 'main', ModelName: 'first', InstanceType: 'ml.m5.large' as const, InitialInstanceCount: 1 },
    ];
    const config = new CreateEndpointConfigCommand({ EndpointConfigName: 'not-yet', ProductionVariants, ...more });
    await expect(session.sagemaker.send(config)).rejects.toThrow(new RegExp(`${name} .*does not implement`));
  });
});

test('boto3 creates, waits, lists by pages, invokes and deletes', async () => {
  const script = 'test/local/sagemaker/hosting/support/boto3_client.py';
  const env = {
    ENDPOINT: session.server.url,
    IMAGE: image,
    ROLE: roleArn,
    MODEL_DATA: await session.cloud.putModel('python'),
    PATH: process.env.PATH,
  };
  const { stdout } = await promisify(execFile)('.flywheel/venv/cloud/bin/python', [script], { env });
  expect(JSON.parse(stdout)).toMatchObject({
    answer: 'python:1,2',
    names: ['python-0', 'python-1', 'python-2'],
    missing: { code: 'ValidationException', message: expect.stringMatching(/^Could not find endpoint "arn:/) },
    error: { code: 'ModelError', status: 424, original: 503 },
  });
});
