import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { CloudFormationClient, CreateStackCommand, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import {
  type Cloud,
  cloudContainers,
  cloudLogs,
  cloudStatus,
  resetCloud,
  startCloud,
  stopCloud,
} from '../../../local/cloud.ts';
import { rootOf } from '../support/root.ts';

const root = join(import.meta.dirname, '../../../.flywheel/test-lifecycle');
const free = { cloud: 0, sagemaker: 0 };
const directory = join(root, 'one');

afterEach(async () => {
  await stopCloud({ directory });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('startCloud', { timeout: 30_000 }, () => {
  it('starts once, and finds the cloud running after that', async () => {
    const first = await startCloud({ directory, ports: free });
    const again = await startCloud({ directory });
    expect([first.started, again.started]).toEqual([true, false]);
    expect(again.environment).toEqual(first.environment);
    expect(cloudStatus({ directory }).services.ministack.state).toBe('running');
    expect(first.containers).toMatch(/\/opt\/ml/);
    expect(await cloudContainers({ directory })).toBe(first.containers);
  });

  it('starts clouds side by side that share nothing', async () => {
    const other = join(root, 'other');
    try {
      const left = clientsOf(await startCloud({ directory, ports: free }));
      const right = clientsOf(await startCloud({ directory: other, ports: free }));
      await createBucket(left, 'only-left');
      await expect(right.s3.send(new GetObjectCommand({ Bucket: 'only-left', Key: 'k' }))).rejects.toThrow(
        /bucket does not exist/,
      );
    } finally {
      await stopCloud({ directory: other });
    }
  });

  it('names the process that holds a port', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => holder.once('listening', resolve));
    const address = holder.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    try {
      const start = startCloud({ directory: join(root, 'refused'), ports: { cloud: port, sagemaker: 0 } });
      await expect(start).rejects.toThrow(new RegExp(`Port ${port} .* in use by process ${process.pid} `));
    } finally {
      holder.close();
    }
  });

  it('listens on loopback only', async () => {
    const cloud = await startCloud({ directory, ports: free });
    const outward = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4');
    for (const { address } of outward) {
      const url = `http://${address}:${new URL(cloud.endpointUrl).port}/_flywheel/health`;
      await expect(fetch(url)).rejects.toThrow();
    }
  });
});

describe('a stopped cloud', { timeout: 30_000 }, () => {
  it('comes back with its objects and stacks; a reset one comes back empty', async () => {
    const before = clientsOf(await startCloud({ directory, ports: free }));
    await createBucket(before, 'kept');
    await before.s3.send(new PutObjectCommand({ Bucket: 'kept', Key: 'k', Body: 'content' }));
    expect((await stopCloud({ directory })).ministack).toBe('stopped');
    expect(cloudStatus({ directory }).services.ministack.state).toBe('stopped');

    const after = clientsOf(await startCloud({ directory }));
    const object = await after.s3.send(new GetObjectCommand({ Bucket: 'kept', Key: 'k' }));
    expect(await object.Body?.transformToString()).toBe('content');
    expect((await after.cloudformation.send(new DescribeStacksCommand({ StackName: 'kept' }))).Stacks).toHaveLength(1);

    await resetCloud({ directory });
    const empty = clientsOf(await startCloud({ directory }));
    expect((await empty.cloudformation.send(new DescribeStacksCommand({}))).Stacks).toHaveLength(0);
  });
});

describe('a crashed cloud', { timeout: 30_000 }, () => {
  it('is reported with the last lines of its log, and starts again', async () => {
    await startCloud({ directory, ports: free });
    const { ministack } = cloudStatus({ directory }).services;
    if (ministack.state !== 'running') throw new Error('the cloud does not run');
    process.kill(ministack.pid, 'SIGKILL');
    await expect.poll(() => cloudStatus({ directory }).services.ministack.state).toBe('crashed');
    const crashed = cloudStatus({ directory }).services.ministack;
    expect(crashed.state === 'crashed' && crashed.lastLines.join('\n')).toContain('services available');
    expect(cloudLogs({ directory, lines: 3 }).ministack).toHaveLength(3);
    expect((await startCloud({ directory })).started).toBe(true);
  });
});

it('stopCloud is content with a cloud that never ran', async () => {
  const never = join(root, 'never');
  mkdirSync(never, { recursive: true });
  expect(await stopCloud({ directory: never })).toEqual({ ministack: 'was not running', sagemaker: 'was not running' });
  expect(readdirSync(never)).toEqual([]);
});

function clientsOf(cloud: Cloud) {
  const options = { endpoint: cloud.endpointUrl, region: 'us-east-1', credentials: rootOf(cloud) };
  return { s3: new S3Client(options), cloudformation: new CloudFormationClient(options) };
}

async function createBucket(clients: ReturnType<typeof clientsOf>, name: string): Promise<void> {
  const TemplateBody = JSON.stringify({
    Resources: { Bucket: { Type: 'AWS::S3::Bucket', Properties: { BucketName: name } } },
  });
  await clients.cloudformation.send(new CreateStackCommand({ StackName: name, TemplateBody }));
  const status = async () =>
    (await clients.cloudformation.send(new DescribeStacksCommand({ StackName: name }))).Stacks?.[0]?.StackStatus;
  await expect.poll(status).toBe('CREATE_COMPLETE');
}
