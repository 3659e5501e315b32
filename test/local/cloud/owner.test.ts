/** A cloud belongs to the user who started it: other users of the machine read none of its files and know no secret of it. */
import { execFileSync } from 'node:child_process';
import { chmodSync, globSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand, ListBucketsCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateModelPackageGroupCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repository } from '../../../local/cloud/layout.ts';
import { makeDirectory } from '../../../local/cloud/secret.ts';
import { type Cloud, cloudEnvironment, resetCloud, startCloud, stopCloud } from '../../../local/cloud.ts';
import { secretHeader } from '../../../local/sagemaker/core/callers.ts';
import { rawRequest } from '../support/raw-request.ts';
import { rootOf } from '../support/root.ts';

const root = join(import.meta.dirname, '../../../.flywheel/test-owner');
const directory = join(root, 'cloud');
let cloud: Cloud;

beforeAll(async () => {
  cloud = await startCloud({ directory, ports: { cloud: 0, sagemaker: 0 } });
}, 60_000);

afterAll(async () => {
  await stopCloud({ directory });
  rmSync(root, { recursive: true, force: true });
});

const openTo = (file: string) => statSync(file).mode & 0o077;
const internal = (url: string, path: string, headers: Record<string, string>, body: object) =>
  rawRequest(url, `/_flywheel/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });

describe('the files of a cloud', () => {
  it('are for its owner alone, the folder and all that the services write', async () => {
    const settings = { region: 'us-east-1', credentials: rootOf(cloud) };
    const s3 = new S3Client({ ...settings, endpoint: cloud.endpointUrl });
    await s3.send(new CreateBucketCommand({ Bucket: 'private' }));
    await s3.send(new PutObjectCommand({ Bucket: 'private', Key: 'k', Body: 'content' }));
    const sageMaker = new SageMakerClient({ ...settings, endpoint: cloud.sagemakerUrl });
    await sageMaker.send(new CreateModelPackageGroupCommand({ ModelPackageGroupName: 'private' }));
    const written = globSync(['ministack/**', 'sagemaker/**', 'secret', '*.log'], { cwd: directory });
    for (const part of [/^ministack\/objects\/.*k/, /^sagemaker\/resources\/./, /^secret$/, /^ministack\.log$/])
      expect(written.filter((file) => part.test(file))).not.toEqual([]);
    expect(written.filter((file) => openTo(join(directory, file)) !== 0)).toEqual([]);
    expect(openTo(directory)).toBe(0);
  });

  it('are closed to others when an older version left them open; a folder of other things keeps its mode', () => {
    const [old, other] = [join(root, 'old'), join(root, 'other')];
    for (const folder of [old, other]) mkdirSync(folder);
    for (const folder of [old, other]) chmodSync(folder, 0o755);
    writeFileSync(join(old, 'ports.json'), '{}');
    for (const folder of [old, other]) makeDirectory(folder);
    expect([openTo(old), openTo(other)]).toEqual([0, 0o055]);
  });
});

describe('the secret of a cloud', () => {
  it('is the root key’s, and no other is', async () => {
    const buckets = (secretAccessKey: string) =>
      new S3Client({
        endpoint: cloud.endpointUrl,
        region: 'us-east-1',
        credentials: { accessKeyId: 'test', secretAccessKey },
      }).send(new ListBucketsCommand({}));
    const { secretAccessKey } = rootOf(cloud);
    expect(readFileSync(join(directory, 'secret'), 'utf8').trim()).toBe(secretAccessKey);
    expect(secretAccessKey.length).toBeGreaterThanOrEqual(40);
    expect((await buckets(secretAccessKey)).$metadata.httpStatusCode).toBe(200);
    await expect(buckets('test')).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' });
  });

  it.each([{}, { [secretHeader]: '' }, { [secretHeader]: 'test' }])(
    'opens internal routes, and %o does not',
    async (headers) => {
      const right = { [secretHeader]: rootOf(cloud).secretAccessKey };
      const routes = [
        [cloud.endpointUrl, 'signing-key', { accessKeyId: 'test' }],
        [cloud.endpointUrl, 'authorize', { accessKeyId: 'test', action: 's3:ListAllMyBuckets' }],
        [cloud.endpointUrl, 'events', { account: '000000000000', region: 'us-east-1', entries: [] }],
        [cloud.sagemakerUrl, 'capacity', { instanceType: 'ml.m5.large', available: true }],
        [cloud.sagemakerUrl, 'describe-lag', { milliseconds: 0 }],
      ] as const;
      for (const [url, route, body] of routes) {
        expect(await internal(url, route, headers, body)).toMatchObject({
          status: 403,
          body: expect.stringContaining('is not the secret of this cloud'),
        });
        expect(await internal(url, route, right, body)).toMatchObject({ status: 200 });
      }
    },
  );

  it('reaches a shell by `flywheel local env`', () => {
    const script = `eval "$('${process.execPath}' cli/main.ts local env)"; printf '%s' "$AWS_SECRET_ACCESS_KEY"`;
    const options = { cwd: repository, env: { ...process.env, FLYWHEEL_LOCAL: directory }, encoding: 'utf8' } as const;
    expect(execFileSync('/bin/sh', ['-c', script], options)).toBe(rootOf(cloud).secretAccessKey);
  });

  it('stays when the cloud stops, and is another after a reset', { timeout: 60_000 }, async () => {
    const { environment } = cloud;
    await stopCloud({ directory });
    expect(cloudEnvironment({ directory })).toBeUndefined();
    expect((await startCloud({ directory })).environment).toEqual(environment);
    expect(cloudEnvironment({ directory })).toEqual(environment);
    await resetCloud({ directory });
    const after = await startCloud({ directory });
    expect(after.environment.AWS_SECRET_ACCESS_KEY).not.toBe(environment.AWS_SECRET_ACCESS_KEY);
  });
});
