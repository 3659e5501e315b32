import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CreateRoleCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import {
  CreateTrainingJobCommand,
  type CreateTrainingJobCommandInput,
  DescribeTrainingJobCommand,
  type DescribeTrainingJobCommandOutput,
  SageMakerClient,
} from '@aws-sdk/client-sagemaker';
import { findServiceModel, type Options } from '../../../../../local/sagemaker/options.ts';
import { type SageMakerLocal, startSageMakerLocal } from '../../../../../local/sagemaker/start.ts';
import { account, adminRequest, eventually, region, TestCloud } from '../../hosting/support/cloud.ts';

export { adminRequest, eventually };
export const image = '683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1';
/** Not an algorithm of SageMaker's: a job may say what its metrics are. */
export const frameworkImage = '683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2';
export const roleArn = `arn:aws:iam::${account}:role/training`;
/** Exists, and SageMaker may assume it, but it may read nothing. */
export const powerlessRoleArn = `arn:aws:iam::${account}:role/powerless`;
/** Exists, but trusts another service. */
export const untrustingRoleArn = `arn:aws:iam::${account}:role/untrusting`;

const python = resolve('.flywheel/venv/cloud/bin/python');

/** The laptop cloud with a bucket `work` and roles, and the whole SageMaker local in this process. */
export class Session {
  readonly cloud: TestCloud;
  readonly client: SageMakerClient;
  readonly server: SageMakerLocal;
  /** The server's own log. */
  readonly log: string[];

  private constructor(cloud: TestCloud, server: SageMakerLocal, log: string[]) {
    this.cloud = cloud;
    this.server = server;
    this.log = log;
    this.client = clientOf(server.url);
  }

  static async start(change: Partial<Options> = {}): Promise<Session> {
    const cloud = await TestCloud.start();
    await prepare(cloud);
    const log: string[] = [];
    const server = await startSageMakerLocal({ ...serverOptions(cloud), ...change }, (line) => log.push(line));
    return new Session(cloud, server, log);
  }

  async stop(): Promise<void> {
    await this.server.close();
    await this.cloud.stop();
  }

  async put(key: string, body: string | Buffer): Promise<string> {
    await this.cloud.s3.send(new PutObjectCommand({ Bucket: 'work', Key: key, Body: body }));
    return `s3://work/${key}`;
  }

  async get(uri: string): Promise<Buffer> {
    const [, Bucket, Key] = /^s3:\/\/([^/]+)\/(.*)$/.exec(uri) ?? [];
    const { Body } = await this.cloud.s3.send(new GetObjectCommand({ Bucket, Key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  }

  async keys(prefix: string): Promise<string[]> {
    const { Contents = [] } = await this.cloud.s3.send(new ListObjectsV2Command({ Bucket: 'work', Prefix: prefix }));
    return Contents.map(({ Key = '' }) => Key).sort();
  }

  /** The files of a tar.gz object, by path. */
  async unpacked(uri: string): Promise<Record<string, string>> {
    const archive = await this.get(uri);
    const paths = execFileSync('tar', ['-tzf', '-'], { input: archive, encoding: 'utf8' }).split('\n').filter(Boolean);
    const content = (path: string) => execFileSync('tar', ['-xzOf', '-', path], { input: archive, encoding: 'utf8' });
    return Object.fromEntries(paths.map((path) => [path, content(path)]));
  }

  /** A request for a job that runs this script, with its code in S3. */
  async request(
    name: string,
    script: string,
    change: Partial<CreateTrainingJobCommandInput> = {},
  ): Promise<CreateTrainingJobCommandInput> {
    const submit = await this.put(`${name}/code/sourcedir.tar.gz`, this.archive({ 'train.py': script }));
    return {
      TrainingJobName: name,
      RoleArn: roleArn,
      AlgorithmSpecification: { TrainingImage: image, TrainingInputMode: 'File' },
      OutputDataConfig: { S3OutputPath: `s3://work/${name}/out/` },
      ResourceConfig: { InstanceType: 'ml.m5.large', InstanceCount: 1, VolumeSizeInGB: 5 },
      StoppingCondition: { MaxRuntimeInSeconds: 60 },
      ...change,
      HyperParameters: { sagemaker_program: 'train.py', sagemaker_submit_directory: submit, ...change.HyperParameters },
    };
  }

  /** Creates such a job and waits for its end. */
  async train(
    name: string,
    script: string,
    change: Partial<CreateTrainingJobCommandInput> = {},
  ): Promise<DescribeTrainingJobCommandOutput> {
    await this.client.send(new CreateTrainingJobCommand(await this.request(name, script, change)));
    return this.ended(name);
  }

  async ended(name: string): Promise<DescribeTrainingJobCommandOutput> {
    const describe = () => this.client.send(new DescribeTrainingJobCommand({ TrainingJobName: name }));
    await eventually(async () =>
      ['Completed', 'Failed', 'Stopped'].includes((await describe()).TrainingJobStatus ?? ''),
    );
    return describe();
  }

  /** Waits until the job's container has logged this line. */
  async running(name: string): Promise<void> {
    await eventually(() => this.log.some((line) => line.includes(`${name}: process started`)));
  }

  archive(files: Record<string, string>): Buffer {
    const folder = mkdtempSync(join(this.cloud.folder, 'code-'));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
    const archive = execFileSync('tar', ['-czf', '-', '-C', folder, ...Object.keys(files)]);
    rmSync(folder, { recursive: true });
    return archive;
  }
}

export function serverOptions(cloud: TestCloud): Options {
  const images = join(cloud.folder, 'images.json');
  const serve = ['{python}', '-c', 'raise SystemExit(1)'];
  const needs = { file: join(cloud.folder, 'installed.json'), command: 'npm run setup -- --tabular' };
  const entries = [
    { pattern: 'sagemaker-xgboost:', python, serve, toolkit: 'sagemaker-containers' },
    { pattern: 'sagemaker-scikit-learn:', python },
    { pattern: '/pytorch:', python, needs },
  ];
  writeFileSync(images, JSON.stringify(entries));
  const state = join(cloud.folder, 'sagemaker');
  mkdirSync(state, { recursive: true });
  return {
    port: 0,
    cloud: cloud.url,
    state,
    secretFile: join(cloud.folder, 'cloud/secret'),
    images: [images],
    serviceModel: findServiceModel(),
    chaos: [],
    noCapacity: ['ml.p5.48xlarge'],
    quotas: {},
    namespaces: true,
    python,
    enforceAccess: true,
    keepFolders: false,
    jobStopSeconds: 1,
    timeScale: 1,
    captureFlushMs: 2000,
  };
}

export function clientOf(
  url: string,
  credentials: { accessKeyId: string; secretAccessKey: string } = { accessKeyId: 'test', secretAccessKey: 'test' },
): SageMakerClient {
  return new SageMakerClient({ endpoint: url, region, credentials, maxAttempts: 1 });
}

async function prepare(cloud: TestCloud): Promise<void> {
  await cloud.s3.send(new CreateBucketCommand({ Bucket: 'work' }));
  for (const [RoleName, service] of [
    ['training', 'sagemaker.amazonaws.com'],
    ['powerless', 'sagemaker.amazonaws.com'],
    ['untrusting', 'lambda.amazonaws.com'],
  ]) {
    const trust = { Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' };
    await cloud.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: document([trust]) }));
  }
  const statements = [
    { Effect: 'Allow', Action: 's3:ListBucket', Resource: 'arn:aws:s3:::work' },
    { Effect: 'Allow', Action: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'], Resource: 'arn:aws:s3:::work/*' },
    {
      Effect: 'Allow',
      Action: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'],
      Resource: 'arn:aws:logs:*:*:log-group:/aws/sagemaker/*',
    },
  ];
  const PolicyDocument = document(statements);
  await cloud.iam.send(new PutRolePolicyCommand({ RoleName: 'training', PolicyName: 'work', PolicyDocument }));
}

function document(statements: readonly object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements });
}
