/**
 * Each addition to MiniStack, with it and without: the first must hold, and when the second holds too, MiniStack has
 * caught up and the module of that name under local/ministack/additions/ can go.
 */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  CloudWatchClient,
  DeleteAlarmsCommand,
  DescribeAlarmsCommand,
  ListMetricsCommand,
  PutMetricAlarmCommand,
} from '@aws-sdk/client-cloudwatch';
import {
  AssociateKmsKeyCommand,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  DescribeLogGroupsCommand,
  PutLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { CreateRoleCommand } from '@aws-sdk/client-iam';
import {
  AddPermissionCommand,
  GetFunctionConfigurationCommand,
  PutFunctionConcurrencyCommand,
  UpdateFunctionConfigurationCommand,
} from '@aws-sdk/client-lambda';
import {
  CreateBucketCommand,
  GetBucketEncryptionCommand,
  GetObjectCommand,
  PutBucketEncryptionCommand,
  PutBucketNotificationConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { PurgeQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { AssumeRoleCommand } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stopService } from '../../../local/cloud/services.ts';
import { eventBusClaims } from './claims/event-buses.ts';
import { makeKey, policyClaims } from './claims/policies.ts';
import { queueRetryClaims } from './claims/queue-retries.ts';
import { quotaClaims } from './claims/quotas.ts';
import { serviceClaims } from './claims/services.ts';
import { identityOfRole, signatureClaims } from './claims/signatures.ts';
import {
  account,
  alarm,
  alarmProperties,
  type Claim,
  type Clients,
  deployed,
  deploys,
  failingFunction,
  one,
  optionsOfRole,
  pause,
  policy,
  publish,
  put,
  queue,
  receive,
  region,
  rule,
  start,
  state,
  unique,
} from './requests.ts';

const root = join(import.meta.dirname, '../../../.flywheel/test-additions');
const directories = { whole: join(root, 'whole'), bare: join(root, 'bare'), small: join(root, 'small') };
const clouds: { whole?: Clients; bare?: Clients } = {};

beforeAll(async () => {
  [clouds.whole, clouds.bare] = await Promise.all([start(directories.whole), start(directories.bare, 'all')]);
}, 60_000);

afterAll(async () => {
  await Promise.all(Object.values(directories).map((directory) => stopService(directory, 'ministack')));
  rmSync(root, { recursive: true, force: true });
});

const claims: readonly Claim[] = [
  ...signatureClaims,
  ...serviceClaims,
  ...queueRetryClaims,
  ...policyClaims,
  ...quotaClaims,
  ...eventBusClaims,
  ['secure_transport', 'a TLS-only bucket lets a role in', tlsOnlyBucketLetsIn],
  ['source_account', 'a role that trusts a service of its own account lets it in', serviceAssumesRole],
  ['denials', 'a denial names the resource', denialNamesResource],
  ['key_permissions', 'an encrypted bucket needs a permission for its key', keyNeedsPermission],
  ['alarm_permissions', 'a role may read the one alarm that its policy names', namedAlarmIsRead],
  ['alarm_permissions', 'a role may put and delete the one alarm that its policy names', namedAlarmIsChanged],
  ['log_group_keys', 'a log group takes a key after it was created', groupTakesKey],
  ['bucket_settings', 'a template gives a bucket its key', templateSetsEncryption],
  ['function_settings', 'a template gives a function its dead-letter queue and concurrency', templateSetsFunction],
  ['warm_functions', 'a function starts with its deployment, before its first event', functionStarts],
  ['delivery', 'an event that a function never handles becomes a dead letter', failureIsDeadLetter],
  [
    'delivery',
    'a rule without permission puts its event into the dead-letter queue of the target',
    refusalIsDeadLetter,
  ],
  ['object_versions', 'the event of an upload carries the version', eventHasVersion],
  ['object_versions', 'a range of a version is that part of it', versionHasRanges],
  ['metrics_of_functions', 'a log line in the embedded metric format is a metric', logLineIsMetric],
  ['alarms', 'an alarm reads its own dimensions only', alarmKeepsDimensions],
  ['alarms', 'an alarm without data follows treatMissingData', alarmTreatsMissingData],
  ['alarms', 'an alarm announces its state on the default bus', alarmIsAnnounced],
  ['cloudformation_types', 'AWS::Events::Archive', (cloud) => deploys(cloud, archiveTemplate)],
  ['cloudformation_types', 'AWS::CloudWatch::CompositeAlarm', (cloud) => deploys(cloud, compositeTemplate)],
  ['cloudformation_types', 'AWS::CloudWatch::Alarm with Metrics', (cloud) => deploys(cloud, mathTemplate)],
  ['cloudformation_types', 'AWS::Logs::QueryDefinition', (cloud) => deploys(cloud, queryTemplate)],
  ['cloudformation_types', 'AWS::ApplicationAutoScaling', (cloud) => deploys(cloud, scalingTemplate)],
];

describe.each(claims)('%s: %s', (_addition, _claim, holds) => {
  it('holds', async () => expect(await holds(cloudOf('whole'))).toBe(true));
  it('does not hold in MiniStack alone', async () => expect(await holds(cloudOf('bare'))).toBe(false));
});

describe('a new account, of ten executions at once', () => {
  it('refuses every reservation', async () => {
    const cloud = await start(directories.small, undefined, 10);
    const FunctionName = await failingFunction(cloud);
    const reserve = new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 1 });
    await expect(cloud.lambda.send(reserve)).rejects.toThrow('below its minimum value of [10]');
  });
});

describe('an HTTP API with IAM', () => {
  it('tells its function who signed the request', async () => {
    const { status, body, signer } = await identityOfRole(cloudOf('whole'));
    expect(status).toBe(200);
    expect(body).toMatchObject({
      accessKey: signer.accessKeyId,
      accountId: account,
      callerId: expect.stringMatching(/^AROA\w+:test$/),
      userArn: expect.stringMatching(`^arn:aws:sts::${account}:assumed-role/test-\\d+/test$`),
      userId: expect.stringMatching(/^AROA\w+:test$/),
    });
  });
});

describe('cloudformation_types: AWS::SageMaker::ModelPackageGroup', () => {
  const template = one('AWS::SageMaker::ModelPackageGroup', { ModelPackageGroupName: 'flights' });
  it('asks SageMaker local, and says so when that does not answer', async () => {
    const stack = await deployed(cloudOf('whole'), template);
    expect(stack.reason).toMatch(/SageMaker local does not answer at http:\/\/127.0.0.1:1\b/);
  });
  it('is refused by MiniStack alone', async () => {
    expect((await deployed(cloudOf('bare'), template)).status).toBe('REFUSED');
  });
});

async function tlsOnlyBucketLetsIn(cloud: Clients): Promise<boolean> {
  const bucket = unique();
  await cloud.s3.send(new CreateBucketCommand({ Bucket: bucket }));
  const everything = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
  const condition = { Bool: { 'aws:SecureTransport': 'false' } };
  const deny = { Effect: 'Deny', Principal: '*', Action: 's3:*', Resource: everything, Condition: condition };
  await cloud.s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: policy(deny) }));
  const allow = { Effect: 'Allow', Action: 's3:PutObject', Resource: everything };
  const asRole = new S3Client(await optionsOfRole(cloud, policy(allow)));
  return asRole.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' })).then(
    () => true,
    () => false,
  );
}

async function serviceAssumesRole(cloud: Clients): Promise<boolean> {
  const RoleName = unique();
  const principal = { Service: 'sagemaker.amazonaws.com' };
  const condition = { StringEquals: { 'aws:SourceAccount': account } };
  const trust = policy({ Effect: 'Allow', Principal: principal, Action: 'sts:AssumeRole', Condition: condition });
  await cloud.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: trust }));
  const arn = `arn:aws:iam::${account}:role/${RoleName}`;
  return cloud.sts.send(new AssumeRoleCommand({ RoleArn: arn, RoleSessionName: 'test' })).then(
    () => true,
    () => false,
  );
}

async function denialNamesResource(cloud: Clients): Promise<boolean> {
  const name = unique();
  const arn = await queue(cloud, name);
  const elsewhere = { Effect: 'Allow', Action: 'sqs:PurgeQueue', Resource: `${arn}-other` };
  const asRole = new SQSClient(await optionsOfRole(cloud, policy(elsewhere)));
  const purge = asRole.send(new PurgeQueueCommand({ QueueUrl: `${cloud.endpoint}/${account}/${name}` }));
  const message = await purge.then(
    () => 'allowed',
    (error: Error) => error.message,
  );
  return message.includes(`is not authorized to perform: sqs:PurgeQueue on resource: ${arn} because`);
}

async function namedAlarmIsRead(cloud: Clients): Promise<boolean> {
  const name = unique();
  const allow = {
    Effect: 'Allow',
    Action: 'cloudwatch:DescribeAlarms',
    Resource: `arn:aws:cloudwatch:${region}:${account}:alarm:${name}`,
  };
  const asRole = new CloudWatchClient(await optionsOfRole(cloud, policy(allow)));
  const mayRead = (alarm: string) =>
    asRole.send(new DescribeAlarmsCommand({ AlarmNames: [alarm] })).then(
      () => true,
      () => false,
    );
  return (await mayRead(name)) && !(await mayRead(`${name}-other`));
}

async function namedAlarmIsChanged(cloud: Clients): Promise<boolean> {
  const name = unique();
  const allow = {
    Effect: 'Allow',
    Action: ['cloudwatch:PutMetricAlarm', 'cloudwatch:DeleteAlarms'],
    Resource: `arn:aws:cloudwatch:${region}:${account}:alarm:${name}`,
  };
  const asRole = new CloudWatchClient(await optionsOfRole(cloud, policy(allow)));
  const taken = (sent: Promise<unknown>) =>
    sent.then(
      () => true,
      () => false,
    );
  const mayChange = async (AlarmName: string) => {
    const alarm = { AlarmName, Namespace: 'N', MetricName: 'M', Statistic: 'Sum', Period: 60 } as const;
    const rest = {
      EvaluationPeriods: 1,
      Threshold: 1,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
    } as const;
    const put = await taken(asRole.send(new PutMetricAlarmCommand({ ...alarm, ...rest })));
    return put && (await taken(asRole.send(new DeleteAlarmsCommand({ AlarmNames: [AlarmName] }))));
  };
  return (await mayChange(name)) && !(await mayChange(`${name}-other`));
}

async function groupTakesKey(cloud: Clients): Promise<boolean> {
  const logGroupName = unique();
  const logs = { Service: `logs.${region}.amazonaws.com` };
  const kmsKeyId = await makeKey(cloud, { Effect: 'Allow', Principal: logs, Action: 'kms:*' });
  await cloud.logs.send(new CreateLogGroupCommand({ logGroupName }));
  try {
    await cloud.logs.send(new AssociateKmsKeyCommand({ logGroupName, kmsKeyId }));
  } catch {
    return false;
  }
  const { logGroups } = await cloud.logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: logGroupName }));
  return logGroups?.[0]?.kmsKeyId === kmsKeyId;
}

async function keyNeedsPermission(cloud: Clients): Promise<boolean> {
  const bucket = unique();
  const key = `arn:aws:kms:${region}:${account}:key/11111111-2222-3333-4444-555555555555`;
  await cloud.s3.send(new CreateBucketCommand({ Bucket: bucket }));
  const byDefault = { SSEAlgorithm: 'aws:kms' as const, KMSMasterKeyID: key };
  const ServerSideEncryptionConfiguration = { Rules: [{ ApplyServerSideEncryptionByDefault: byDefault }] };
  await cloud.s3.send(new PutBucketEncryptionCommand({ Bucket: bucket, ServerSideEncryptionConfiguration }));
  const objects = { Effect: 'Allow', Action: 's3:PutObject', Resource: `arn:aws:s3:::${bucket}/*` };
  const asRole = new S3Client(await optionsOfRole(cloud, policy(objects)));
  const message = await asRole.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' })).then(
    () => 'allowed',
    (error: Error) => error.message,
  );
  return message.includes(`is not authorized to perform: kms:GenerateDataKey on resource: "${key}" because`);
}

async function templateSetsEncryption(cloud: Clients): Promise<boolean> {
  const name = unique();
  const key = `arn:aws:kms:${region}:${account}:key/11111111-2222-3333-4444-555555555555`;
  const byDefault = { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: key };
  const BucketEncryption = { ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: byDefault }] };
  await deployed(cloud, one('AWS::S3::Bucket', { BucketName: name, BucketEncryption }));
  const { ServerSideEncryptionConfiguration } = await cloud.s3.send(new GetBucketEncryptionCommand({ Bucket: name }));
  return ServerSideEncryptionConfiguration?.Rules?.[0]?.ApplyServerSideEncryptionByDefault?.KMSMasterKeyID === key;
}

async function templateSetsFunction(cloud: Clients): Promise<boolean> {
  const name = await failingFunction(cloud, {
    DeadLetterConfig: { TargetArn: await queue(cloud, unique()) },
    ReservedConcurrentExecutions: 2,
  });
  const found = await cloud.lambda.send(new GetFunctionConfigurationCommand({ FunctionName: name }));
  return found.DeadLetterConfig?.TargetArn !== undefined;
}

async function functionStarts(cloud: Clients): Promise<boolean> {
  const marker = join(root, unique());
  const start = `require('node:fs').writeFileSync(${JSON.stringify(marker)}, '');`;
  await failingFunction(cloud, { Code: { ZipFile: `${start} exports.handler = async () => {};` } });
  for (const end = Date.now() + 2000; Date.now() < end; await pause()) if (existsSync(marker)) return true;
  return false;
}

async function failureIsDeadLetter(cloud: Clients): Promise<boolean> {
  const name = await failingFunction(cloud);
  const deadLetters = unique();
  const DeadLetterConfig = { TargetArn: await queue(cloud, deadLetters) };
  await cloud.lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName: name, DeadLetterConfig }));
  const source = unique();
  const arn = `arn:aws:lambda:${region}:${account}:function:${name}`;
  await cloud.lambda.send(
    new AddPermissionCommand({
      FunctionName: name,
      StatementId: 'rule',
      Action: 'lambda:InvokeFunction',
      Principal: 'events.amazonaws.com',
    }),
  );
  await rule(cloud, { source: [source] }, { Id: 'f', Arn: arn });
  await publish(cloud, source);
  const letter = await receive(cloud, deadLetters);
  const attributes = letter?.MessageAttributes;
  return attributes?.ErrorMessage?.StringValue === 'always' && attributes.RequestID?.StringValue !== undefined;
}

async function refusalIsDeadLetter(cloud: Clients): Promise<boolean> {
  const name = await failingFunction(cloud);
  const deadLetters = unique();
  const source = unique();
  const arn = `arn:aws:lambda:${region}:${account}:function:${name}`;
  const DeadLetterConfig = { Arn: await queue(cloud, deadLetters) };
  await rule(cloud, { source: [source] }, { Id: 'f', Arn: arn, DeadLetterConfig });
  await publish(cloud, source);
  const letter = await receive(cloud, deadLetters);
  return letter?.MessageAttributes?.ERROR_CODE?.StringValue === 'NO_PERMISSIONS';
}

/** GetObject of a version, whose bytes 2 to 4 are asked for. */
async function versionHasRanges({ s3 }: Clients): Promise<boolean> {
  const bucket = unique();
  await s3.send(new CreateBucketCommand({ Bucket: bucket }));
  const VersioningConfiguration = { Status: 'Enabled' as const };
  await s3.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }));
  const { VersionId } = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: '0123456789' }));
  const part = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'k', VersionId, Range: 'bytes=2-4' }));
  return part.ContentRange === 'bytes 2-4/10' && (await part.Body?.transformToString()) === '234';
}

async function eventHasVersion(cloud: Clients): Promise<boolean> {
  const bucket = unique();
  await cloud.s3.send(new CreateBucketCommand({ Bucket: bucket }));
  const VersioningConfiguration = { Status: 'Enabled' as const };
  await cloud.s3.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }));
  const NotificationConfiguration = { EventBridgeConfiguration: {} };
  await cloud.s3.send(new PutBucketNotificationConfigurationCommand({ Bucket: bucket, NotificationConfiguration }));
  const name = unique();
  await rule(
    cloud,
    { source: ['aws.s3'], detail: { bucket: { name: [bucket] } } },
    { Id: 'q', Arn: await queue(cloud, name) },
  );
  const put = await cloud.s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' }));
  const message = await receive(cloud, name);
  return message?.Body?.includes(`"version-id": "${put.VersionId}"`) ?? false;
}

async function logLineIsMetric(cloud: Clients): Promise<boolean> {
  const name = unique();
  await cloud.logs.send(new CreateLogGroupCommand({ logGroupName: name }));
  await cloud.logs.send(new CreateLogStreamCommand({ logGroupName: name, logStreamName: 's' }));
  const directive = { Namespace: name, Dimensions: [['Project']], Metrics: [{ Name: 'Rows', Unit: 'Count' }] };
  const _aws = { Timestamp: Date.now(), CloudWatchMetrics: [directive] };
  const message = JSON.stringify({ _aws, Project: 'flights', Rows: [1, 2] });
  const logEvents = [{ timestamp: Date.now(), message }];
  await cloud.logs.send(new PutLogEventsCommand({ logGroupName: name, logStreamName: 's', logEvents }));
  const found = await cloud.cloudwatch.send(new ListMetricsCommand({ Namespace: name }));
  return found.Metrics?.[0]?.Dimensions?.[0]?.Value === 'flights';
}

async function alarmKeepsDimensions(cloud: Clients): Promise<boolean> {
  const name = await alarm(cloud, { Dimensions: [{ Name: 'Project', Value: 'own' }] });
  await put(cloud, name, 'another');
  if ((await state(cloud, name)) === 'ALARM') return false;
  await put(cloud, name, 'own');
  return (await state(cloud, name)) === 'ALARM';
}

async function alarmTreatsMissingData(cloud: Clients): Promise<boolean> {
  const name = await alarm(cloud, { TreatMissingData: 'breaching' });
  return (await state(cloud, name)) === 'ALARM';
}

async function alarmIsAnnounced(cloud: Clients): Promise<boolean> {
  const name = await alarm(cloud, { Dimensions: [{ Name: 'Project', Value: 'own' }] });
  const announcements = unique();
  const pattern = { 'detail-type': ['CloudWatch Alarm State Change'], detail: { alarmName: [name] } };
  await rule(cloud, pattern, { Id: 'q', Arn: await queue(cloud, announcements) });
  await put(cloud, name, 'own');
  return (await receive(cloud, announcements)) !== undefined;
}

const archiveTemplate = {
  Resources: {
    Bus: { Type: 'AWS::Events::EventBus', Properties: { Name: 'bus-of-archive' } },
    Archive: {
      Type: 'AWS::Events::Archive',
      Properties: { SourceArn: { 'Fn::GetAtt': ['Bus', 'Arn'] }, RetentionDays: 7 },
    },
  },
};
const compositeTemplate = {
  Resources: {
    Child: {
      Type: 'AWS::CloudWatch::Alarm',
      Properties: { ...alarmProperties, Namespace: 'N', MetricName: 'M', Period: 60, Statistic: 'Sum' },
    },
    Parent: {
      Type: 'AWS::CloudWatch::CompositeAlarm',
      Properties: { AlarmRule: { 'Fn::Join': ['', ['ALARM("', { 'Fn::GetAtt': ['Child', 'Arn'] }, '")']] } },
    },
  },
};
const stat = { Metric: { Namespace: 'N', MetricName: 'M' }, Period: 60, Stat: 'Sum' };
const mathTemplate = one('AWS::CloudWatch::Alarm', {
  ...alarmProperties,
  Metrics: [
    { Id: 'a', MetricStat: stat, ReturnData: false },
    { Id: 'e', Expression: 'a * 2', ReturnData: true },
  ],
});
const queryTemplate = one('AWS::Logs::QueryDefinition', { Name: 'errors', QueryString: 'fields @message' });
const scalingTemplate = one('AWS::ApplicationAutoScaling::ScalableTarget', {
  MaxCapacity: 2,
  MinCapacity: 1,
  ResourceId: 'endpoint/e/variant/AllTraffic',
  ScalableDimension: 'sagemaker:variant:DesiredInstanceCount',
  ServiceNamespace: 'sagemaker',
});

function cloudOf(name: 'whole' | 'bare'): Clients {
  const cloud = clouds[name];
  if (!cloud) throw new Error(`the ${name} cloud did not start`);
  return cloud;
}
