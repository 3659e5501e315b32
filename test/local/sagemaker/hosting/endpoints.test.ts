import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { GetMetricStatisticsCommand, PutMetricAlarmCommand } from '@aws-sdk/client-cloudwatch';
import { FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import {
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  CreateModelCommand,
  DeleteEndpointCommand,
  type DeploymentConfig,
  DescribeEndpointCommand,
  type DescribeEndpointCommandOutput,
  type ProductionVariant,
  SageMakerClient,
  UpdateEndpointCommand,
  UpdateEndpointWeightsAndCapacitiesCommand,
  waitUntilEndpointDeleted,
  waitUntilEndpointInService,
} from '@aws-sdk/client-sagemaker';
import { InvokeEndpointCommand, SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { account, eventually, image, region, roleArn, TestCloud, TestServer } from './support/cloud.ts';

const settings = { timeScale: 0.02, captureFlushMs: 100, metricsFlushMs: 50 };
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
let cloud: TestCloud;
let server: TestServer;
let sagemaker: SageMakerClient;
let runtime: SageMakerRuntimeClient;

beforeAll(async () => {
  cloud = await TestCloud.start();
  await connect('server');
}, 30_000);

afterAll(async () => {
  await server?.stop();
  await cloud?.stop();
}, 30_000);

async function connect(state: string): Promise<void> {
  server = await TestServer.start(cloud, state, settings);
  const client = { endpoint: server.url, region, credentials, maxAttempts: 1 };
  sagemaker = new SageMakerClient(client);
  runtime = new SageMakerRuntimeClient(client);
}

/** A model of the test's server, and a config with one variant of it. */
async function configure(
  name: string,
  files: Record<string, string> = {},
  variant: Partial<ProductionVariant> = {},
): Promise<string> {
  const ModelDataUrl = await cloud.putModel(name, files);
  const PrimaryContainer = { Image: image, ModelDataUrl, Environment: { MODEL_SETTING: `of ${name}` } };
  await sagemaker.send(new CreateModelCommand({ ModelName: name, PrimaryContainer, ExecutionRoleArn: roleArn }));
  const ProductionVariants = [
    { VariantName: 'main', ModelName: name, InstanceType: 'ml.m5.large' as const, InitialInstanceCount: 1, ...variant },
  ];
  await sagemaker.send(new CreateEndpointConfigCommand({ EndpointConfigName: name, ProductionVariants }));
  return name;
}

async function createEndpoint(name: string, config = name): Promise<void> {
  await sagemaker.send(new CreateEndpointCommand({ EndpointName: name, EndpointConfigName: config }));
  await inService(name);
}

async function inService(EndpointName: string): Promise<void> {
  await waitUntilEndpointInService(
    { client: sagemaker, maxWaitTime: 30, minDelay: 0.02, maxDelay: 0.05 },
    { EndpointName },
  );
}

async function describeEndpoint(EndpointName: string): Promise<DescribeEndpointCommandOutput> {
  return sagemaker.send(new DescribeEndpointCommand({ EndpointName }));
}

async function invoke(EndpointName: string, body: string, more: object = {}) {
  const answer = await runtime.send(
    new InvokeEndpointCommand({ EndpointName, Body: body, ContentType: 'text/csv', ...more }),
  );
  return { ...answer, text: Buffer.from(answer.Body).toString() };
}

/** Which models answered some calls. */
async function answers(endpoint: string, calls: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let call = 0; call < calls; call += 1) {
    const [model = ''] = (await invoke(endpoint, 'x')).text.split(':');
    counts[model] = (counts[model] ?? 0) + 1;
  }
  return counts;
}

async function endpointStates(name: string): Promise<unknown[]> {
  await eventually(() => server.hosting.endpointNamed({ account, region }, name).status === 'InService');
  await delay(100);
  const events = await cloud.events();
  return events
    .filter((event) => event['detail-type'] === 'SageMaker Endpoint State Change' && event.detail.EndpointName === name)
    .map((event) => event.detail.EndpointStatus);
}

function canary(waitSeconds: number, alarms: string[] = []): DeploymentConfig {
  return {
    BlueGreenUpdatePolicy: {
      TrafficRoutingConfiguration: {
        Type: 'CANARY',
        CanarySize: { Type: 'CAPACITY_PERCENT', Value: 25 },
        WaitIntervalInSeconds: waitSeconds,
      },
    },
    ...(alarms.length > 0 && { AutoRollbackConfiguration: { Alarms: alarms.map((AlarmName) => ({ AlarmName })) } }),
  };
}

describe('an endpoint', () => {
  test('goes from Creating to InService, and serves its model', async () => {
    await configure('first');
    await sagemaker.send(new CreateEndpointCommand({ EndpointName: 'first', EndpointConfigName: 'first' }));
    expect((await describeEndpoint('first')).EndpointStatus).toBe('Creating');
    await inService('first');
    const answer = await invoke('first', '1,2', {
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
    expect(await endpointStates('first')).toEqual(['CREATING', 'IN_SERVICE']);
  });

  test('gives the container its environment and the headers of the call, and a model it cannot change', async () => {
    expect((await invoke('first', 'environment')).text).toContain('MODEL_SETTING=of first');
    const headers = (await invoke('first', 'headers', { InferenceId: 'abc', CustomAttributes: 'trace=1' })).text.split(
      '\n',
    );
    expect(headers).toContain('x-amzn-sagemaker-inference-id: abc');
    expect(headers).toContain('x-amzn-sagemaker-custom-attributes: trace=1');
    expect(headers.some((header) => header.startsWith('authorization'))).toBe(false);
    // Root may write wherever it likes.
    if (process.getuid?.() !== 0) expect((await invoke('first', 'write')).text).toBe('PermissionError');
  });

  test('writes what its container says to CloudWatch Logs', async () => {
    await eventually(async () => {
      const { events } = await cloud.logs.send(
        new FilterLogEventsCommand({ logGroupName: '/aws/sagemaker/Endpoints/first' }),
      );
      return (
        events?.some((event) => event.message === 'serving first' && event.logStreamName?.startsWith('main/i-')) ??
        false
      );
    });
  });

  test('answers a model error with its status and its words', async () => {
    await expect(invoke('first', 'status 400')).rejects.toMatchObject({
      name: 'ModelError',
      OriginalStatusCode: 400,
      OriginalMessage: 'the model says no',
      message: expect.stringMatching(
        /^Received client error \(400\) from primary with message "the model says no"\. See https:/,
      ),
      $metadata: { httpStatusCode: 424 },
    });
    await expect(invoke('first', 'status 500')).rejects.toThrow(/^Received server error \(500\) from primary/);
  });

  test('is not found by a name or a variant that does not exist', async () => {
    await expect(invoke('nowhere', 'x')).rejects.toMatchObject({
      name: 'ValidationError',
      message: `Endpoint nowhere of account ${account} not found.`,
    });
    await expect(invoke('first', 'x', { TargetVariant: 'other' })).rejects.toMatchObject({ name: 'ValidationError' });
    await expect(describeEndpoint('nowhere')).rejects.toMatchObject({
      name: 'ValidationException',
      message: `Could not find endpoint "arn:aws:sagemaker:${region}:${account}:endpoint/nowhere".`,
    });
  });

  test('starts a container again that has crashed', async () => {
    await expect(invoke('first', 'crash')).rejects.toMatchObject({ name: 'ModelError', OriginalStatusCode: 0 });
    await eventually(async () => (await invoke('first', 'x')).text === 'first:x');
    await eventually(async () => {
      const { events } = await cloud.logs.send(
        new FilterLogEventsCommand({ logGroupName: '/aws/sagemaker/Endpoints/first' }),
      );
      return events?.some((event) => event.message?.includes('exit code 3')) ?? false;
    });
  });

  test('counts invocations, errors and latencies in CloudWatch', async () => {
    const sum = async (MetricName: string, Statistic: 'Sum' | 'Average') => {
      const { Datapoints = [] } = await cloud.cloudWatch.send(
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
    for (const name of ['left', 'right']) await configure(name);
    const variant = (name: string, weight: number) => ({
      VariantName: name,
      ModelName: name,
      InstanceType: 'ml.m5.large' as const,
      InitialInstanceCount: 1,
      InitialVariantWeight: weight,
    });
    const ProductionVariants = [variant('left', 3), variant('right', 1)];
    await sagemaker.send(new CreateEndpointConfigCommand({ EndpointConfigName: 'both', ProductionVariants }));
    await createEndpoint('both');
    const first = await answers('both', 40);
    expect(first.left).toBeGreaterThanOrEqual(28);
    expect(first.left).toBeLessThanOrEqual(32);
    expect((await invoke('both', 'x', { TargetVariant: 'right' })).text).toBe('right:x');
    const DesiredWeightsAndCapacities = [{ VariantName: 'left', DesiredWeight: 0 }];
    await sagemaker.send(
      new UpdateEndpointWeightsAndCapacitiesCommand({ EndpointName: 'both', DesiredWeightsAndCapacities }),
    );
    expect(await answers('both', 10)).toEqual({ right: 10 });
    await expect(
      sagemaker.send(
        new UpdateEndpointWeightsAndCapacitiesCommand({
          EndpointName: 'both',
          DesiredWeightsAndCapacities: [{ VariantName: 'up', DesiredWeight: 1 }],
        }),
      ),
    ).rejects.toThrow('The variant name(s) "up" is/are not present within endpoint configuration "both".');
  });

  test.each([
    ['refuse-ping', { ContainerStartupHealthCheckTimeoutInSeconds: 60 }],
    ['end-at-start', {}],
  ])('fails when its container does not get healthy: %s', async (behaviour, variant) => {
    const name = `never-${behaviour}`;
    await configure(name, { 'behaviour.txt': behaviour }, variant);
    // Not through the API, whose least timeout is a minute.
    if (behaviour === 'refuse-ping') shortenHealthCheck(name);
    await sagemaker.send(new CreateEndpointCommand({ EndpointName: name, EndpointConfigName: name }));
    await eventually(async () => (await describeEndpoint(name)).EndpointStatus === 'Failed');
    expect((await describeEndpoint(name)).FailureReason).toBe(
      'The primary container for production variant main did not pass the ping health check. Please check CloudWatch logs for this endpoint.',
    );
    await expect(invoke(name, 'x')).rejects.toMatchObject({ name: 'ValidationError' });
    await sagemaker.send(new DeleteEndpointCommand({ EndpointName: name }));
    await waitUntilEndpointDeleted(
      { client: sagemaker, maxWaitTime: 20, minDelay: 0.02, maxDelay: 0.05 },
      { EndpointName: name },
    );
  });

  test('is deleted with its processes', async () => {
    await createEndpoint('short-lived', 'first');
    await sagemaker.send(new DeleteEndpointCommand({ EndpointName: 'short-lived' }));
    await waitUntilEndpointDeleted(
      { client: sagemaker, maxWaitTime: 20, minDelay: 0.02, maxDelay: 0.05 },
      { EndpointName: 'short-lived' },
    );
  });
});

function shortenHealthCheck(config: string): void {
  const { configs } = server.hosting;
  const found = server.hosting.configNamed({ account, region }, config);
  configs.update(found, {
    ProductionVariants: found.description.ProductionVariants.map((variant) => ({
      ...variant,
      ContainerStartupHealthCheckTimeoutInSeconds: 0.5,
    })),
  });
}

describe('a deployment', () => {
  test('by canary gives the new model its share, then everything', async () => {
    await configure('blue');
    await configure('green');
    await createEndpoint('guarded', 'blue');
    await cloud.events();
    await sagemaker.send(
      new UpdateEndpointCommand({
        EndpointName: 'guarded',
        EndpointConfigName: 'green',
        DeploymentConfig: canary(100),
      }),
    );
    await eventually(async () => pendingStatus(await describeEndpoint('guarded')) === 'Baking');
    const during = await describeEndpoint('guarded');
    expect(during).toMatchObject({
      EndpointStatus: 'Updating',
      EndpointConfigName: 'blue',
      PendingDeploymentSummary: { EndpointConfigName: 'green' },
    });
    const split = await answers('guarded', 40);
    expect(split.green).toBeGreaterThanOrEqual(8);
    expect(split.green).toBeLessThanOrEqual(12);
    await inService('guarded');
    const after = await describeEndpoint('guarded');
    expect(after.EndpointConfigName).toBe('green');
    expect(after.PendingDeploymentSummary).toBeUndefined();
    expect(after.LastDeploymentConfig).toMatchObject(canary(100));
    expect(await answers('guarded', 5)).toEqual({ green: 5 });
    await delay(100);
    const events = await cloud.events();
    const phases = events
      .filter((event) => event['detail-type'] === 'SageMaker Endpoint Deployment State Change')
      .map((event) => phaseOf(event.detail));
    expect(phases).toEqual([
      'Creating',
      'ActivatingTraffic',
      'Baking',
      'ActivatingTraffic',
      'Baking',
      'Deleting',
      undefined,
    ]);
  });

  test('goes back when an alarm fires while the canary bakes', async () => {
    await cloud.cloudWatch.send(
      new PutMetricAlarmCommand({
        AlarmName: 'guarded-errors',
        Namespace: 'AWS/SageMaker',
        MetricName: 'Invocation5XXErrors',
        Dimensions: [
          { Name: 'EndpointName', Value: 'guarded' },
          { Name: 'VariantName', Value: 'main' },
        ],
        Statistic: 'Sum',
        Period: 60,
        EvaluationPeriods: 1,
        Threshold: 3,
        ComparisonOperator: 'GreaterThanThreshold',
      }),
    );
    await cloud.events();
    await sagemaker.send(
      new UpdateEndpointCommand({
        EndpointName: 'guarded',
        EndpointConfigName: 'blue',
        DeploymentConfig: canary(1500, ['guarded-errors']),
      }),
    );
    await eventually(async () => pendingStatus(await describeEndpoint('guarded')) === 'Baking');
    for (let call = 0; call < 8; call += 1)
      await expect(invoke('guarded', 'status 500')).rejects.toThrow(/server error/);
    await inService('guarded');
    const after = await describeEndpoint('guarded');
    expect(after).toMatchObject({
      EndpointConfigName: 'green',
      FailureReason: 'One or more alarms configured for automatic rollback are in ALARM state: guarded-errors.',
    });
    expect(await answers('guarded', 5)).toEqual({ green: 5 });
    expect(await endpointStates('guarded')).toEqual(['UPDATING', 'ROLLING_BACK', 'IN_SERVICE']);
  });

  test('goes back when the new container does not get healthy, and the old one serves meanwhile', async () => {
    await configure('broken', { 'behaviour.txt': 'end-at-start' });
    await sagemaker.send(new UpdateEndpointCommand({ EndpointName: 'guarded', EndpointConfigName: 'broken' }));
    expect(await answers('guarded', 5)).toEqual({ green: 5 });
    await expect(sagemaker.send(new DeleteEndpointCommand({ EndpointName: 'guarded' }))).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringMatching(/^Cannot update in-progress endpoint/),
    });
    await inService('guarded');
    expect(await describeEndpoint('guarded')).toMatchObject({
      EndpointConfigName: 'green',
      FailureReason: expect.stringMatching(/ping health check/),
    });
  });

  test('goes back when an alarm does not exist', async () => {
    await sagemaker.send(
      new UpdateEndpointCommand({
        EndpointName: 'guarded',
        EndpointConfigName: 'blue',
        DeploymentConfig: canary(100, ['no-such-alarm']),
      }),
    );
    await inService('guarded');
    expect(await describeEndpoint('guarded')).toMatchObject({
      EndpointConfigName: 'green',
      FailureReason: expect.stringContaining('no-such-alarm'),
    });
  });
});

describe('data capture', () => {
  test("writes SageMaker's lines to SageMaker's path", async () => {
    await configure('watched');
    const config = (name: string, mode: 'Input' | 'InputAndOutput', csv: string[]) =>
      new CreateEndpointConfigCommand({
        EndpointConfigName: name,
        ProductionVariants: [
          { VariantName: 'main', ModelName: 'watched', InstanceType: 'ml.m5.large', InitialInstanceCount: 1 },
        ],
        DataCaptureConfig: {
          EnableCapture: true,
          InitialSamplingPercentage: 100,
          DestinationS3Uri: 's3://captured/some/prefix/',
          CaptureOptions:
            mode === 'Input' ? [{ CaptureMode: 'Input' }] : [{ CaptureMode: 'Input' }, { CaptureMode: 'Output' }],
          ...(csv.length > 0 && { CaptureContentTypeHeader: { CsvContentTypes: csv } }),
        },
      });
    await sagemaker.send(config('captured', 'InputAndOutput', ['text/csv']));
    await sagemaker.send(config('captured-raw', 'Input', []));
    for (const name of ['captured', 'captured-raw']) await createEndpoint(name);
    await invoke('captured', '1,2', { InferenceId: 'prediction-1' });
    await expect(invoke('captured', 'status 500')).rejects.toThrow();
    await invoke('captured-raw', '3,4');
    const [lines, raw] = [await captured('captured', 1), await captured('captured-raw', 1)];
    expect(lines).toEqual([
      {
        captureData: {
          endpointInput: { observedContentType: 'text/csv', mode: 'INPUT', data: '1,2', encoding: 'CSV' },
          endpointOutput: {
            observedContentType: 'text/csv; charset=utf-8',
            mode: 'OUTPUT',
            data: 'watched:1,2',
            encoding: 'CSV',
          },
        },
        eventMetadata: {
          eventId: expect.stringMatching(/^[0-9a-f-]{36}$/),
          inferenceId: 'prediction-1',
          inferenceTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        },
        eventVersion: '0',
      },
    ]);
    expect(raw).toMatchObject([
      { captureData: { endpointInput: { data: Buffer.from('3,4').toString('base64'), encoding: 'BASE64' } } },
    ]);
    expect((await describeEndpoint('captured')).DataCaptureConfig).toMatchObject({
      EnableCapture: true,
      CaptureStatus: 'Started',
    });
  });
});

async function captured(endpoint: string, count: number): Promise<unknown[]> {
  const Prefix = `some/prefix/${endpoint}/main/`;
  const keys: string[] = [];
  await eventually(async () => {
    const { Contents = [] } = await cloud.s3.send(new ListObjectsV2Command({ Bucket: 'captured', Prefix }));
    keys.splice(0, keys.length, ...Contents.map((object) => object.Key ?? ''));
    return keys.length >= count;
  });
  for (const key of keys)
    expect(key.slice(Prefix.length)).toMatch(/^\d{4}\/\d\d\/\d\d\/\d\d\/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl$/);
  const texts = await Promise.all(
    keys.map(
      async (Key) =>
        (await cloud.s3.send(new GetObjectCommand({ Bucket: 'captured', Key }))).Body?.transformToString() ?? '',
    ),
  );
  return texts.flatMap((text) => text.trimEnd().split('\n')).map((line) => JSON.parse(line));
}

describe('after a restart of the server', () => {
  test('no process was left, and endpoints are in service again', async () => {
    await server.stop();
    expect(readdirSync(join(cloud.folder, 'server', 'processes'))).toEqual([]);
    await connect('server');
    expect((await describeEndpoint('guarded')).EndpointStatus).toBe('InService');
    expect((await invoke('guarded', 'x')).text).toBe('green:x');
    expect((await invoke('both', 'x')).text).toBe('right:x');
  });

  test('a deployment that was under way begins anew, and ends', async () => {
    await sagemaker.send(
      new UpdateEndpointCommand({ EndpointName: 'guarded', EndpointConfigName: 'blue', DeploymentConfig: canary(60) }),
    );
    await eventually(async () => pendingStatus(await describeEndpoint('guarded')) === 'Baking');
    await server.stop();
    await connect('server');
    expect((await describeEndpoint('guarded')).EndpointStatus).toBe('Updating');
    await inService('guarded');
    expect((await describeEndpoint('guarded')).EndpointConfigName).toBe('blue');
    expect(await answers('guarded', 5)).toEqual({ blue: 5 });
  });
});

describe('permissions', () => {
  test('a model whose data the role may not read is refused, and an endpoint that loses it fails', async () => {
    await configure('secret');
    await cloud.allow(['captured/*']);
    const ModelDataUrl = 's3://models/secret/model.tar.gz';
    await expect(
      sagemaker.send(
        new CreateModelCommand({
          ModelName: 'other',
          PrimaryContainer: { Image: image, ModelDataUrl },
          ExecutionRoleArn: roleArn,
        }),
      ),
    ).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringMatching(/^Could not access model data at s3:\/\/models\/secret/),
    });
    await sagemaker.send(new CreateEndpointCommand({ EndpointName: 'secret', EndpointConfigName: 'secret' }));
    await eventually(async () => (await describeEndpoint('secret')).EndpointStatus === 'Failed');
    expect((await describeEndpoint('secret')).FailureReason).toMatch(
      /^Failed to download model data .*s3:\/\/models\/secret.*AccessDenied/,
    );
    await cloud.allow(['models/*', 'captured/*']);
  });

  test('a role that does not trust SageMaker, an unknown image and missing data are refused by name', async () => {
    const create = (container: object, ExecutionRoleArn: string) =>
      sagemaker.send(
        new CreateModelCommand({
          ModelName: 'wrong',
          PrimaryContainer: { Image: image, ...container },
          ExecutionRoleArn,
        }),
      );
    const ModelDataUrl = 's3://models/secret/model.tar.gz';
    await expect(create({ ModelDataUrl }, `arn:aws:iam::${account}:role/nobody`)).rejects.toThrow(/role\/nobody/);
    await expect(create({ ModelDataUrl, Image: 'registry/torch:2' }, roleArn)).rejects.toThrow(
      /No local image stands in for 'registry\/torch:2'.*images\.json/,
    );
    await expect(create({ ModelDataUrl: 's3://models/none.tar.gz' }, roleArn)).rejects.toThrow(
      'Could not find model data at s3://models/none.tar.gz.',
    );
  });

  test('a caller without sagemaker:InvokeEndpoint is refused', async () => {
    const caller = await cloud.user('reader', ['sagemaker:DescribeEndpoint']);
    const client = { endpoint: server.url, region, credentials: caller, maxAttempts: 1 };
    await new SageMakerClient(client).send(new DescribeEndpointCommand({ EndpointName: 'guarded' }));
    await expect(
      new SageMakerRuntimeClient(client).send(new InvokeEndpointCommand({ EndpointName: 'guarded', Body: 'x' })),
    ).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringContaining('sagemaker:InvokeEndpoint'),
    });
  });
});

describe('what is not implemented', () => {
  test.each([
    ['AsyncInferenceConfig', { AsyncInferenceConfig: { OutputConfig: { S3OutputPath: 's3://captured/out' } } }],
    [
      'ServerlessConfig',
      {
        ProductionVariants: [
          { VariantName: 'main', ModelName: 'blue', ServerlessConfig: { MemorySizeInMB: 2048, MaxConcurrency: 1 } },
        ],
      },
    ],
  ])('says so by name: %s', async (name, more) => {
    const ProductionVariants = [
      { VariantName: 'main', ModelName: 'blue', InstanceType: 'ml.m5.large' as const, InitialInstanceCount: 1 },
    ];
    const config = new CreateEndpointConfigCommand({ EndpointConfigName: 'not-yet', ProductionVariants, ...more });
    await expect(sagemaker.send(config)).rejects.toThrow(new RegExp(`${name} .*does not implement`));
  });
});

test('boto3 creates, waits, lists by pages, invokes and deletes', async () => {
  const script = 'test/local/sagemaker/hosting/support/boto3_client.py';
  const env = {
    ENDPOINT: server.url,
    IMAGE: image,
    ROLE: roleArn,
    MODEL_DATA: await cloud.putModel('python'),
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

function pendingStatus(endpoint: DescribeEndpointCommandOutput): string | undefined {
  return endpoint.PendingDeploymentSummary?.ProductionVariants?.[0]?.VariantStatus?.[0]?.Status;
}

function phaseOf(detail: Record<string, unknown>): unknown {
  const pending: { ProductionVariants?: { VariantStatus?: { Status?: string }[] }[] } | undefined =
    Object(detail).PendingDeploymentSummary;
  return pending?.ProductionVariants?.[0]?.VariantStatus?.[0]?.Status;
}
