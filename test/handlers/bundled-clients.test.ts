/** The AWS SDK as it is bundled, with parts of it left out, still talks to AWS: requests, answers, errors by name. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, expect, test } from 'vitest';
import { bundling, repositoryRoot } from '../../lib/bundle.ts';
import { createLineageTable, createVersionedBucket } from '../support/services.ts';

const folder = mkdtempSync(join(tmpdir(), 'flywheel-clients-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const program = `
  import { ConditionalCheckFailedException, DynamoDBClient } from '@aws-sdk/client-dynamodb';
  import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
  import { GetObjectCommand, ListObjectsV2Command, NoSuchKey, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
  import { DescribeTrainingJobCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
  import { DynamoDBDocumentClient, GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';

  const [, , Bucket, TableName] = process.argv;
  const s3 = new S3Client({});
  await s3.send(new PutObjectCommand({ Bucket, Key: 'a/b', Body: 'text', Metadata: { origin: 'test' } }));
  const object = await s3.send(new GetObjectCommand({ Bucket, Key: 'a/b' }));
  const listed = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'a/' }));
  const noObject = await s3.send(new GetObjectCommand({ Bucket, Key: 'c' })).catch((error) => error);

  const table = DynamoDBDocumentClient.from(new DynamoDBClient({}));
  const put = new PutCommand({
    TableName, Item: { pk: 'a', sk: 'b', number: 1.5, texts: ['x'] }, ConditionExpression: 'attribute_not_exists(pk)',
  });
  await table.send(put);
  const { Item } = await table.send(new GetCommand({ TableName, Key: { pk: 'a', sk: 'b' } }));
  const refused = await table.send(put).catch((error) => error);

  const events = new EventBridgeClient({});
  const published = await events.send(
    new PutEventsCommand({ Entries: [{ Source: 'test', DetailType: 'Test', Detail: '{}' }] }),
  );
  const noJob = await new SageMakerClient({})
    .send(new DescribeTrainingJobCommand({ TrainingJobName: 'none' }))
    .catch((error) => error);

  console.log(JSON.stringify({
    text: await object.Body.transformToString(),
    metadata: object.Metadata,
    keys: listed.Contents.map(({ Key, Size }) => [Key, Size]),
    noObject: noObject instanceof NoSuchKey && noObject.$metadata.httpStatusCode,
    item: Item,
    refused: refused instanceof ConditionalCheckFailedException,
    failedEvents: published.FailedEntryCount,
    noJob: [noJob.name, noJob.message],
  }));`;

test('S3, DynamoDB, EventBridge and SageMaker', async () => {
  const path = join(folder, 'program.mjs');
  await build({ ...bundling, stdin: { contents: program, resolveDir: repositoryRoot }, outfile: path });
  const [bucket, table] = [await createVersionedBucket('clients'), await createLineageTable()];
  const run = spawnSync(process.execPath, [path, bucket, table], { encoding: 'utf8' });
  expect(run.status, run.stderr).toBe(0);
  expect(JSON.parse(run.stdout)).toEqual({
    text: 'text',
    metadata: { origin: 'test' },
    keys: [['a/b', 4]],
    noObject: 404,
    item: { pk: 'a', sk: 'b', number: 1.5, texts: ['x'] },
    refused: true,
    failedEvents: 0,
    noJob: ['ValidationException', expect.stringContaining('not found')],
  });
});
