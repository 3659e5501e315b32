/** An environment is taken away: first all that can be made again, then, with both keys, its data. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CloudFormationClient, paginateDescribeStacks } from '@aws-sdk/client-cloudformation';
import { CloudWatchClient, paginateDescribeAlarms } from '@aws-sdk/client-cloudwatch';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  HeadBucketCommand,
  ListObjectVersionsCommand,
  NotFound,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import {
  CreateModelCommand,
  DescribeModelCommand,
  paginateListEndpointConfigs,
  paginateListEndpoints,
  paginateListModels,
  paginateListTrainingJobs,
  SageMakerClient,
} from '@aws-sdk/client-sagemaker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { emptyBucket } from '../../cli/destroy/buckets.ts';
import { repository } from '../../local/cloud/layout.ts';
import { type Deployed, deployed } from './deployed.ts';
import { LOOP_MS } from './observed.ts';
import { PROJECT, trialCsv } from './trial.ts';

/** Made by somebody else, under a name that looks like ours. */
const STRANGER = 'flywheel-local-stranger';

const TAKES_TIME = 'takes-time';

/** Writes the images of a cloud that is to start: while a file says so, a training script runs until it is stopped. */
function imagesThatMayTakeTheirTime(directory: string): void {
  const real = join(repository, '.flywheel/venv/models/bin/python');
  const python = join(directory, 'bin/python3');
  mkdirSync(dirname(python), { recursive: true });
  const untilStopped = `trap 'exit 0' TERM; sleep 600 & wait; exit 0`;
  const lines = [
    '#!/bin/sh',
    `if test -e '${join(directory, TAKES_TIME)}'; then case "$*" in *train.py*) ${untilStopped};; esac; fi`,
    `exec '${real}' "$@"`,
  ];
  writeFileSync(python, `${lines.join('\n')}\n`, { mode: 0o755 });
  const serve = [real, join(repository, 'models/common/serve.py')];
  writeFileSync(join(directory, 'images.json'), JSON.stringify([{ pattern: 'sagemaker-xgboost:', python, serve }]));
}

let flywheel: Deployed;
beforeAll(async () => {
  flywheel = await deployed('destroy', 'destroy.config.ts', imagesThatMayTakeTheirTime);
  const trial = flywheel.project(PROJECT);
  await trial.upload('first.csv.gz', trialCsv({ from: 0, rows: 2000 }));
  await trial.event('ModelDeployed', { model: 1 }, LOOP_MS);
  const sageMaker = new SageMakerClient({});
  const [ours] = await modelNames();
  expect(ours).toMatch(/^flywheel-local-trial-m1-/);
  const { ExecutionRoleArn } = await sageMaker.send(new DescribeModelCommand({ ModelName: ours }));
  await sageMaker.send(
    new CreateModelCommand({
      ModelName: STRANGER,
      ExecutionRoleArn,
      PrimaryContainer: { Image: '683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0' },
    }),
  );
});
afterAll(async () => {
  await flywheel.stop();
});

const stacks = async () => {
  const names: string[] = [];
  for await (const { Stacks = [] } of paginateDescribeStacks({ client: new CloudFormationClient({}) }, {}))
    names.push(
      ...Stacks.flatMap(({ StackName, StackStatus }) => (StackStatus === 'DELETE_COMPLETE' ? [] : (StackName ?? []))),
    );
  return names.filter((name) => name.startsWith('local-')).sort();
};

async function modelNames(): Promise<string[]> {
  const names: string[] = [];
  for await (const { Models = [] } of paginateListModels({ client: new SageMakerClient({}) }, {}))
    names.push(...Models.flatMap(({ ModelName }) => ModelName ?? []));
  return names.sort();
}

async function atRunTime(): Promise<string[]> {
  const client = { client: new SageMakerClient({}) };
  const names: string[] = await modelNames();
  for await (const { Endpoints = [] } of paginateListEndpoints(client, {}))
    names.push(...Endpoints.flatMap(({ EndpointName }) => EndpointName ?? []));
  for await (const { EndpointConfigs = [] } of paginateListEndpointConfigs(client, {}))
    names.push(...EndpointConfigs.flatMap(({ EndpointConfigName }) => EndpointConfigName ?? []));
  const AlarmNamePrefix = 'flywheel-local-';
  for await (const { MetricAlarms = [] } of paginateDescribeAlarms(
    { client: new CloudWatchClient({}) },
    { AlarmNamePrefix },
  ))
    names.push(...MetricAlarms.flatMap(({ AlarmName }) => AlarmName ?? []));
  return names;
}

const versionsIn = async (Bucket: string) =>
  ((await new S3Client({}).send(new ListObjectVersionsCommand({ Bucket }))).Versions ?? []).length;

it('a bucket is emptied of all versions and delete markers, however many', async () => {
  const s3 = new S3Client({});
  const Bucket = 'flywheel-test-emptied';
  await s3.send(new CreateBucketCommand({ Bucket }));
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  // More than one request lists or deletes.
  for (let start = 0; start < 1100; start += 50)
    await Promise.all(
      Array.from({ length: 50 }, (_, n) => s3.send(new PutObjectCommand({ Bucket, Key: `${start + n}`, Body: 'x' }))),
    );
  await s3.send(new PutObjectCommand({ Bucket, Key: '0', Body: 'again' }));
  await s3.send(new DeleteObjectCommand({ Bucket, Key: '1' }));
  expect(await emptyBucket(Bucket)).toBe(1102);
  const left = await s3.send(new ListObjectVersionsCommand({ Bucket }));
  expect([...(left.Versions ?? []), ...(left.DeleteMarkers ?? [])]).toEqual([]);
});

/** Statuses of all training jobs of a project, by their names. */
async function trainingJobs(project: string): Promise<Record<string, string>> {
  const statuses: Record<string, string> = {};
  const named = { NameContains: `flywheel-local-${project}-` };
  for await (const page of paginateListTrainingJobs({ client: new SageMakerClient({}) }, named))
    for (const { TrainingJobName = '', TrainingJobStatus = '' } of page.TrainingJobSummaries ?? [])
      statuses[TrainingJobName] = TrainingJobStatus;
  return statuses;
}

describe('an environment', () => {
  let jobs: readonly string[];
  it('has a job under way, and an upload that waits for its end', async () => {
    writeFileSync(join(flywheel.directory, TAKES_TIME), '');
    const slow = flywheel.project('slow');
    await slow.upload('first.csv.gz', trialCsv({ from: 0, rows: 2000 }));
    await slow.event('TrainingStarted', {}, LOOP_MS);
    await slow.upload('second.csv.gz', trialCsv({ from: 10_000, rows: 2000 }));
    await slow.event('TrainingSuppressed', { rule: 'in-progress' }, LOOP_MS);
    jobs = Object.keys(await trainingJobs('slow'));
    expect(jobs).toHaveLength(1);
  });

  it('goes with everything that it has made in SageMaker; data, and what has only a similar name, stay', async () => {
    expect((await atRunTime()).length).toBeGreaterThan(3);
    await flywheel.flywheel('destroy', '--yes');
    expect(await stacks()).toEqual(['local-State']);
    expect(await atRunTime()).toEqual([STRANGER]);
    expect(await versionsIn(flywheel.outputs.ModelBucket)).toBeGreaterThan(0);
    expect(await flywheel.lineage.state(PROJECT)).toMatchObject({ champion: 1 });
  });

  it('has no job under way afterwards, although a function answered the end of one with another', async () => {
    const left = await trainingJobs('slow');
    expect(Object.keys(left).length).toBeGreaterThan(jobs.length);
    expect(Object.values(left)).not.toContain('InProgress');
  });

  it('can be asked to go again', async () => {
    await flywheel.flywheel('destroy', '--yes');
    expect(await stacks()).toEqual(['local-State']);
  });

  it('goes with its data when both keys are turned: every version in every bucket', async () => {
    const { RawBucket, DatasetBucket, ModelBucket, CaptureBucket } = flywheel.outputs;
    const s3 = new S3Client({});
    for (const body of ['one', 'two'])
      await s3.send(new PutObjectCommand({ Bucket: RawBucket, Key: 'twice', Body: body }));
    expect(await versionsIn(RawBucket)).toBeGreaterThan(2);

    const answer = JSON.parse(await flywheel.flywheel('destroy', '--yes', '--destroy-data', 'local', '--json'));
    expect(answer.buckets[RawBucket]).toBeGreaterThan(2);
    expect(await stacks()).toEqual([]);
    for (const Bucket of [RawBucket, DatasetBucket, ModelBucket, CaptureBucket])
      await expect(s3.send(new HeadBucketCommand({ Bucket }))).rejects.toThrow(NotFound);
  });
});
