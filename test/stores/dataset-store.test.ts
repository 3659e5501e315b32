/** The dataset store with the permissions of its function's role and no others. */
import { GetObjectCommand, GetObjectTaggingCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { beforeAll, expect, it } from 'vitest';
import { datasetKey } from '../../lambdas/contract/keys.ts';
import { datasetStore } from '../../lambdas/stores/dataset-store.ts';
import { createKey, createVersionedBucket, uniqueName } from '../support/services.ts';
import { sessionOfNewRole } from '../support/sessions.ts';

const SHA256 = 'a'.repeat(64);
let raw: string;
let data: string;
let keyArn: string;
beforeAll(async () => {
  [raw, data, keyArn] = await Promise.all([createVersionedBucket('raw'), createVersionedBucket('data'), createKey()]);
});

it('copies an upload that others have tagged, as scanners of malware do, without its tags', async () => {
  const Key = 'flights/tagged.csv';
  await new S3Client({}).send(
    new PutObjectCommand({ Bucket: raw, Key, Body: 'id\n1\n', Tagging: 'GuardDutyMalwareScanStatus=NO_THREATS_FOUND' }),
  );
  const credentials = await sessionOfNewRole(
    uniqueName('role'),
    'test',
    { Action: 's3:GetObject', Resource: `arn:aws:s3:::${raw}/*` },
    { Action: 's3:GetObjectVersion', Resource: `arn:aws:s3:::${raw}/*` },
    { Action: 's3:PutObject', Resource: `arn:aws:s3:::${data}/*` },
    { Action: 'kms:GenerateDataKey', Resource: keyArn },
  );
  const datasets = datasetStore({ rawBucket: raw, datasetBucket: data, keyArn }, new S3Client({ credentials }));
  const upload = await datasets.findUpload(Key);
  if (!upload) throw new Error('the upload is not there');
  await datasets.quarantine(upload, 'flights', SHA256, {});
  const copy = { Bucket: data, Key: datasetKey.quarantined('flights', SHA256) };
  const { Body, SSEKMSKeyId } = await new S3Client({}).send(new GetObjectCommand(copy));
  expect(await Body?.transformToString()).toBe('id\n1\n');
  expect(SSEKMSKeyId).toBe(keyArn);
  expect((await new S3Client({}).send(new GetObjectTaggingCommand(copy))).TagSet).toEqual([]);
});
