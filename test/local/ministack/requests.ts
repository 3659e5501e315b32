/** What the tests of the additions ask of a cloud, one function a request. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import {
  CloudFormationClient,
  CloudFormationServiceException,
  CreateStackCommand,
  DescribeStacksCommand,
} from '@aws-sdk/client-cloudformation';
import {
  CloudWatchClient,
  DescribeAlarmsCommand,
  PutMetricAlarmCommand,
  PutMetricDataCommand,
} from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EventBridgeClient, PutEventsCommand, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { S3Client } from '@aws-sdk/client-s3';
import { CreateQueueCommand, type Message, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { claimPort } from '../../../local/cloud/ports.ts';
import { secretFile } from '../../../local/cloud/secret.ts';
import { ministackService, startService } from '../../../local/cloud/services.ts';

export const account = '000000000000';
export const region = 'us-east-1';
export const alarmProperties = { EvaluationPeriods: 1, Threshold: 1, ComparisonOperator: 'GreaterThanThreshold' };

export type Clients = ReturnType<typeof clientsOf>;

/** Name of the addition, what holds with it, and the question. */
export type Claim = readonly [addition: string, claim: string, holds: (cloud: Clients) => Promise<boolean>];

export async function start(directory: string, without?: string, accountConcurrency?: number): Promise<Clients> {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  writeFileSync(secretFile(directory), 'test');
  const port = await claimPort(0, 'a test');
  const settings = {
    retryDelaySeconds: 0.02,
    ...(without ? { without } : {}),
    ...(accountConcurrency ? { accountConcurrency } : {}),
  };
  await startService(directory, ministackService(directory, { cloud: port, sagemaker: 1 }, settings));
  return clientsOf(`http://127.0.0.1:${port}`);
}

function clientsOf(endpoint: string) {
  const options = { endpoint, region, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } };
  return {
    endpoint,
    s3: new S3Client(options),
    iam: new IAMClient(options),
    sts: new STSClient(options),
    sqs: new SQSClient(options),
    logs: new CloudWatchLogsClient(options),
    lambda: new LambdaClient(options),
    events: new EventBridgeClient(options),
    cloudwatch: new CloudWatchClient(options),
    cloudformation: new CloudFormationClient(options),
    dynamodb: new DynamoDBClient(options),
  };
}

let count = 0;
export function unique(): string {
  count += 1;
  return `test-${count}`;
}

export function policy(statement: object): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
}

export function one(type: string, properties: object) {
  return { Resources: { Only: { Type: type, Properties: properties } } };
}

export async function deploys(cloud: Clients, template: object): Promise<boolean> {
  return (await deployed(cloud, template)).status === 'CREATE_COMPLETE';
}

interface Stack {
  readonly status: string;
  readonly reason: string;
  readonly outputs: Readonly<Record<string, string>>;
}

export async function deployed(cloud: Clients, template: object): Promise<Stack> {
  const name = unique();
  const create = {
    StackName: name,
    TemplateBody: JSON.stringify(template),
    OnFailure: 'DO_NOTHING' as const,
    Capabilities: ['CAPABILITY_NAMED_IAM' as const],
  };
  try {
    await cloud.cloudformation.send(new CreateStackCommand(create));
  } catch (error) {
    const refused = error instanceof CloudFormationServiceException && error.name === 'ValidationError';
    if (!refused) throw error;
    return { status: 'REFUSED', reason: error.message, outputs: {} };
  }
  for (;;) {
    const [stack] = (await cloud.cloudformation.send(new DescribeStacksCommand({ StackName: name }))).Stacks ?? [];
    const status = stack?.StackStatus ?? '';
    const outputs = Object.fromEntries((stack?.Outputs ?? []).map((each) => [each.OutputKey, each.OutputValue ?? '']));
    if (!status.endsWith('IN_PROGRESS')) return { status, reason: stack?.StackStatusReason ?? '', outputs };
    await pause();
  }
}

export async function failingFunction(cloud: Clients, properties: object = {}): Promise<string> {
  return functionOf(cloud, "exports.handler = async () => { throw new Error('always'); };", properties);
}

/** Name of a new function, whose role may send to every queue and receive from it. */
export async function functionOf(cloud: Clients, source: string, properties: object = {}): Promise<string> {
  const code = { ZipFile: source };
  const name = unique();
  const actions = ['SendMessage', 'ReceiveMessage', 'DeleteMessage', 'GetQueueAttributes'].map((each) => `sqs:${each}`);
  const send = { Effect: 'Allow', Action: actions, Resource: '*' };
  const role = await roleOf(cloud, { Service: 'lambda.amazonaws.com' }, policy(send));
  const required = { FunctionName: name, Handler: 'index.handler', Runtime: 'nodejs24.x', Role: role, Code: code };
  const stack = await deployed(cloud, one('AWS::Lambda::Function', { ...required, ...properties }));
  if (stack.status !== 'CREATE_COMPLETE') throw new Error(`the function was not created: ${stack.reason}`);
  return name;
}

/** A queue that takes messages of rules, or has the policy that is given. */
export async function queue(cloud: Clients, name: string, statement?: object): Promise<string> {
  const arn = `arn:aws:sqs:${region}:${account}:${name}`;
  const ofRules = { Principal: { Service: 'events.amazonaws.com' }, Action: 'sqs:SendMessage' };
  const Policy = policy({ Effect: 'Allow', Resource: arn, ...(statement ?? ofRules) });
  await cloud.sqs.send(new CreateQueueCommand({ QueueName: name, Attributes: { Policy } }));
  return arn;
}

export async function rule(
  cloud: Clients,
  pattern: object,
  target: { Id: string; Arn: string; DeadLetterConfig?: { Arn: string } },
): Promise<void> {
  const name = unique();
  await cloud.events.send(new PutRuleCommand({ Name: name, EventPattern: JSON.stringify(pattern) }));
  await cloud.events.send(new PutTargetsCommand({ Rule: name, Targets: [target] }));
}

export async function publish(cloud: Clients, source: string): Promise<void> {
  const entry = { Source: source, DetailType: 'Test', Detail: '{}' };
  await cloud.events.send(new PutEventsCommand({ Entries: [entry] }));
}

/** A message that arrives within two seconds: what the bare cloud never sends needs an end. */
export async function receive(cloud: Clients, name: string, WaitTimeSeconds = 2): Promise<Message | undefined> {
  const QueueUrl = `${cloud.endpoint}/${account}/${name}`;
  const request = { QueueUrl, MessageAttributeNames: ['All'], WaitTimeSeconds };
  return (await cloud.sqs.send(new ReceiveMessageCommand(request))).Messages?.[0];
}

export async function alarm(cloud: Clients, settings: object): Promise<string> {
  const name = unique();
  const metric = { Namespace: name, MetricName: 'M', Statistic: 'Sum' as const, Period: 60 };
  const judged = { ...alarmProperties, ComparisonOperator: 'GreaterThanThreshold' as const };
  await cloud.cloudwatch.send(new PutMetricAlarmCommand({ AlarmName: name, ...metric, ...judged, ...settings }));
  return name;
}

export async function put(cloud: Clients, namespace: string, project: string): Promise<void> {
  const datum = { MetricName: 'M', Value: 5, Dimensions: [{ Name: 'Project', Value: project }] };
  await cloud.cloudwatch.send(new PutMetricDataCommand({ Namespace: namespace, MetricData: [datum] }));
}

export async function state(cloud: Clients, name: string): Promise<string | undefined> {
  const found = await cloud.cloudwatch.send(new DescribeAlarmsCommand({ AlarmNames: [name] }));
  return found.MetricAlarms?.[0]?.StateValue;
}

export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

/**
 * ARN of a new role with this policy, for those who may assume it.
 * @param path of the role in IAM
 */
export async function roleOf(cloud: Clients, principal: object, document: string, path = '/'): Promise<string> {
  const role = unique();
  const trust = policy({ Effect: 'Allow', Principal: principal, Action: 'sts:AssumeRole' });
  await cloud.iam.send(new CreateRoleCommand({ RoleName: role, Path: path, AssumeRolePolicyDocument: trust }));
  await cloud.iam.send(new PutRolePolicyCommand({ RoleName: role, PolicyName: 'policy', PolicyDocument: document }));
  return `arn:aws:iam::${account}:role${path}${role}`;
}

/** Client options with the credentials of a new role that has this policy. */
export async function optionsOfRole(cloud: Clients, document: string, path = '/') {
  const arn = await roleOf(cloud, { AWS: `arn:aws:iam::${account}:root` }, document, path);
  const session = await cloud.sts.send(new AssumeRoleCommand({ RoleArn: arn, RoleSessionName: 'test' }));
  const { AccessKeyId = '', SecretAccessKey = '', SessionToken = '' } = session.Credentials ?? {};
  const credentials = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken };
  return { endpoint: cloud.endpoint, region, credentials };
}

/** Name of the error that answers a request, or `allowed`. */
export async function errorOf(request: Promise<unknown>): Promise<string> {
  return request.then(
    () => 'allowed',
    (error: Error) => error.name,
  );
}
