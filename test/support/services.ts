/** Real tables, buses and buckets in the laptop cloud, made as the stacks make them. */
import { randomUUID } from 'node:crypto';
import { CreateTableCommand, DynamoDBClient, waitUntilTableExists } from '@aws-sdk/client-dynamodb';
import {
  CreateEventBusCommand,
  EventBridgeClient,
  PutRuleCommand,
  PutTargetsCommand,
} from '@aws-sdk/client-eventbridge';
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import * as z from 'zod';
import { table } from '../../lambdas/contract/keys.ts';
import { secretHeader } from '../../local/sagemaker/core/callers.ts';

/** What opens the internal routes of the cloud that this process's variables name. */
export const secretHeaders = () => ({ [secretHeader]: process.env.AWS_SECRET_ACCESS_KEY ?? '' });

export const uniqueName = (prefix: string): string => `${prefix}-${randomUUID().slice(0, 8)}`;

export async function createLineageTable(): Promise<string> {
  const client = new DynamoDBClient({});
  const TableName = uniqueName('lineage');
  const keys = [
    table.partitionKey,
    table.sortKey,
    table.incoming.partitionKey,
    table.byType.partitionKey,
    table.byType.sortKey,
  ];
  const index = (each: { index: string; partitionKey: string; sortKey: string }) => ({
    IndexName: each.index,
    KeySchema: [
      { AttributeName: each.partitionKey, KeyType: 'HASH' as const },
      { AttributeName: each.sortKey, KeyType: 'RANGE' as const },
    ],
    Projection: { ProjectionType: 'ALL' as const },
  });
  await client.send(
    new CreateTableCommand({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: keys.map((AttributeName) => ({ AttributeName, AttributeType: 'S' as const })),
      KeySchema: [
        { AttributeName: table.partitionKey, KeyType: 'HASH' },
        { AttributeName: table.sortKey, KeyType: 'RANGE' },
      ],
      GlobalSecondaryIndexes: [index(table.incoming), index(table.byType)],
    }),
  );
  await waitUntilTableExists({ client, maxWaitTime: 20, minDelay: 0.05, maxDelay: 0.5 }, { TableName });
  return TableName;
}

export async function createVersionedBucket(prefix: string): Promise<string> {
  const client = new S3Client({});
  const Bucket = uniqueName(prefix);
  await client.send(new CreateBucketCommand({ Bucket }));
  await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  return Bucket;
}

/** A key that CloudWatch Logs may use, as that of the stacks. */
export async function createKey(): Promise<string> {
  const root = {
    Effect: 'Allow',
    Principal: { AWS: 'arn:aws:iam::000000000000:root' },
    Action: 'kms:*',
    Resource: '*',
  };
  const logs = {
    Effect: 'Allow',
    Principal: { Service: 'logs.us-east-1.amazonaws.com' },
    Action: ['kms:Encrypt', 'kms:Decrypt', 'kms:GenerateDataKey'],
    Resource: '*',
  };
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [root, logs] });
  const { KeyMetadata } = await new KMSClient({}).send(new CreateKeyCommand({ Policy }));
  if (!KeyMetadata?.Arn) throw new Error('KMS made a key without an ARN');
  return KeyMetadata.Arn;
}

const received = z.object({ 'detail-type': z.string(), detail: z.record(z.string(), z.unknown()) });
export type ReceivedEvent = z.infer<typeof received>;

export interface TestBus {
  readonly name: string;
  readonly queueArn: string;
  /** What was published since the last call. */
  drain(): Promise<ReceivedEvent[]>;
}

const letsRulesSend = (queueArn: string): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Service: 'events.amazonaws.com' },
        Action: 'sqs:SendMessage',
        Resource: queueArn,
      },
    ],
  });

/** A bus whose every event lands in a queue. */
export async function createBus(): Promise<TestBus> {
  const events = new EventBridgeClient({});
  const queues = new SQSClient({});
  const name = uniqueName('flywheel');
  await events.send(new CreateEventBusCommand({ Name: name }));
  const { QueueUrl } = await queues.send(new CreateQueueCommand({ QueueName: name }));
  const { Attributes } = await queues.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }));
  const queueArn = Attributes?.QueueArn;
  if (!queueArn) throw new Error('SQS made a queue without an ARN');
  await queues.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy: letsRulesSend(queueArn) } }));
  const rule = { Name: name, EventBusName: name };
  await events.send(
    new PutRuleCommand({ ...rule, EventPattern: JSON.stringify({ source: [{ prefix: 'flywheel' }] }) }),
  );
  await events.send(
    new PutTargetsCommand({ Rule: name, EventBusName: name, Targets: [{ Id: 'queue', Arn: queueArn }] }),
  );
  return {
    name,
    queueArn,
    async drain() {
      const all: ReceivedEvent[] = [];
      for (;;) {
        const { Messages = [] } = await queues.send(
          new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 }),
        );
        if (Messages.length === 0) return all;
        for (const { Body = '', ReceiptHandle } of Messages) {
          all.push(received.parse(JSON.parse(Body)));
          await queues.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
        }
      }
    },
  };
}
