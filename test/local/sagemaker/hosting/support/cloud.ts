import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';
import {
  CreateAccessKeyCommand,
  CreateRoleCommand,
  CreateUserCommand,
  IAMClient,
  PutRolePolicyCommand,
  PutUserPolicyCommand,
} from '@aws-sdk/client-iam';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateQueueCommand, DeleteMessageBatchCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { findContainment } from '../../../../../local/sagemaker/container/containment.ts';
import { readImages } from '../../../../../local/sagemaker/container/images.ts';
import { keepProcessesIn } from '../../../../../local/sagemaker/container/processes.ts';
import { Access } from '../../../../../local/sagemaker/core/access.ts';
import { secretHeader } from '../../../../../local/sagemaker/core/callers.ts';
import { systemClock } from '../../../../../local/sagemaker/core/clock.ts';
import { Cloud } from '../../../../../local/sagemaker/core/cloud.ts';
import type { Core } from '../../../../../local/sagemaker/core/core.ts';
import { EventPublisher } from '../../../../../local/sagemaker/core/events.ts';
import { Faults } from '../../../../../local/sagemaker/core/faults.ts';
import { Quotas } from '../../../../../local/sagemaker/core/quotas.ts';
import { createSageMakerServer } from '../../../../../local/sagemaker/core/server.ts';
import { ServiceModel } from '../../../../../local/sagemaker/core/service-model.ts';
import { Store } from '../../../../../local/sagemaker/core/store.ts';
import { Hosting } from '../../../../../local/sagemaker/hosting/hosting.ts';
import type { HostingSettings } from '../../../../../local/sagemaker/hosting/platform.ts';

export const region = 'us-east-1';
export const account = '000000000000';
export const roleArn = `arn:aws:iam::${account}:role/serving`;
export const image = '683313688378.dkr.ecr.us-east-1.amazonaws.com/test-server:1';
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
const venv = resolve('.flywheel/venv/cloud');

/** MiniStack with the launcher's additions, on a port and in a folder of its own, with a role, a bucket and a queue of SageMaker's events. */
export class TestCloud {
  readonly folder: string;
  readonly url: string;
  readonly s3: S3Client;
  readonly cloudWatch: CloudWatchClient;
  readonly logs: CloudWatchLogsClient;
  readonly iam: IAMClient;
  private readonly sqs: SQSClient;
  private readonly process: ChildProcess;
  private queueUrl = '';

  private constructor(folder: string, port: number, process: ChildProcess) {
    this.folder = folder;
    this.url = `http://127.0.0.1:${port}`;
    this.process = process;
    const settings = { endpoint: this.url, region, credentials };
    this.s3 = new S3Client({ ...settings, forcePathStyle: true });
    this.cloudWatch = new CloudWatchClient(settings);
    this.logs = new CloudWatchLogsClient(settings);
    this.iam = new IAMClient(settings);
    this.sqs = new SQSClient(settings);
  }

  static async start(): Promise<TestCloud> {
    mkdirSync('.flywheel/test', { recursive: true });
    const folder = realpathSync(mkdtempSync('.flywheel/test/hosting-'));
    const port = await freePort();
    mkdirSync(join(folder, 'cloud'));
    writeFileSync(join(folder, 'cloud/secret'), credentials.secretAccessKey);
    const process = spawn(
      join(venv, 'bin/python'),
      ['local/ministack/launcher.py', '--port', String(port), '--directory', join(folder, 'cloud')],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const log = createWriteStream(join(folder, 'cloud.log'));
    process.stdout?.pipe(log, { end: false });
    process.stderr?.pipe(log, { end: false });
    const cloud = new TestCloud(folder, port, process);
    await eventually(async () => (await fetch(`${cloud.url}/_flywheel/health`)).ok);
    await cloud.prepare();
    return cloud;
  }

  async stop(): Promise<void> {
    const ended = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Puts a model.tar.gz with these files. @returns its S3 URI */
  async putModel(name: string, files: Record<string, string> = {}): Promise<string> {
    const folder = join(this.folder, 'models', name);
    mkdirSync(folder, { recursive: true });
    for (const [file, text] of Object.entries({ 'name.txt': name, ...files })) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), text);
    }
    const archive = execFileSync('tar', ['-czf', '-', '-C', folder, ...readdirSync(folder)]);
    await this.s3.send(new PutObjectCommand({ Bucket: 'models', Key: `${name}/model.tar.gz`, Body: archive }));
    return `s3://models/${name}/model.tar.gz`;
  }

  /** The events of SageMaker since the last call, oldest first. */
  async events(): Promise<SageMakerEvent[]> {
    const events: SageMakerEvent[] = [];
    for (;;) {
      const { Messages = [] } = await this.sqs.send(
        new ReceiveMessageCommand({ QueueUrl: this.queueUrl, MaxNumberOfMessages: 10 }),
      );
      if (Messages.length === 0) return events.sort((a, b) => a.time.localeCompare(b.time));
      events.push(...Messages.map((message) => JSON.parse(message.Body ?? '')));
      const Entries = Messages.map((message, index) => ({ Id: String(index), ReceiptHandle: message.ReceiptHandle }));
      await this.sqs.send(new DeleteMessageBatchCommand({ QueueUrl: this.queueUrl, Entries }));
    }
  }

  /** A user that may do these actions on everything. @returns its access key */
  async user(name: string, actions: readonly string[]): Promise<{ accessKeyId: string; secretAccessKey: string }> {
    await this.iam.send(new CreateUserCommand({ UserName: name }));
    const document = policy([{ Effect: 'Allow', Action: actions, Resource: '*' }]);
    await this.iam.send(new PutUserPolicyCommand({ UserName: name, PolicyName: 'actions', PolicyDocument: document }));
    const { AccessKey } = await this.iam.send(new CreateAccessKeyCommand({ UserName: name }));
    return { accessKeyId: AccessKey?.AccessKeyId ?? '', secretAccessKey: AccessKey?.SecretAccessKey ?? '' };
  }

  private async prepare(): Promise<void> {
    const trust = { Effect: 'Allow', Principal: { Service: 'sagemaker.amazonaws.com' }, Action: 'sts:AssumeRole' };
    await this.iam.send(new CreateRoleCommand({ RoleName: 'serving', AssumeRolePolicyDocument: policy([trust]) }));
    await this.allow(['models/*', 'captured/*']);
    for (const Bucket of ['models', 'captured']) await this.s3.send(new CreateBucketCommand({ Bucket }));
    const Arn = `arn:aws:sqs:${region}:${account}:events`;
    const Policy = policy([
      { Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'sqs:SendMessage', Resource: Arn },
    ]);
    const { QueueUrl = '' } = await this.sqs.send(
      new CreateQueueCommand({ QueueName: 'events', Attributes: { Policy } }),
    );
    this.queueUrl = QueueUrl;
    const bus = new EventBridgeClient({ endpoint: this.url, region, credentials });
    await bus.send(
      new PutRuleCommand({ Name: 'sagemaker', EventPattern: JSON.stringify({ source: ['aws.sagemaker'] }) }),
    );
    await bus.send(new PutTargetsCommand({ Rule: 'sagemaker', Targets: [{ Id: 'queue', Arn }] }));
  }

  /** Lets the role `serving` use these objects, read these alarms, and no others. */
  async allow(objects: readonly string[], alarms = '*'): Promise<void> {
    const document = policy([
      {
        Effect: 'Allow',
        Action: ['s3:GetObject', 's3:PutObject'],
        Resource: objects.map((one) => `arn:aws:s3:::${one}`),
      },
      { Effect: 'Allow', Action: 'cloudwatch:DescribeAlarms', Resource: `arn:aws:cloudwatch:*:*:alarm:${alarms}` },
      {
        Effect: 'Allow',
        Action: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'],
        Resource: 'arn:aws:logs:*:*:log-group:/aws/sagemaker/*',
      },
    ]);
    await this.iam.send(
      new PutRolePolicyCommand({ RoleName: 'serving', PolicyName: 'serving', PolicyDocument: document }),
    );
  }
}

export interface SageMakerEvent {
  readonly time: string;
  readonly 'detail-type': string;
  readonly resources: readonly string[];
  readonly detail: Record<string, unknown>;
}

/** SageMaker local with hosting only, in this process; `state` survives a restart. */
export class TestServer {
  readonly hosting: Hosting;
  readonly url: string;
  readonly problems: string[];
  private readonly core: Core;
  private readonly server: Server;

  private constructor(core: Core, hosting: Hosting, server: Server, problems: string[]) {
    this.core = core;
    this.hosting = hosting;
    this.server = server;
    this.problems = problems;
    const address = server.address();
    if (typeof address !== 'object' || !address) throw new Error('the server does not listen');
    this.url = `http://127.0.0.1:${address.port}`;
  }

  static async start(cloud: TestCloud, state: string, settings: HostingSettings): Promise<TestServer> {
    const directory = join(cloud.folder, state);
    mkdirSync(directory, { recursive: true });
    const imagesFile = join(directory, 'images.json');
    const python = join(venv, 'bin/python');
    const entry = (pattern: string, serve: string) => ({ pattern, python, serve: ['{python}', resolve(serve)] });
    const images = [
      entry('test-server:', 'test/local/sagemaker/hosting/support/serve.py'),
      entry('sagemaker-xgboost:', 'models/common/serve.py'),
    ];
    writeFileSync(imagesFile, JSON.stringify(images));
    keepProcessesIn(join(directory, 'processes'));
    const problems: string[] = [];
    const secret = credentials.secretAccessKey;
    const core: Core = {
      model: ServiceModel.read(
        join(venv, 'lib/python3.11/site-packages/botocore/data/sagemaker/2017-07-24/service-2.json.gz'),
      ),
      store: new Store(join(directory, 'resources')),
      events: new EventPublisher({ endpoint: cloud.url, secret }, [], (problem) => problems.push(problem)),
      clock: systemClock,
      cloud: new Cloud({ endpoint: cloud.url, enforceRoles: true, secret }),
      access: new Access({ endpoint: cloud.url, enforce: true, clock: systemClock, secret }),
      images: readImages(imagesFile),
      containment: await findContainment(python),
      secret,
      faults: new Faults([]),
      quotas: new Quotas(),
      directory,
      keepFolders: false,
      jobStopTimeoutMs: 1000,
      log: (message) => problems.push(message),
    };
    const hosting = new Hosting(core, settings);
    const server = createSageMakerServer(core, { operations: hosting.operations, runtime: hosting.runtime });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TestServer(core, hosting, server, problems);
  }

  async stop(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await this.hosting.close();
    await this.core.events.flush();
    this.core.cloud.close();
  }
}

/** Asks a server of the test for what SageMaker has no API for. @param route for example `capacity` */
export function adminRequest({ url }: { readonly url: string }, route: string, body: object): Promise<Response> {
  const headers = { [secretHeader]: credentials.secretAccessKey };
  return fetch(`${url}/_flywheel/${route}`, { method: 'POST', headers, body: JSON.stringify(body) });
}

/** Waits until a condition holds; an error counts as not yet. The test's own time limit ends it. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (;;) {
    const held = await Promise.resolve()
      .then(holds)
      .catch(() => false);
    if (held) return;
    await delay(20);
  }
}

function policy(statements: readonly object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements });
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
