import { resolve } from 'node:path';
import {
  CreateLogGroupCommand,
  DescribeLogGroupsCommand,
  GetLogEventsCommand,
  PutRetentionPolicyCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import {
  AddTagsCommand,
  CreateTrainingJobCommand,
  DeleteTagsCommand,
  DeleteTrainingJobCommand,
  DescribeTrainingJobCommand,
  ListTagsCommand,
  paginateListTrainingJobs,
  ResourceInUse,
  StopTrainingJobCommand,
  waitUntilTrainingJobCompletedOrStopped,
} from '@aws-sdk/client-sagemaker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findContainment } from '../../../../local/sagemaker/container/containment.ts';
import {
  adminRequest,
  clientOf,
  eventually,
  frameworkImage,
  image,
  powerlessRoleArn,
  roleArn,
  Session,
  untrustingRoleArn,
} from './support/session.ts';

const containment = await findContainment(resolve('.flywheel/venv/cloud/bin/python'));
let session: Session;

beforeAll(async () => {
  session = await Session.start();
}, 60_000);

afterAll(() => session?.stop(), 60_000);

const nothing = 'pass';
const quick = { minDelay: 0.05, maxDelay: 0.1, maxWaitTime: 30 };
const prefix = (uri: string, more: object = {}) => ({
  S3DataSource: { S3DataType: 'S3Prefix' as const, S3Uri: uri, ...more },
});

test('a script trains on its channel with its hyperparameters; model, metrics, log and events follow', async () => {
  await session.cloud.events();
  await session.put('whole/data/a.csv', '1\n2\n');
  await session.put('whole/data/deep/b.csv', '3\n');
  const script = `
import json, os, sys
folder = os.environ["SM_CHANNEL_TRAIN"]
files = sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names)
total = sum(int(line) for name in files for line in open(os.path.join(folder, name)))
for epoch in (1, 2):
    print(f"epoch {epoch} validation-sum={total + epoch}", flush=True)
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.json"), "w") as model:
    json.dump({"total": total, "files": files, "args": sys.argv[1:], "cwd": os.getcwd()[-9:]}, model)
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "report.txt"), "w") as report:
    report.write("a report")
`;
  const request = await session.request('whole', script, {
    HyperParameters: { depth: '3' },
    InputDataConfig: [{ ChannelName: 'train', ContentType: 'text/csv', DataSource: prefix('s3://work/whole/data/') }],
    AlgorithmSpecification: {
      TrainingImage: frameworkImage,
      TrainingInputMode: 'File',
      MetricDefinitions: [{ Name: 'sum', Regex: 'validation-sum=([0-9.]+)' }],
    },
    Tags: [{ Key: 'project', Value: 'flights' }],
    Environment: { SECRET: 'do not tell' },
  });
  const { TrainingJobArn: arn } = await session.client.send(new CreateTrainingJobCommand(request));
  const waited = await waitUntilTrainingJobCompletedOrStopped(
    { client: session.client, ...quick },
    { TrainingJobName: 'whole' },
  );
  expect(waited.state).toBe('SUCCESS');
  const job = await session.client.send(new DescribeTrainingJobCommand({ TrainingJobName: 'whole' }));
  expect(job).toMatchObject({
    TrainingJobArn: arn,
    TrainingJobStatus: 'Completed',
    ModelArtifacts: { S3ModelArtifacts: 's3://work/whole/out/whole/output/model.tar.gz' },
    FinalMetricDataList: [{ MetricName: 'sum', Value: 8 }],
    EnableNetworkIsolation: false,
    BillableTimeInSeconds: expect.any(Number),
  });
  expect(job.SecondaryStatusTransitions?.map(({ Status }) => Status)).toEqual([
    'Starting',
    'Downloading',
    'Training',
    'Uploading',
    'Completed',
  ]);
  const model = await session.unpacked(job.ModelArtifacts?.S3ModelArtifacts ?? '');
  expect(JSON.parse(model['model.json'] ?? '')).toMatchObject({
    total: 6,
    files: ['a.csv', 'deep/b.csv'],
    args: ['--depth', '3'],
  });
  expect(await session.unpacked('s3://work/whole/out/whole/output/output.tar.gz')).toEqual({
    'report.txt': 'a report',
  });
  await eventually(async () => (await logOf('whole', job.CreationTime)).length === 2);
  expect(await logOf('whole', job.CreationTime)).toEqual(['epoch 1 validation-sum=7', 'epoch 2 validation-sum=8']);
  const events = await eventsOf('whole');
  expect(events.map(({ detail }) => detail.SecondaryStatus)).toEqual([
    'Starting',
    'Downloading',
    'Training',
    'Uploading',
    'Completed',
  ]);
  expect(events.at(-1)).toMatchObject({
    source: 'aws.sagemaker',
    'detail-type': 'SageMaker Training Job State Change',
    resources: [arn],
    detail: {
      TrainingJobArn: arn,
      TrainingJobStatus: 'Completed',
      CreationTime: job.CreationTime?.getTime(),
      TrainingEndTime: job.TrainingEndTime?.getTime(),
      Tags: { project: 'flights' },
    },
  });
  expect(JSON.stringify(events)).not.toContain('do not tell');
});

describe('a job fails with the reason in SageMaker’s words', () => {
  test('script with an error', async () => {
    const AlgorithmSpecification = { TrainingImage: frameworkImage, TrainingInputMode: 'File' as const };
    const script = 'print("before")\nraise ValueError("no such column")';
    const job = await session.train('raises', script, { AlgorithmSpecification });
    expect(job).toMatchObject({ TrainingJobStatus: 'Failed', SecondaryStatus: 'Failed' });
    expect(job.FailureReason).toMatch(
      /^AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "[\s\S]*ValueError: no such column"\nCommand ".*train.py"/,
    );
    expect(job.FailureReason).toMatch(/, exit code: 1$/);
    expect(job.FailureReason?.length).toBeLessThanOrEqual(1024);
    const waited = waitUntilTrainingJobCompletedOrStopped(
      { client: session.client, ...quick },
      { TrainingJobName: 'raises' },
    );
    await expect(waited).rejects.toThrow('FAILURE');
  });

  test('no data', async () => {
    const InputDataConfig = [{ ChannelName: 'train', DataSource: prefix('s3://work/nothing-here/') }];
    const job = await session.train('no-data', nothing, { InputDataConfig });
    expect(job.FailureReason).toMatch(
      /^ClientError: Data download failed:No S3 objects found under S3 URL "s3:\/\/work\/nothing-here\/"/,
    );
  });

  test('role without permission', async () => {
    await session.put('forbidden/data/a.csv', '1');
    const InputDataConfig = [{ ChannelName: 'train', DataSource: prefix('s3://work/forbidden/data/') }];
    const job = await session.train('forbidden', nothing, { RoleArn: powerlessRoleArn, InputDataConfig });
    expect(job.FailureReason).toMatch(
      /^ClientError: Data download failed:AccessDenied: .*assumed-role\/powerless\/SageMaker/,
    );
  });

  test('image that nothing stands in for', async () => {
    const AlgorithmSpecification = { TrainingImage: 'unknown:1', TrainingInputMode: 'File' as const };
    const job = await session.train('no-image', nothing, { AlgorithmSpecification });
    expect(job.FailureReason).toMatch(/^ClientError: .*'unknown:1'.*images\.json/);
  });

  test('image whose packages are not installed, with the command that installs them', async () => {
    const AlgorithmSpecification = { TrainingImage: 'registry/pytorch:2.13', TrainingInputMode: 'File' as const };
    const job = await session.train('not-installed', nothing, { AlgorithmSpecification });
    expect(job.FailureReason).toMatch(
      /^ClientError: .*'registry\/pytorch:2\.13' .*Install it: {2}npm run setup -- --tabular$/,
    );
  });

  test('an output bucket that is not there, also when there is nothing to put into it', async () => {
    const OutputDataConfig = { S3OutputPath: 's3://no-such-bucket/out/' };
    const job = await session.train('no-bucket', nothing, { OutputDataConfig });
    expect(job).toMatchObject({
      TrainingJobStatus: 'Failed',
      FailureReason: expect.stringMatching(/^ClientError: Artifact upload failed:.*NoSuchBucket/),
      // What the SDK reads of every job, whatever has become of it.
      ModelArtifacts: { S3ModelArtifacts: 's3://no-such-bucket/out/no-bucket/output/model.tar.gz' },
      OutputDataConfig: { ...OutputDataConfig, KmsKeyId: '' },
    });
  });

  test('no capacity, until there is some', async () => {
    const ResourceConfig = { InstanceType: 'ml.p5.48xlarge' as const, InstanceCount: 1, VolumeSizeInGB: 5 };
    const job = await session.train('no-capacity', nothing, { ResourceConfig });
    expect(job.FailureReason).toBe(
      'CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type.',
    );
    const spot = {
      EnableManagedSpotTraining: true,
      StoppingCondition: { MaxRuntimeInSeconds: 60, MaxWaitTimeInSeconds: 60 },
    };
    expect(await session.train('no-spot-capacity', nothing, { ResourceConfig, ...spot })).toMatchObject({
      TrainingJobStatus: 'Stopped',
      SecondaryStatus: 'MaxWaitTimeExceeded',
    });
    await admin('capacity', { instanceType: 'ml.p5.48xlarge', available: true });
    expect(await session.train('capacity', nothing, { ResourceConfig })).toMatchObject({
      TrainingJobStatus: 'Completed',
    });
  });

  test('network isolation: code in S3 is out of reach, and there are no credentials', async () => {
    const job = await session.train('isolated', nothing, { EnableNetworkIsolation: true });
    expect(job.FailureReason).toMatch(/^AlgorithmError: .*network isolation/);
    const script = 'import os, sys\nsys.exit(any(name.startswith("AWS_") and "KEY" in name for name in os.environ))';
    expect(await trainIsolated('isolated-channel', script)).toMatchObject({ TrainingJobStatus: 'Completed' });
  });
});

test.skipIf(containment.kind === 'processes')(
  'a job has an /opt/ml of its own; under isolation it reaches neither the cloud nor another machine',
  async () => {
    const script = `
import socket
for place in (('127.0.0.1', ${new URL(session.cloud.url).port}), ('192.0.2.1', 80)):
    try:
        socket.create_connection(place, timeout=0.5)
        raise SystemExit('connected')
    except OSError:
        pass
open('/opt/ml/model/literal.txt', 'w').write(open('/opt/ml/input/config/resourceconfig.json').read()[:16])`;
    const job = await trainIsolated('own-root', script);
    expect(job.FailureReason).toBeUndefined();
    expect(await session.unpacked(job.ModelArtifacts?.S3ModelArtifacts ?? '')).toEqual({
      'literal.txt': '{"current_host":',
    });
  },
);

test("without isolation the container's own calls are made with the job's role", async () => {
  const script = `
import boto3
boto3.client("s3").put_object(Bucket="work", Key="own-calls/by.txt", Body=boto3.client("sts").get_caller_identity()["Arn"])`;
  expect(await session.train('own-calls', script)).toMatchObject({ TrainingJobStatus: 'Completed' });
  expect((await session.get('s3://work/own-calls/by.txt')).toString()).toMatch(/assumed-role\/training\/SageMaker$/);
});

describe('the log of a job', () => {
  test('goes to a log group that was there, and leaves its retention as it was', async () => {
    const logGroupName = '/aws/sagemaker/TrainingJobs';
    await session.cloud.logs.send(new CreateLogGroupCommand({ logGroupName })).catch(() => undefined);
    await session.cloud.logs.send(new PutRetentionPolicyCommand({ logGroupName, retentionInDays: 7 }));
    const job = await session.train('kept', 'print("here")');
    await eventually(async () => (await logOf('kept', job.CreationTime)).includes('here'));
    const { logGroups = [] } = await session.cloud.logs.send(
      new DescribeLogGroupsCommand({ logGroupNamePrefix: logGroupName }),
    );
    expect(logGroups).toMatchObject([{ retentionInDays: 7 }]);
  });

  test('is written with the role of the job: one without the permission leaves none, and the job runs', async () => {
    const AlgorithmSpecification = {
      TrainingImage: image,
      TrainingInputMode: 'File' as const,
      ContainerEntrypoint: ['python', '-c', 'print("unheard")'],
    };
    const job = await session.train('unheard', nothing, { RoleArn: powerlessRoleArn, AlgorithmSpecification });
    expect(job.TrainingJobStatus).toBe('Completed');
    await eventually(() => session.log.some((line) => /unheard\/algo-1-\d+ was not written.*powerless/.test(line)));
    expect(await logOf('unheard', job.CreationTime)).toEqual([]);
  });
});

describe('a job is stopped', () => {
  const waits = `
import os, signal, sys, time
def save(*_):
    open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w").write("saved at the end")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(60)`;

  test('by request: SIGTERM, and the model that the script saves is kept', async () => {
    await session.client.send(new CreateTrainingJobCommand(await session.request('stopped', waits)));
    const started = () => session.client.send(new DescribeTrainingJobCommand({ TrainingJobName: 'stopped' }));
    await session.running('stopped');
    await eventually(async () => (await logOf('stopped', (await started()).CreationTime)).includes('ready'));
    await session.client.send(new StopTrainingJobCommand({ TrainingJobName: 'stopped' }));
    expect(['Stopping', 'Stopped']).toContain((await started()).TrainingJobStatus);
    const job = await session.ended('stopped');
    expect(job).toMatchObject({ TrainingJobStatus: 'Stopped', SecondaryStatus: 'Stopped' });
    expect(await session.unpacked(job.ModelArtifacts?.S3ModelArtifacts ?? '')).toEqual({
      'model.txt': 'saved at the end',
    });
    await expect(session.client.send(new StopTrainingJobCommand({ TrainingJobName: 'stopped' }))).rejects.toMatchObject(
      {
        name: 'ValidationException',
        message: 'The request was rejected because the training job is in status Stopped.',
      },
    );
  });

  test('by SIGKILL when it does not listen', async () => {
    const deaf =
      'import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint("ready", flush=True)\ntime.sleep(60)';
    await session.client.send(new CreateTrainingJobCommand(await session.request('deaf', deaf)));
    const { CreationTime } = await session.client.send(new DescribeTrainingJobCommand({ TrainingJobName: 'deaf' }));
    await eventually(async () => (await logOf('deaf', CreationTime)).includes('ready'));
    await session.client.send(new StopTrainingJobCommand({ TrainingJobName: 'deaf' }));
    expect(await session.ended('deaf')).toMatchObject({ TrainingJobStatus: 'Stopped' });
    expect(session.log).toContainEqual(expect.stringContaining('deaf: process ended with 137'));
  });

  test('at once after it was created, before its container runs', async () => {
    await session.client.send(new CreateTrainingJobCommand(await session.request('at-the-start', waits)));
    await session.client.send(new StopTrainingJobCommand({ TrainingJobName: 'at-the-start' }));
    const { SecondaryStatusTransitions = [] } = await session.ended('at-the-start');
    const statuses = SecondaryStatusTransitions.map(({ Status = '' }) => Status);
    // Nothing may follow Stopping but the end.
    expect(statuses.slice(statuses.indexOf('Stopping'))).toEqual(['Stopping', 'Stopped']);
  });

  test('by its time limit', async () => {
    const job = await session.train('too-long', waits, { StoppingCondition: { MaxRuntimeInSeconds: 1 } });
    expect(job).toMatchObject({ TrainingJobStatus: 'Stopped', SecondaryStatus: 'MaxRuntimeExceeded' });
    expect(job.SecondaryStatusTransitions?.map(({ Status }) => Status)).toContain('Stopping');
  });
});

test('an interrupted spot job starts again from its checkpoint', async () => {
  const script = `
import os, time
folder = os.path.join(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"), "checkpoints")
if not os.path.exists(os.path.join(folder, "half.txt")):
    open(os.path.join(folder, "half.txt"), "w").write("half way")
    time.sleep(60)
open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w").write(open(os.path.join(folder, "half.txt")).read() + ", whole")`;
  const request = await session.request('spot', script, {
    EnableManagedSpotTraining: true,
    StoppingCondition: { MaxRuntimeInSeconds: 60, MaxWaitTimeInSeconds: 60 },
    CheckpointConfig: { S3Uri: 's3://work/spot/checkpoints' },
  });
  const { TrainingJobArn } = await session.client.send(new CreateTrainingJobCommand(request));
  await eventually(async () => (await session.keys('spot/checkpoints')).includes('spot/checkpoints/half.txt'));
  await admin('interrupt', { trainingJobArn: TrainingJobArn });
  const job = await session.ended('spot');
  expect(job.SecondaryStatusTransitions?.map(({ Status }) => Status)).toEqual([
    'Starting',
    'Downloading',
    'Training',
    'Interrupted',
    'Starting',
    'Downloading',
    'Training',
    'Uploading',
    'Completed',
  ]);
  expect(await session.unpacked(job.ModelArtifacts?.S3ModelArtifacts ?? '')).toEqual({
    'model.txt': 'half way, whole',
  });
});

test('a manifest sharded over two hosts gives each file to one host; their models are one archive', async () => {
  const names = ['a.csv', 'b.csv', 'deep/c.csv', 'd.csv', 'e.csv'];
  for (const name of names) await session.put(`sharded/data/${name}`, name);
  const manifest = await session.put(
    'sharded/manifest.json',
    JSON.stringify([{ prefix: 's3://work/sharded/data/' }, ...names]),
  );
  const script = `
import os
folder = os.environ["SM_CHANNEL_TRAIN"]
files = sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names)
open(os.path.join(os.environ["SM_MODEL_DIR"], os.environ["SM_CURRENT_HOST"]), "w").write(" ".join(files))`;
  const source = {
    S3DataType: 'ManifestFile' as const,
    S3Uri: manifest,
    S3DataDistributionType: 'ShardedByS3Key' as const,
  };
  const job = await session.train('sharded', script, {
    ResourceConfig: { InstanceType: 'ml.m5.large', InstanceCount: 2, VolumeSizeInGB: 5 },
    InputDataConfig: [{ ChannelName: 'train', DataSource: { S3DataSource: source } }],
  });
  const model = await session.unpacked(job.ModelArtifacts?.S3ModelArtifacts ?? '');
  expect(Object.keys(model)).toEqual(['algo-1', 'algo-2']);
  const shards = Object.values(model).map((files) => files.split(' '));
  expect(shards.flat().toSorted()).toEqual(names.toSorted());
  expect(shards.map((files) => files.length).toSorted()).toEqual([2, 3]);
});

test('CompressionType NONE leaves loose objects', async () => {
  const script = 'import os\nopen(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w").write("m")';
  const job = await session.train('loose', script, {
    OutputDataConfig: { S3OutputPath: 's3://work/loose/out', CompressionType: 'NONE' },
  });
  expect(job.ModelArtifacts?.S3ModelArtifacts).toBe('s3://work/loose/out/loose/output/model/');
  expect(await session.keys('loose/out')).toEqual(['loose/out/loose/output/model/model.txt']);
});

test('a container with its own entrypoint gets no train argument, and /opt/ml means its root', async () => {
  const job = await session.train('entrypoint', nothing, {
    HyperParameters: { sagemaker_program: 'not-used.py' },
    AlgorithmSpecification: {
      TrainingImage: 'sagemaker-xgboost:1.7-1',
      TrainingInputMode: 'File',
      ContainerEntrypoint: ['bash', '-c', 'echo "$# $0 $@" > /opt/ml/model/arguments.txt'],
      ContainerArguments: ['one', 'two'],
    },
  });
  expect(await session.unpacked(job.ModelArtifacts?.S3ModelArtifacts ?? '')).toEqual({
    'arguments.txt': '1 one two\n',
  });
});

describe('names', () => {
  test('are taken once, answered as SageMaker does when unknown, and free again after Delete', async () => {
    const request = await session.request('taken', nothing);
    await session.client.send(new CreateTrainingJobCommand(request));
    const again = session.client.send(new CreateTrainingJobCommand(request));
    await expect(again).rejects.toBeInstanceOf(ResourceInUse);
    await expect(again).rejects.toThrow('Training job names must be unique within an AWS account and region');
    await session.ended('taken');
    await session.client.send(new DeleteTrainingJobCommand({ TrainingJobName: 'taken' }));
    const gone = session.client.send(new DescribeTrainingJobCommand({ TrainingJobName: 'taken' }));
    await expect(gone).rejects.toMatchObject({ name: 'ValidationException', message: 'Requested resource not found.' });
    expect(await session.train('taken', nothing)).toMatchObject({ TrainingJobStatus: 'Completed' });
  });

  test('five requests at once make one job', async () => {
    const request = await session.request('at-once', nothing);
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, () => session.client.send(new CreateTrainingJobCommand(request))),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await session.ended('at-once')).toMatchObject({ TrainingJobStatus: 'Completed' });
  });

  test("are listed by the SDK's paginator", async () => {
    const found: string[] = [];
    const pages = paginateListTrainingJobs(
      { client: session.client, pageSize: 2 },
      { StatusEquals: 'Failed', SortBy: 'Name' },
    );
    for await (const page of pages) {
      expect(page.TrainingJobSummaries?.length).toBeLessThanOrEqual(2);
      found.push(...(page.TrainingJobSummaries ?? []).map(({ TrainingJobName }) => TrainingJobName ?? ''));
    }
    expect(found).toEqual(found.toSorted());
    expect(found).toEqual(expect.arrayContaining(['forbidden', 'no-data', 'raises']));
    expect(new Set(found).size).toBe(found.length);
  });
});

test('tags are added, replaced, listed and deleted', async () => {
  const { TrainingJobArn: ResourceArn } = await session.train('tagged', nothing, { Tags: [{ Key: 'a', Value: '1' }] });
  await session.client.send(
    new AddTagsCommand({
      ResourceArn,
      Tags: [
        { Key: 'a', Value: '2' },
        { Key: 'b', Value: '3' },
      ],
    }),
  );
  await session.client.send(new DeleteTagsCommand({ ResourceArn, TagKeys: ['b'] }));
  expect((await session.client.send(new ListTagsCommand({ ResourceArn }))).Tags).toEqual([{ Key: 'a', Value: '2' }]);
});

describe('IAM decides', () => {
  test('who may create, and whose role may be passed', async () => {
    const request = await session.request('denied', nothing);
    const create = async (name: string, actions: readonly string[]) => {
      const client = clientOf(session.server.url, await session.cloud.user(name, actions));
      return client.send(new CreateTrainingJobCommand({ ...request, TrainingJobName: name }));
    };
    await expect(create('may-nothing', ['s3:GetObject'])).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringMatching(
        /^User: arn:aws:iam::000000000000:user\/may-nothing is not authorized to perform: sagemaker:CreateTrainingJob on resource: arn:aws:sagemaker:us-east-1:000000000000:training-job\/may-nothing because/,
      ),
    });
    await expect(create('may-not-pass', ['sagemaker:*'])).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringContaining(`is not authorized to perform: iam:PassRole on resource: ${roleArn}`),
    });
    await expect(create('may-all', ['sagemaker:CreateTrainingJob', 'iam:PassRole'])).resolves.toMatchObject({
      TrainingJobArn: expect.stringContaining('training-job/may-all'),
    });
  });

  test('a wrong secret is an invalid signature, an unknown key an invalid token', async () => {
    const { accessKeyId } = await session.cloud.user('has-key', ['sagemaker:*']);
    const list = (key: string) =>
      clientOf(session.server.url, { accessKeyId: key, secretAccessKey: 'wrong' }).send(
        new DescribeTrainingJobCommand({ TrainingJobName: 'x' }),
      );
    await expect(list(accessKeyId)).rejects.toMatchObject({ name: 'InvalidSignatureException' });
    // The root user's key, too.
    await expect(list('test')).rejects.toMatchObject({ name: 'InvalidSignatureException' });
    await expect(list('AKIAUNKNOWNUNKNOWN00')).rejects.toMatchObject({
      message: 'The security token included in the request is invalid.',
    });
  });

  test('a role that does not trust SageMaker is refused', async () => {
    const request = await session.request('untrusted', nothing, { RoleArn: untrustingRoleArn });
    await expect(session.client.send(new CreateTrainingJobCommand(request))).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringMatching(/^Could not assume role .*role\/untrusting/),
    });
  });
});

/** Trains under network isolation, with the code in a channel: what is in S3 is out of reach. */
async function trainIsolated(name: string, script: string) {
  await session.put(`${name}/channel/sourcedir.tar.gz`, session.archive({ 'train.py': script }));
  return session.train(name, nothing, {
    AlgorithmSpecification: { TrainingImage: frameworkImage, TrainingInputMode: 'File' },
    EnableNetworkIsolation: true,
    HyperParameters: { sagemaker_submit_directory: '/opt/ml/input/data/code/sourcedir.tar.gz' },
    InputDataConfig: [{ ChannelName: 'code', DataSource: prefix(`s3://work/${name}/channel/`) }],
  });
}

async function logOf(name: string, created: Date | undefined): Promise<string[]> {
  const logStreamName = `${name}/algo-1-${Math.floor((created?.getTime() ?? 0) / 1000)}`;
  const { events = [] } = await session.cloud.logs
    .send(new GetLogEventsCommand({ logGroupName: '/aws/sagemaker/TrainingJobs', logStreamName }))
    .catch(() => ({ events: [] }));
  return events.map(({ message = '' }) => message);
}

async function eventsOf(name: string) {
  const events: Awaited<ReturnType<typeof session.cloud.events>> = [];
  await eventually(async () => {
    events.push(...(await session.cloud.events()).filter(({ detail }) => detail.TrainingJobName === name));
    return events.some(({ detail }) => ['Completed', 'Failed', 'Stopped'].includes(String(detail.TrainingJobStatus)));
  });
  return events;
}

async function admin(route: string, body: object): Promise<void> {
  const answer = await adminRequest(session.server, route, body);
  expect(await answer.text().then(() => answer.status)).toBe(200);
}
