import { PutMetricAlarmCommand } from '@aws-sdk/client-cloudwatch';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import {
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  CreateModelCommand,
  DescribeEndpointCommand,
  SageMakerClient,
  UpdateEndpointCommand,
} from '@aws-sdk/client-sagemaker';
import { InvokeEndpointCommand, SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { account, eventually, image, roleArn } from './support/cloud.ts';
import { clientSettings, Session } from './support/session.ts';

let session: Session;

beforeAll(async () => {
  session = await Session.start();
}, 30_000);

afterAll(() => session?.stop(), 30_000);

describe('data capture', () => {
  test("writes SageMaker's lines to SageMaker's path", async () => {
    await session.configure('watched');
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
    await session.sagemaker.send(config('captured', 'InputAndOutput', ['text/csv']));
    await session.sagemaker.send(config('captured-raw', 'Input', []));
    for (const name of ['captured', 'captured-raw']) await session.createEndpoint(name);
    await session.invoke('captured', '1,2', { InferenceId: 'prediction-1' });
    await expect(session.invoke('captured', 'status 500')).rejects.toThrow();
    await session.invoke('captured-raw', '3,4');
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
    expect((await session.describeEndpoint('captured')).DataCaptureConfig).toMatchObject({
      EnableCapture: true,
      CaptureStatus: 'Started',
    });
  });
});

async function captured(endpoint: string, count: number): Promise<unknown[]> {
  const Prefix = `some/prefix/${endpoint}/main/`;
  const keys: string[] = [];
  await eventually(async () => {
    const { Contents = [] } = await session.cloud.s3.send(new ListObjectsV2Command({ Bucket: 'captured', Prefix }));
    keys.splice(0, keys.length, ...Contents.map((object) => object.Key ?? ''));
    return keys.length >= count;
  });
  for (const key of keys)
    expect(key.slice(Prefix.length)).toMatch(/^\d{4}\/\d\d\/\d\d\/\d\d\/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl$/);
  const texts = await Promise.all(
    keys.map(
      async (Key) =>
        (await session.cloud.s3.send(new GetObjectCommand({ Bucket: 'captured', Key }))).Body?.transformToString() ??
        '',
    ),
  );
  return texts.flatMap((text) => text.trimEnd().split('\n')).map((line) => JSON.parse(line));
}

describe('permissions', () => {
  test('a model whose data the role may not read is refused, and an endpoint that loses it fails', async () => {
    await session.configure('secret');
    await session.cloud.allow(['captured/*']);
    const ModelDataUrl = 's3://models/secret/model.tar.gz';
    await expect(
      session.sagemaker.send(
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
    await session.sagemaker.send(new CreateEndpointCommand({ EndpointName: 'secret', EndpointConfigName: 'secret' }));
    await eventually(async () => (await session.describeEndpoint('secret')).EndpointStatus === 'Failed');
    expect((await session.describeEndpoint('secret')).FailureReason).toMatch(
      /^Failed to download model data .*s3:\/\/models\/secret.*AccessDenied/,
    );
    await session.cloud.allow(['models/*', 'captured/*']);
  });

  test('a role that does not trust SageMaker, an unknown image and missing data are refused by name', async () => {
    const create = (container: object, ExecutionRoleArn: string) =>
      session.sagemaker.send(
        new CreateModelCommand({
          ModelName: 'wrong',
          PrimaryContainer: { Image: image, ...container },
          ExecutionRoleArn,
        }),
      );
    const ModelDataUrl = 's3://models/secret/model.tar.gz';
    const nobody = `arn:aws:iam::${account}:role/nobody`;
    await expect(create({ ModelDataUrl }, nobody)).rejects.toThrow(/role\/nobody/);
    await expect(create({}, nobody)).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringContaining('Could not assume role'),
    });
    await expect(create({ ModelDataUrl, Image: 'registry/torch:2' }, roleArn)).rejects.toThrow(
      /No local image stands in for 'registry\/torch:2'.*images\.json/,
    );
    await expect(create({ ModelDataUrl: 's3://models/none.tar.gz' }, roleArn)).rejects.toThrow(
      'Could not find model data at s3://models/none.tar.gz.',
    );
  });

  test('the alarms of a deployment are read with the role of the model, whatever the caller may', async () => {
    await session.configure('guard');
    await session.configure('next');
    await session.createEndpoint('guard');
    await session.cloud.cloudWatch.send(
      new PutMetricAlarmCommand({
        AlarmName: 'quiet',
        Namespace: 'n',
        MetricName: 'm',
        Statistic: 'Sum',
        Period: 60,
        EvaluationPeriods: 1,
        Threshold: 1,
        ComparisonOperator: 'GreaterThanThreshold',
      }),
    );
    const caller = await session.cloud.user('deployer', ['sagemaker:UpdateEndpoint']);
    const update = () =>
      new SageMakerClient(clientSettings(session.server, caller)).send(
        new UpdateEndpointCommand({
          EndpointName: 'guard',
          EndpointConfigName: 'next',
          DeploymentConfig: {
            AutoRollbackConfiguration: { Alarms: [{ AlarmName: 'quiet' }] },
            BlueGreenUpdatePolicy: { TrafficRoutingConfiguration: { Type: 'ALL_AT_ONCE', WaitIntervalInSeconds: 0 } },
          },
        }),
      );
    await session.cloud.allow(['models/*', 'captured/*'], 'others');
    await update();
    await session.inService('guard');
    expect(await session.describeEndpoint('guard')).toMatchObject({
      EndpointConfigName: 'guard',
      FailureReason: expect.stringMatching(/could not be read with the endpoint's execution role.*DescribeAlarms/),
    });
    await session.cloud.allow(['models/*', 'captured/*'], 'quiet');
    await update();
    await session.inService('guard');
    expect((await session.describeEndpoint('guard')).EndpointConfigName).toBe('next');
    await session.cloud.allow(['models/*', 'captured/*']);
  });

  test('a caller without sagemaker:InvokeEndpoint is refused', async () => {
    const caller = await session.cloud.user('reader', ['sagemaker:DescribeEndpoint']);
    const client = clientSettings(session.server, caller);
    await new SageMakerClient(client).send(new DescribeEndpointCommand({ EndpointName: 'captured' }));
    await expect(
      new SageMakerRuntimeClient(client).send(new InvokeEndpointCommand({ EndpointName: 'captured', Body: 'x' })),
    ).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringContaining('sagemaker:InvokeEndpoint'),
    });
  });
});
