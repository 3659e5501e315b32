/** The dataset store with the permissions of its function's role and no others. */
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { GetObjectCommand, GetObjectTaggingCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { beforeAll, expect, it } from 'vitest';
import { datasetKey } from '../../lambdas/contract/keys.ts';
import { datasetStore } from '../../lambdas/stores/dataset-store.ts';
import { createKey, createVersionedBucket, uniqueName } from '../support/services.ts';

const SHA256 = 'a'.repeat(64);
let raw: string;
let data: string;
let keyArn: string;
beforeAll(async () => {
  [raw, data, keyArn] = await Promise.all([createVersionedBucket('raw'), createVersionedBucket('data'), createKey()]);
});

/** Client of a role that may do this and nothing else. */
async function clientOfRole(...allowed: readonly (readonly [action: string, resource: string])[]): Promise<S3Client> {
  const [iam, RoleName] = [new IAMClient({}), uniqueName('role')];
  const document = (Statement: readonly object[]) => JSON.stringify({ Version: '2012-10-17', Statement });
  const trust = { Effect: 'Allow', Principal: { AWS: 'arn:aws:iam::000000000000:root' }, Action: 'sts:AssumeRole' };
  const { Role } = await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: document([trust]) }));
  const statements = allowed.map(([Action, Resource]) => ({ Effect: 'Allow', Action, Resource }));
  await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: 'own', PolicyDocument: document(statements) }));
  const session = new AssumeRoleCommand({ RoleArn: Role?.Arn, RoleSessionName: 'test' });
  const { Credentials } = await new STSClient({}).send(session);
  if (!Credentials?.AccessKeyId || !Credentials.SecretAccessKey) throw new Error('STS gave no credentials');
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken = '' } = Credentials;
  return new S3Client({ credentials: { accessKeyId, secretAccessKey, sessionToken } });
}

it('copies an upload that others have tagged, as scanners of malware do, without its tags', async () => {
  const Key = 'flights/tagged.csv';
  await new S3Client({}).send(
    new PutObjectCommand({ Bucket: raw, Key, Body: 'id\n1\n', Tagging: 'GuardDutyMalwareScanStatus=NO_THREATS_FOUND' }),
  );
  const client = await clientOfRole(
    ['s3:GetObject', `arn:aws:s3:::${raw}/*`],
    ['s3:GetObjectVersion', `arn:aws:s3:::${raw}/*`],
    ['s3:PutObject', `arn:aws:s3:::${data}/*`],
    ['kms:GenerateDataKey', keyArn],
  );
  const datasets = datasetStore({ rawBucket: raw, datasetBucket: data, keyArn }, client);
  const upload = await datasets.findUpload(Key);
  if (!upload) throw new Error('the upload is not there');
  await datasets.quarantine(upload, 'flights', SHA256, {});
  const copy = { Bucket: data, Key: datasetKey.quarantined('flights', SHA256) };
  const { Body, SSEKMSKeyId } = await new S3Client({}).send(new GetObjectCommand(copy));
  expect(await Body?.transformToString()).toBe('id\n1\n');
  expect(SSEKMSKeyId).toBe(keyArn);
  expect((await new S3Client({}).send(new GetObjectTaggingCommand(copy))).TagSet).toEqual([]);
});
