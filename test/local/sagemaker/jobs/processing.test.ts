import {
  CreateProcessingJobCommand,
  type CreateProcessingJobCommandInput,
  DeleteProcessingJobCommand,
  DescribeProcessingJobCommand,
  paginateListProcessingJobs,
  StopProcessingJobCommand,
  waitUntilProcessingJobCompletedOrStopped,
} from '@aws-sdk/client-sagemaker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { trainingGateway } from '../../../../lambdas/stores/training-gateway.ts';
import { eventually, image, roleArn, Session } from './support/session.ts';

let session: Session;

beforeAll(async () => {
  session = await Session.start();
}, 60_000);

afterAll(() => session?.stop(), 60_000);

const quick = { minDelay: 0.05, maxDelay: 0.1, maxWaitTime: 30 };

test('inputs are downloaded, outputs uploaded, and the configuration tells the request', async () => {
  await session.cloud.events();
  await session.put('sum/in/a.txt', '1');
  await session.put('sum/in/deep/b.txt', '2');
  const script = `
import json, os
base = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
inputs = os.path.join(base, "processing/input/numbers")
total = sum(int(open(os.path.join(at, name)).read()) for at, _, names in os.walk(inputs) for name in names)
config = json.load(open(os.path.join(base, "config/processingjobconfig.json")))
json.dump({"total": total, "job": config["ProcessingJobName"], "hosts": json.load(open(os.path.join(base, "config/resourceconfig.json")))["hosts"]}, open("processing/output/sum.json", "w"))
open(os.path.join(base, "output/message"), "w").write("summed")
`;
  await session.put('sum/code/sum.py', script);
  const { ProcessingJobArn: arn } = await session.client.send(
    new CreateProcessingJobCommand(
      request('sum', ['bash', '-c', 'exec python /opt/ml/processing/code/sum.py'], {
        ProcessingInputs: [input('numbers', 's3://work/sum/in/'), input('code', 's3://work/sum/code/', 'code')],
        Tags: [{ Key: 'project', Value: 'flights' }],
      }),
    ),
  );
  const waiter = { client: session.client, ...quick };
  const waited = await waitUntilProcessingJobCompletedOrStopped(waiter, { ProcessingJobName: 'sum' });
  expect(waited.state).toBe('SUCCESS');
  expect(await describeJob('sum')).toMatchObject({
    ProcessingJobArn: arn,
    ProcessingJobStatus: 'Completed',
    ExitMessage: 'summed',
    ProcessingStartTime: expect.any(Date),
    ProcessingEndTime: expect.any(Date),
  });
  expect(JSON.parse((await session.get('s3://work/sum/out/sum.json')).toString())).toEqual({
    total: 3,
    job: 'sum',
    hosts: ['algo-1'],
  });
  const events = await eventsOf('sum');
  expect(events.map(({ detail }) => detail.ProcessingJobStatus)).toEqual(['InProgress', 'Completed']);
  expect(events.at(-1)).toMatchObject({
    'detail-type': 'SageMaker Processing Job State Change',
    resources: [arn],
    detail: { CreationTime: expect.any(Number), ProcessingEndTime: expect.any(Number), Tags: { project: 'flights' } },
  });
});

describe('failures', () => {
  test('exit code and message of the container, which the platform tells as the reason', async () => {
    const job = await run('fails', ['bash', '-c', 'echo "no rows left" > /opt/ml/output/message; exit 7']);
    expect(job).toMatchObject({
      ProcessingJobStatus: 'Failed',
      FailureReason: 'AlgorithmError: See job logs for more information, exit code: 7',
      ExitMessage: 'no rows left\n',
    });
    expect(await trainingGateway(session.client).processingJobEnd('fails')).toMatchObject({
      outcome: 'failed',
      reason: 'no rows left (AlgorithmError: See job logs for more information, exit code: 7)',
    });
    expect(await session.keys('fails/out')).toEqual([]);
  });

  test('a program that is not there', async () => {
    const job = await run('no-program', ['/no/such/program']);
    expect(job.FailureReason).toMatch(/^ClientError: .*\/no\/such\/program/);
  });

  test('without an entrypoint, whose command only the image knows', async () => {
    const { AppSpecification: _, ...rest } = request('no-entrypoint', []);
    await session.client.send(new CreateProcessingJobCommand({ ...rest, AppSpecification: { ImageUri: image } }));
    expect((await ended('no-entrypoint')).FailureReason).toContain('ContainerEntrypoint');
  });

  test('what SageMaker local lacks is refused by name', async () => {
    const S3Input = { ...input('x', 's3://work/x').S3Input, S3CompressionType: 'Gzip' as const };
    const create = session.client.send(
      new CreateProcessingJobCommand(request('gzip', ['true'], { ProcessingInputs: [{ InputName: 'x', S3Input }] })),
    );
    await expect(create).rejects.toMatchObject({
      name: 'NotImplementedByFlywheelLocal',
      message: expect.stringContaining('S3CompressionType Gzip'),
    });
  });

  test('unknown and repeated names', async () => {
    await expect(describeJob('unknown')).rejects.toMatchObject({
      name: 'ValidationException',
      message: 'Could not find requested job',
    });
    await run('repeated', ['true']);
    const again = session.client.send(new CreateProcessingJobCommand(request('repeated', ['true'])));
    await expect(again).rejects.toMatchObject({ name: 'ResourceInUse' });
  });
});

test('Stop ends the process; Delete frees the name', async () => {
  await session.client.send(new CreateProcessingJobCommand(request('long', ['sleep', '60'])));
  const remove = () => session.client.send(new DeleteProcessingJobCommand({ ProcessingJobName: 'long' }));
  await expect(remove()).rejects.toMatchObject({ name: 'ResourceInUse' });
  await session.running('long');
  await session.client.send(new StopProcessingJobCommand({ ProcessingJobName: 'long' }));
  expect(await ended('long')).toMatchObject({ ProcessingJobStatus: 'Stopped' });
  await remove();
  await expect(describeJob('long')).rejects.toMatchObject({ name: 'ValidationException' });
});

test('a time limit stops the job', async () => {
  const job = await run('limited', ['sleep', '60'], { StoppingCondition: { MaxRuntimeInSeconds: 1 } });
  expect(job).toMatchObject({ ProcessingJobStatus: 'Stopped' });
});

test('continuous outputs are in S3 while the job runs', async () => {
  const script = 'echo part > /opt/ml/processing/output/part.txt; sleep 60';
  const outputs = request('continuous', ['bash', '-c', script], {}, 'Continuous');
  await session.client.send(new CreateProcessingJobCommand(outputs));
  await eventually(async () => (await session.keys('continuous/out')).includes('continuous/out/part.txt'));
  expect(await describeJob('continuous')).toMatchObject({ ProcessingJobStatus: 'InProgress' });
  await session.client.send(new StopProcessingJobCommand({ ProcessingJobName: 'continuous' }));
  await ended('continuous');
});

test("are listed by the SDK's paginator", async () => {
  const found: string[] = [];
  const by = { SortBy: 'CreationTime', SortOrder: 'Descending' } as const;
  for await (const page of paginateListProcessingJobs({ client: session.client, pageSize: 3 }, by)) {
    found.push(...(page.ProcessingJobSummaries ?? []).map(({ ProcessingJobName: name = '' }) => name));
  }
  expect(found.at(-1)).toBe('sum');
  expect(new Set(found).size).toBe(found.length);
});

function input(name: string, uri: string, folder = `input/${name}`) {
  return {
    InputName: name,
    S3Input: {
      S3Uri: uri,
      S3DataType: 'S3Prefix' as const,
      S3InputMode: 'File' as const,
      LocalPath: `/opt/ml/processing/${folder}`,
    },
  };
}

function request(
  name: string,
  entrypoint: string[],
  change: Partial<CreateProcessingJobCommandInput> = {},
  mode: 'EndOfJob' | 'Continuous' = 'EndOfJob',
): CreateProcessingJobCommandInput {
  const output = { S3Uri: `s3://work/${name}/out`, LocalPath: '/opt/ml/processing/output', S3UploadMode: mode };
  return {
    ProcessingJobName: name,
    RoleArn: roleArn,
    AppSpecification: { ImageUri: image, ContainerEntrypoint: entrypoint },
    ProcessingResources: { ClusterConfig: { InstanceCount: 1, InstanceType: 'ml.m5.large', VolumeSizeInGB: 5 } },
    ProcessingOutputConfig: { Outputs: [{ OutputName: 'output', S3Output: output }] },
    NetworkConfig: { EnableNetworkIsolation: true },
    ...change,
  };
}

async function run(name: string, entrypoint: string[], change: Partial<CreateProcessingJobCommandInput> = {}) {
  await session.client.send(new CreateProcessingJobCommand(request(name, entrypoint, change)));
  return ended(name);
}

async function ended(name: string) {
  await eventually(async () =>
    ['Completed', 'Failed', 'Stopped'].includes((await describeJob(name)).ProcessingJobStatus ?? ''),
  );
  return describeJob(name);
}

function describeJob(name: string) {
  return session.client.send(new DescribeProcessingJobCommand({ ProcessingJobName: name }));
}

async function eventsOf(name: string) {
  const events: Awaited<ReturnType<typeof session.cloud.events>> = [];
  await eventually(async () => {
    events.push(...(await session.cloud.events()).filter(({ detail }) => detail.ProcessingJobName === name));
    return events.some(({ detail }) => detail.ProcessingJobStatus === 'Completed');
  });
  return events;
}
