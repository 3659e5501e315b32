/** What AWS's services may do for a customer: policies of topics, queues, functions, keys and roles decide it. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DescribeAlarmHistoryCommand, SetAlarmStateCommand } from '@aws-sdk/client-cloudwatch';
import { CreateLogGroupCommand, PutSubscriptionFilterCommand } from '@aws-sdk/client-cloudwatch-logs';
import { DescribeTableCommand } from '@aws-sdk/client-dynamodb';
import { PutRuleCommand, PutTargetsCommand, type Target } from '@aws-sdk/client-eventbridge';
import { CreateBucketCommand, PutBucketNotificationConfigurationCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import {
  account,
  alarm,
  type Claim,
  type Clients,
  deployed,
  errorOf,
  failingFunction,
  functionOf,
  one,
  pause,
  policy,
  publish,
  queue,
  receive,
  region,
  roleOf,
  unique,
} from '../requests.ts';
import { apiThatTellsWhoCalls, get } from './signatures.ts';

type Statement = Readonly<Record<string, unknown>>;

const lets = (service: string, more: Statement = {}): Statement => ({
  Effect: 'Allow',
  Principal: { Service: `${service}.amazonaws.com` },
  ...more,
});
const ofThisAccount = { Condition: { StringEquals: { 'aws:SourceAccount': account } } };
const ofAlarms = { Condition: { ArnLike: { 'aws:SourceArn': `arn:aws:cloudwatch:${region}:${account}:alarm:*` } } };
const ofRule = (name: string) => ({
  Condition: { ArnEquals: { 'aws:SourceArn': `arn:aws:events:${region}:${account}:rule/${name}` } },
});
const keyUse = { Action: ['kms:Decrypt', 'kms:GenerateDataKey'], Resource: '*' };

export const serviceClaims: readonly Claim[] = [
  ['service_principals', 'an alarm reaches a topic whose policy and key let CloudWatch in', alarmNeedsPolicies],
  ['service_principals', 'an action that is refused is in the history of the alarm', refusalIsInHistory],
  ['service_principals', 'an HTTP API calls a function whose policy names its route', apiNeedsPermission],
  ['service_principals', 'a topic calls a function whose policy lets it in', topicNeedsPermission],
  ['service_principals', 'a bucket calls a function whose policy names the bucket', bucketNeedsPermission],
  ['service_principals', 'a log group feeds a function whose policy names the group', logGroupNeedsPermission],
  ['delivery', 'a rule reaches a topic whose policy and key let EventBridge in, without conditions', ruleNeedsPolicies],
  ['delivery', 'a rule calls a function whose policy names the rule', ruleNeedsPermission],
  ['delivery', 'a rule reaches a queue, and its dead letters one, whose policy names the rule', ruleNeedsQueuePolicy],
  ['delivery', "a schedule calls its target by the role's permission", scheduleNeedsRole],
  ['delivery', "a function's dead letters need the permission of its role", deadLettersNeedRole],
  ['queue_sources', 'a queue feeds a function whose role may receive from it', queueNeedsRole],
  ['encryption_settings', 'a template gives a table its key', templateEncryptsTable],
  ['encryption_settings', 'a log group is refused a key that does not let CloudWatch Logs in', logGroupNeedsKey],
];

interface Topic {
  readonly arn: string;
  /** Of the queue that is subscribed. */
  readonly inbox: string;
}

/** A topic with a queue that hears of it; encrypted when there are statements for the key's policy. */
async function topicWith(cloud: Clients, statement: Statement, keyStatement?: Statement): Promise<Topic> {
  const inbox = unique();
  const TopicName = unique();
  const arn = `arn:aws:sns:${region}:${account}:${TopicName}`;
  const endpoint = await queue(cloud, inbox, { ...lets('sns'), Action: 'sqs:SendMessage' });
  const stack = await deployed(cloud, {
    Resources: {
      ...(keyStatement && { Key: key(keyStatement) }),
      Topic: {
        Type: 'AWS::SNS::Topic',
        Properties: { TopicName, ...(keyStatement && { KmsMasterKeyId: { 'Fn::GetAtt': ['Key', 'Arn'] } }) },
      },
      Policy: {
        Type: 'AWS::SNS::TopicPolicy',
        Properties: {
          Topics: [{ Ref: 'Topic' }],
          PolicyDocument: {
            Version: '2012-10-17',
            Statement: [{ Action: 'sns:Publish', Resource: arn, ...statement }],
          },
        },
      },
      Subscription: {
        Type: 'AWS::SNS::Subscription',
        Properties: { TopicArn: { Ref: 'Topic' }, Protocol: 'sqs', Endpoint: endpoint },
      },
    },
  });
  if (stack.status !== 'CREATE_COMPLETE') throw new Error(`the topic was not created: ${stack.reason}`);
  return { arn, inbox };
}

function key(statement: Statement): object {
  const root = { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: 'kms:*', Resource: '*' };
  const KeyPolicy = { Version: '2012-10-17', Statement: [root, { ...keyUse, ...statement }] };
  return { Type: 'AWS::KMS::Key', Properties: { KeyPolicy } };
}

/** Name of an alarm that has fired, with the topic as its action. */
async function firedAlarm(cloud: Clients, topic: Topic): Promise<string> {
  const AlarmName = await alarm(cloud, { AlarmActions: [topic.arn] });
  await cloud.cloudwatch.send(new SetAlarmStateCommand({ AlarmName, StateValue: 'ALARM', StateReason: 'test' }));
  return AlarmName;
}

async function alarmNeedsPolicies(cloud: Clients): Promise<boolean> {
  const reaches = async (...policies: [Statement, Statement?]) => {
    const topic = await topicWith(cloud, ...policies);
    await firedAlarm(cloud, topic);
    return (await receive(cloud, topic.inbox)) !== undefined;
  };
  const allowed = lets('cloudwatch', ofAlarms);
  const may = [await reaches(allowed), await reaches(allowed, lets('cloudwatch', ofThisAccount))];
  const mayNot = [
    await reaches(lets('events')),
    await reaches(lets('cloudwatch', ofRule('any'))),
    await reaches(allowed, lets('events')),
  ];
  return may.every(Boolean) && !mayNot.some(Boolean);
}

async function refusalIsInHistory(cloud: Clients): Promise<boolean> {
  const topic = await topicWith(cloud, lets('events'));
  const request = { AlarmName: await firedAlarm(cloud, topic), HistoryItemType: 'Action' as const };
  const { AlarmHistoryItems = [] } = await cloud.cloudwatch.send(new DescribeAlarmHistoryCommand(request));
  return AlarmHistoryItems[0]?.HistorySummary?.startsWith(`Failed to execute action ${topic.arn}.`) ?? false;
}

async function apiNeedsPermission(cloud: Clients): Promise<boolean> {
  const signer = { accessKeyId: 'test', secretAccessKey: 'test' };
  const status = async (path: string) => {
    const api = await apiThatTellsWhoCalls(cloud, path);
    return (await get(api, 'execute-api', signer)).status;
  };
  return (await status('/*/GET/who')) === 200 && (await status('/*/GET/another')) === 500;
}

/** A function that leaves a file behind, and whether it has done so within two seconds. */
async function tracedFunction(cloud: Clients, properties: object = {}) {
  const trace = join(tmpdir(), `flywheel-${process.pid}-${unique()}`);
  const write = `require('node:fs').writeFileSync(${JSON.stringify(trace)}, '')`;
  const name = await functionOf(cloud, `exports.handler = async () => ${write};`, properties);
  const isCalled = async () => {
    for (const end = Date.now() + 2000; Date.now() < end; await pause()) if (existsSync(trace)) return true;
    return false;
  };
  return { name, isCalled };
}

async function functionIsCalled(
  cloud: Clients,
  principal: string,
  source: string,
  call: (arn: string) => Promise<void>,
): Promise<boolean> {
  const { name: FunctionName, isCalled } = await tracedFunction(cloud);
  const permission = { FunctionName, Action: 'lambda:InvokeFunction', Principal: principal, SourceArn: source };
  await deployed(cloud, one('AWS::Lambda::Permission', permission));
  await call(`arn:aws:lambda:${region}:${account}:function:${FunctionName}`);
  return isCalled();
}

async function topicNeedsPermission(cloud: Clients): Promise<boolean> {
  const isCalled = async (source: (topic: string) => string) => {
    const topic = await topicWith(cloud, lets('cloudwatch'));
    return functionIsCalled(cloud, 'sns.amazonaws.com', source(topic.arn), async (Endpoint) => {
      const subscription = { TopicArn: topic.arn, Protocol: 'lambda', Endpoint };
      await deployed(cloud, one('AWS::SNS::Subscription', subscription));
      await firedAlarm(cloud, topic);
    });
  };
  return (await isCalled((topic) => topic)) && !(await isCalled((topic) => `${topic}-other`));
}

async function bucketNeedsPermission(cloud: Clients): Promise<boolean> {
  const isCalled = async (source: (bucket: string) => string) => {
    const Bucket = unique();
    await cloud.s3.send(new CreateBucketCommand({ Bucket }));
    return functionIsCalled(cloud, 's3.amazonaws.com', source(`arn:aws:s3:::${Bucket}`), async (LambdaFunctionArn) => {
      const configuration = { LambdaFunctionArn, Events: ['s3:ObjectCreated:*' as const] };
      const NotificationConfiguration = { LambdaFunctionConfigurations: [configuration] };
      await cloud.s3.send(new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration }));
      await cloud.s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }));
    });
  };
  return (await isCalled((bucket) => bucket)) && !(await isCalled((bucket) => `${bucket}-other`));
}

async function logGroupNeedsPermission(cloud: Clients): Promise<boolean> {
  const subscribes = async (source: (group: string) => string) => {
    const logGroupName = unique();
    await cloud.logs.send(new CreateLogGroupCommand({ logGroupName }));
    const FunctionName = await failingFunction(cloud);
    const SourceArn = source(`arn:aws:logs:${region}:${account}:log-group:${logGroupName}:*`);
    const permission = { FunctionName, Action: 'lambda:InvokeFunction', Principal: 'logs.amazonaws.com', SourceArn };
    await deployed(cloud, one('AWS::Lambda::Permission', permission));
    const destinationArn = `arn:aws:lambda:${region}:${account}:function:${FunctionName}`;
    const filter = { logGroupName, filterName: 'all', filterPattern: '', destinationArn };
    return (await errorOf(cloud.logs.send(new PutSubscriptionFilterCommand(filter)))) === 'allowed';
  };
  return (await subscribes((group) => group)) && !(await subscribes((group) => `${group}-other`));
}

/** Publishes an event that a new rule of this name hands to the target. */
async function trigger(cloud: Clients, name: string, target: Omit<Target, 'Id'>): Promise<void> {
  const source = unique();
  await cloud.events.send(new PutRuleCommand({ Name: name, EventPattern: JSON.stringify({ source: [source] }) }));
  await cloud.events.send(new PutTargetsCommand({ Rule: name, Targets: [{ Id: 't', ...target }] }));
  await publish(cloud, source);
}

async function ruleNeedsPolicies(cloud: Clients): Promise<boolean> {
  const reaches = async (...policies: [Statement, Statement?]) => {
    const topic = await topicWith(cloud, ...policies);
    const letters = unique();
    await trigger(cloud, unique(), { Arn: topic.arn, DeadLetterConfig: { Arn: await queue(cloud, letters) } });
    const refused = await receive(cloud, letters);
    if (refused) return refused.MessageAttributes?.ERROR_CODE?.StringValue !== 'NO_PERMISSIONS';
    return (await receive(cloud, topic.inbox)) !== undefined;
  };
  const may = [await reaches(lets('events')), await reaches(lets('events'), lets('events'))];
  const mayNot = [
    await reaches(lets('events', ofThisAccount)),
    await reaches(lets('events'), lets('events', ofThisAccount)),
    await reaches(lets('events'), lets('cloudwatch')),
  ];
  return may.every(Boolean) && !mayNot.some(Boolean);
}

async function ruleNeedsPermission(cloud: Clients): Promise<boolean> {
  const isCalled = (rule: string, permitted: string) =>
    functionIsCalled(cloud, 'events.amazonaws.com', `arn:aws:events:${region}:${account}:rule/${permitted}`, (Arn) =>
      trigger(cloud, rule, { Arn }),
    );
  const [own, other] = [unique(), unique()];
  return (await isCalled(own, own)) && !(await isCalled(other, own));
}

async function ruleNeedsQueuePolicy(cloud: Clients): Promise<boolean> {
  const send = { Action: 'sqs:SendMessage' };
  const reaches = async (rule: string, named: string) => {
    const name = unique();
    await trigger(cloud, rule, { Arn: await queue(cloud, name, { ...lets('events', ofRule(named)), ...send }) });
    return (await receive(cloud, name)) !== undefined;
  };
  const deadLetterReaches = async (rule: string, named: string) => {
    const name = unique();
    const Arn = await queue(cloud, name, { ...lets('events', ofRule(named)), ...send });
    const nowhere = `arn:aws:sqs:${region}:${account}:no-such-queue`;
    await trigger(cloud, rule, { Arn: nowhere, DeadLetterConfig: { Arn } });
    return (await receive(cloud, name)) !== undefined;
  };
  const [a, b, c, d] = [unique(), unique(), unique(), unique()];
  const may = [await reaches(a, a), await deadLetterReaches(b, b)];
  return may.every(Boolean) && !(await reaches(c, a)) && !(await deadLetterReaches(d, b));
}

async function scheduleNeedsRole(cloud: Clients): Promise<boolean> {
  const at = `at(${new Date(Date.now() + 1000).toISOString().slice(0, 19)})`;
  /** Name of a queue to which a schedule sends one message, with the permission of its role alone. */
  const scheduled = async (action: string, trusted: string) => {
    const name = unique();
    const Arn = await queue(cloud, name, { ...lets('sns'), Action: 'sqs:SendMessage' });
    const permission = policy({ Effect: 'Allow', Action: action, Resource: Arn });
    const RoleArn = await roleOf(cloud, { Service: `${trusted}.amazonaws.com` }, permission);
    const settings = { ScheduleExpression: at, FlexibleTimeWindow: { Mode: 'OFF' } };
    await deployed(cloud, one('AWS::Scheduler::Schedule', { ...settings, Target: { Arn, RoleArn, Input: '{}' } }));
    return name;
  };
  const may = await scheduled('sqs:SendMessage', 'scheduler');
  const mayNot = [await scheduled('sqs:ReceiveMessage', 'scheduler'), await scheduled('sqs:SendMessage', 'events')];
  // MiniStack alone looks every ten seconds.
  if (!(await receive(cloud, may, 12))) return false;
  const arrived = await Promise.all(mayNot.map((name) => receive(cloud, name)));
  return arrived.every((message) => message === undefined);
}

async function deadLettersNeedRole(cloud: Clients): Promise<boolean> {
  const arrive = async (queueOfRole: string, letters: string) => {
    const send = { Effect: 'Allow', Action: 'sqs:SendMessage', Resource: `arn:aws:sqs:*:*:${queueOfRole}` };
    const Role = await roleOf(cloud, { Service: 'lambda.amazonaws.com' }, policy(send));
    const DeadLetterConfig = { TargetArn: await queue(cloud, letters) };
    const FunctionName = await failingFunction(cloud, { DeadLetterConfig, Role });
    const permission = { FunctionName, Action: 'lambda:InvokeFunction', Principal: 'events.amazonaws.com' };
    await deployed(cloud, one('AWS::Lambda::Permission', permission));
    await trigger(cloud, unique(), { Arn: `arn:aws:lambda:${region}:${account}:function:${FunctionName}` });
    return (await receive(cloud, letters)) !== undefined;
  };
  const [own, other] = [unique(), unique()];
  return (await arrive(own, own)) && !(await arrive(own, other));
}

async function queueNeedsRole(cloud: Clients): Promise<boolean> {
  const feeds = async (...actions: readonly string[]) => {
    const name = unique();
    const EventSourceArn = await queue(cloud, name);
    const permission = policy({ Effect: 'Allow', Action: actions, Resource: EventSourceArn });
    const Role = await roleOf(cloud, { Service: 'lambda.amazonaws.com' }, permission);
    const { name: FunctionName, isCalled } = await tracedFunction(cloud, { Role });
    await deployed(cloud, one('AWS::Lambda::EventSourceMapping', { EventSourceArn, FunctionName }));
    const QueueUrl = `${cloud.endpoint}/${account}/${name}`;
    await cloud.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' }));
    return isCalled();
  };
  const all = ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'];
  return (await feeds(...all)) && !(await feeds(...all.slice(1)));
}

async function templateEncryptsTable(cloud: Clients): Promise<boolean> {
  const name = unique();
  const arn = `arn:aws:kms:${region}:${account}:key/11111111-2222-3333-4444-555555555555`;
  await deployed(
    cloud,
    one('AWS::DynamoDB::Table', {
      TableName: name,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
      SSESpecification: { SSEEnabled: true, SSEType: 'KMS', KMSMasterKeyId: arn },
    }),
  );
  const { Table } = await cloud.dynamodb.send(new DescribeTableCommand({ TableName: name }));
  return Table?.SSEDescription?.KMSMasterKeyArn === arn;
}

async function logGroupNeedsKey(cloud: Clients): Promise<boolean> {
  const deploys = async (principal: string, context: string) => {
    const Condition = { ArnLike: { 'kms:EncryptionContext:aws:logs:arn': context } };
    const Action = ['kms:Encrypt', 'kms:Decrypt', 'kms:GenerateDataKey'];
    const Group = {
      Type: 'AWS::Logs::LogGroup',
      Properties: { LogGroupName: unique(), KmsKeyId: { 'Fn::GetAtt': ['Key', 'Arn'] } },
    };
    const stack = await deployed(cloud, { Resources: { Key: key(lets(principal, { Condition, Action })), Group } });
    return stack.status === 'CREATE_COMPLETE';
  };
  const groups = `arn:aws:logs:${region}:${account}:log-group:*`;
  const may = await deploys(`logs.${region}`, groups);
  return may && !(await deploys('logs', groups)) && !(await deploys(`logs.${region}`, `${groups}-other`));
}
