/** Policies of keys, and the permissions that a request needs beside the one of its name. */
import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb';
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  GetObjectCommand,
  PutBucketNotificationConfigurationCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { SendMessageCommand, SetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import {
  account,
  type Claim,
  type Clients,
  errorOf,
  optionsOfRole,
  policy,
  queue,
  receive,
  region,
  rule,
  unique,
} from '../requests.ts';

export const policyClaims: readonly Claim[] = [
  ['object_tags', 'a copy of a tagged object needs permissions for tags, unless it leaves them out', copyNeedsTags],
  ['managed_keys', "aws:kms without a key takes AWS's own key", managedKeyIsTaken],
  ['key_permissions', 'the policy of a key decides along with the policies of a role', keyPolicyDecides],
  ['key_permissions', 'an object needs the key with which it was written', objectKeepsKey],
  ['key_permissions', 'a table needs the permission of its key', tableNeedsKey],
  ['key_permissions', 'a queue needs the permission of its key', queueNeedsKey],
  ['leading_keys', 'a policy that names partitions of a table lets no item of others be written', partitionsAreKept],
  ['leading_keys', 'each item of a transaction is asked for with its own partition', partitionsAreKeptInTransactions],
  ['object_versions', 'the event of an upload names the account of whoever uploaded', eventNamesRequester],
];

const everything = { Effect: 'Allow', Action: '*', Resource: '*' };
/** All but what is named here. */
const allBut = (...actions: readonly string[]) => policy({ Effect: 'Allow', NotAction: actions, Resource: '*' });

export async function makeKey(cloud: Clients, statement: object): Promise<string> {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new KMSClient({ endpoint: cloud.endpoint, region, credentials });
  const { KeyMetadata } = await client.send(new CreateKeyCommand({ Policy: policy({ Resource: '*', ...statement }) }));
  return KeyMetadata?.Arn ?? '';
}
const byPolicies = { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: 'kms:*' };

async function bucketWith(cloud: Clients, key: string, body: object = {}): Promise<string> {
  const Bucket = unique();
  await cloud.s3.send(new CreateBucketCommand({ Bucket }));
  await cloud.s3.send(new PutObjectCommand({ Bucket, Key: key, Body: 'x', ...body }));
  return Bucket;
}

async function copyNeedsTags(cloud: Clients): Promise<boolean> {
  const Bucket = await bucketWith(cloud, 'tagged', { Tagging: 'scan=clean' });
  await cloud.s3.send(new PutObjectCommand({ Bucket, Key: 'plain', Body: 'x' }));
  const copyAs = async (document: string, source: string, more: object = {}) => {
    const copy = { Bucket, Key: 'copy', CopySource: `${Bucket}/${source}`, ...more };
    return errorOf(new S3Client(await optionsOfRole(cloud, document)).send(new CopyObjectCommand(copy)));
  };
  const objectsOnly = allBut('s3:GetObjectTagging', 's3:PutObjectTagging');
  const answers = [
    await copyAs(policy(everything), 'tagged'),
    await copyAs(objectsOnly, 'plain'),
    await copyAs(objectsOnly, 'tagged', { TaggingDirective: 'REPLACE', Tagging: '' }),
    await copyAs(allBut('s3:GetObjectTagging'), 'tagged'),
    await copyAs(allBut('s3:PutObjectTagging'), 'tagged'),
  ];
  return answers.join() === 'allowed,allowed,allowed,AccessDenied,AccessDenied';
}

async function managedKeyIsTaken(cloud: Clients): Promise<boolean> {
  const Bucket = unique();
  await cloud.s3.send(new CreateBucketCommand({ Bucket }));
  const put = new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ServerSideEncryption: 'aws:kms' });
  // No permission for any key: the key of AWS is for everybody of the account.
  const asRole = new S3Client(await optionsOfRole(cloud, allBut('kms:*')));
  const written = await asRole.send(put).catch(() => undefined);
  const read = await errorOf(asRole.send(new GetObjectCommand({ Bucket, Key: 'k' })));
  return written?.SSEKMSKeyId?.startsWith(`arn:aws:kms:${region}:${account}:key/`) === true && read === 'allowed';
}

async function keyPolicyDecides(cloud: Clients): Promise<boolean> {
  const writes = async (statement: object) => {
    const SSEKMSKeyId = await makeKey(cloud, statement);
    const Bucket = await bucketWith(cloud, 'k');
    const put = { Bucket, Key: 'k', Body: 'x', ServerSideEncryption: 'aws:kms' as const, SSEKMSKeyId };
    return errorOf(new S3Client(await optionsOfRole(cloud, policy(everything))).send(new PutObjectCommand(put)));
  };
  const nobody = { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${account}:role/another` }, Action: 'kms:*' };
  return `${await writes(byPolicies)},${await writes(nobody)}` === 'allowed,AccessDenied';
}

async function objectKeepsKey(cloud: Clients): Promise<boolean> {
  const SSEKMSKeyId = await makeKey(cloud, byPolicies);
  const Bucket = await bucketWith(cloud, 'k', { ServerSideEncryption: 'aws:kms', SSEKMSKeyId });
  const reads = async (document: string) =>
    errorOf(new S3Client(await optionsOfRole(cloud, document)).send(new GetObjectCommand({ Bucket, Key: 'k' })));
  return `${await reads(policy(everything))},${await reads(allBut('kms:Decrypt'))}` === 'allowed,AccessDenied';
}

/** Name of a new table with the partition key `pk`. */
async function tableWith(cloud: Clients, settings: Partial<CreateTableCommandInput> = {}): Promise<string> {
  const TableName = unique();
  await cloud.dynamodb.send(
    new CreateTableCommand({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
      ...settings,
    }),
  );
  return TableName;
}

async function tableNeedsKey(cloud: Clients): Promise<boolean> {
  const KMSMasterKeyId = await makeKey(cloud, byPolicies);
  const TableName = await tableWith(cloud, { SSESpecification: { Enabled: true, SSEType: 'KMS', KMSMasterKeyId } });
  const reads = async (document: string) => {
    const client = new DynamoDBClient(await optionsOfRole(cloud, document));
    return errorOf(client.send(new GetItemCommand({ TableName, Key: { pk: { S: 'x' } } })));
  };
  return `${await reads(policy(everything))},${await reads(allBut('kms:Decrypt'))}` === 'allowed,AccessDeniedException';
}

/** Client that may write the partitions `mine/...` of a table, as a role whose policy says so. */
async function ownerOfPartitions(cloud: Clients): Promise<{ TableName: string; client: DynamoDBClient }> {
  const TableName = await tableWith(cloud);
  const document = policy({
    Effect: 'Allow',
    Action: ['dynamodb:PutItem', 'dynamodb:DeleteItem'],
    Resource: '*',
    Condition: { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['mine/*'] } },
  });
  return { TableName, client: new DynamoDBClient(await optionsOfRole(cloud, document)) };
}

async function partitionsAreKept(cloud: Clients): Promise<boolean> {
  const { TableName, client } = await ownerOfPartitions(cloud);
  const puts = (pk: string) => errorOf(client.send(new PutItemCommand({ TableName, Item: { pk: { S: pk } } })));
  return `${await puts('mine/1')},${await puts('yours/1')}` === 'allowed,AccessDeniedException';
}

async function partitionsAreKeptInTransactions(cloud: Clients): Promise<boolean> {
  const { TableName, client } = await ownerOfPartitions(cloud);
  const writes = (put: string, removed: string) => {
    const TransactItems = [
      { Put: { TableName, Item: { pk: { S: put } } } },
      { Delete: { TableName, Key: { pk: { S: removed } } } },
    ];
    return errorOf(client.send(new TransactWriteItemsCommand({ TransactItems })));
  };
  const answers = [
    await writes('mine/1', 'mine/2'),
    await writes('yours/1', 'mine/2'),
    await writes('mine/1', 'yours/2'),
  ];
  return answers.join() === 'allowed,AccessDeniedException,AccessDeniedException';
}

async function queueNeedsKey(cloud: Clients): Promise<boolean> {
  const name = unique();
  await queue(cloud, name);
  const QueueUrl = `${cloud.endpoint}/${account}/${name}`;
  const Attributes = { KmsMasterKeyId: await makeKey(cloud, byPolicies) };
  await cloud.sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes }));
  const sends = async (document: string) => {
    const client = new SQSClient(await optionsOfRole(cloud, document));
    return (await errorOf(client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' })))) === 'allowed';
  };
  return (await sends(policy(everything))) && !(await sends(allBut('kms:GenerateDataKey')));
}

async function eventNamesRequester(cloud: Clients): Promise<boolean> {
  const [Bucket, name, other] = [unique(), unique(), '111111111111'];
  await cloud.s3.send(new CreateBucketCommand({ Bucket }));
  const principal = { AWS: `arn:aws:iam::${other}:root` };
  const allow = { Effect: 'Allow', Principal: principal, Action: 's3:PutObject', Resource: `arn:aws:s3:::${Bucket}/*` };
  await cloud.s3.send(new PutBucketPolicyCommand({ Bucket, Policy: policy(allow) }));
  const NotificationConfiguration = { EventBridgeConfiguration: {} };
  await cloud.s3.send(new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration }));
  const ofBucket = { source: ['aws.s3'], detail: { bucket: { name: [Bucket] } } };
  await rule(cloud, ofBucket, { Id: 'q', Arn: await queue(cloud, name) });
  const credentials = { accessKeyId: other, secretAccessKey: 'test' };
  const foreign = new S3Client({ endpoint: cloud.endpoint, region, credentials });
  await foreign.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }));
  const message = await receive(cloud, name);
  return message?.Body?.includes(`"requester": "${other}"`) ?? false;
}
