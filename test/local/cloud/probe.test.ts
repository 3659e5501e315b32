import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Sha256 } from '@aws-crypto/sha256-js';
import {
  CloudWatchClient,
  DescribeAlarmsCommand,
  ListMetricsCommand,
  PutMetricDataCommand,
} from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DescribeArchiveCommand, EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { DynamoDBDocumentClient, GetCommand, QueryCommand } from '@aws-sdk/lib-dynamodb';
import { SignatureV4 } from '@smithy/signature-v4';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cloud, cloudLogs, deployToCloud, resetCloud, startCloud } from '../../../local/cloud.ts';
import { secretHeader } from '../../../local/sagemaker/core/callers.ts';
import { rootOf } from '../support/root.ts';

const directory = join(import.meta.dirname, '../../../.flywheel/test-probe');
const region = 'us-east-1';
let cloud: Cloud;
let output: (name: string) => string;
let clients: ReturnType<typeof clientsOf>;

beforeAll(async () => {
  await resetCloud({ directory });
  cloud = await startCloud({ directory, ports: { cloud: 0, sagemaker: 0 }, retryDelaySeconds: 0.05 });
  const outputs = await deployToCloud(cloud, {
    stacks: ['probe'],
    app: `${process.execPath} ${join(import.meta.dirname, 'probe/app.ts')}`,
  });
  output = (name) => {
    const value = outputs.probe?.[`Out${name}`];
    if (value === undefined) throw new Error(`the stack has no output ${name}`);
    return value;
  };
  clients = clientsOf(cloud.endpointUrl);
}, 120_000);

afterAll(async () => {
  await resetCloud({ directory });
  rmSync(directory, { recursive: true, force: true });
});

describe('an upload', () => {
  it('calls the function with the version, whose record, event and metric arrive', async () => {
    const { VersionId } = await upload('one/a.csv');
    const item = await eventually(() => record('object', 'one/a.csv'), 'the record of the upload');
    expect(item.version).toBe(VersionId);
    await eventually(() => record('probe', 'one/a.csv'), 'the event that came back over the bus');
    await eventually(async () => {
      const archive = await clients.events.send(new DescribeArchiveCommand({ ArchiveName: output('ArchiveName') }));
      return archive.EventCount && archive.EventCount > 0 ? archive : undefined;
    }, 'an archived event');
    await eventually(async () => {
      const found = await clients.cloudwatch.send(new ListMetricsCommand({ Namespace: 'Probe' }));
      return found.Metrics?.find((metric) => metric.Dimensions?.[0]?.Value === 'one');
    }, 'the metric that the function wrote as a log line');
    const logged = await clients.logs.send(
      new FilterLogEventsCommand({ logGroupName: output('LogGroupName'), filterPattern: 'Records' }),
    );
    expect(logged.events?.length).toBeGreaterThan(0);
  });

  it('meets a warm function: calls after each other run in the processes of those before', async () => {
    const processes: unknown[] = [];
    for (let call = 0; call < 5; call += 1) {
      await upload(`warm/${call}`);
      processes.push((await eventually(() => record('object', `warm/${call}`), 'a record')).processId);
    }
    // A call may meet a second process while the first is still on its way back; it never needs one each.
    expect(new Set(processes).size).toBeLessThan(processes.length);
  });

  it('is a dead letter with AWS’s text when the function lacks a permission', async () => {
    await upload('denied/a.csv');
    const message = await eventually(async () => {
      const request = { QueueUrl: output('DeadLettersUrl'), MessageAttributeNames: ['All'] };
      return (await clients.sqs.send(new ReceiveMessageCommand(request))).Messages?.[0];
    }, 'a dead letter');
    const attributes = message.MessageAttributes ?? {};
    expect(attributes.ErrorMessage?.StringValue).toMatch(
      /User: arn:aws:sts::000000000000:assumed-role\/.* is not authorized to perform: dynamodb:DeleteItem on resource: arn:aws:dynamodb:.*:table\/probe-.* because no identity-based policy allows the dynamodb:DeleteItem action/,
    );
    expect(attributes.ErrorCode?.StringValue).toBe('200');
    expect(attributes.RequestID?.StringValue).toMatch(/^[0-9a-f-]{36}$/);
    expect(JSON.parse(message.Body ?? '')).toMatchObject({
      source: 'aws.s3',
      detail: { object: { key: 'denied/a.csv' } },
    });
    expect(await record('object', 'denied/a.csv')).toBeUndefined();
  });
});

describe('the key of a bucket', () => {
  it('keeps out a role that may write objects but not use the key', async () => {
    const credentials = await assumed(output('CallerArn'));
    const s3 = new S3Client({ endpoint: cloud.endpointUrl, region, credentials });
    const put = s3.send(new PutObjectCommand({ Bucket: output('Bucket'), Key: 'k', Body: 'x' }));
    await expect(put).rejects.toThrow(/not authorized to perform: kms:GenerateDataKey on resource: "arn:aws:kms:/);
  });
});

describe('alarms', () => {
  it('go to ALARM for their own dimensions only, and say so on the default bus', async () => {
    await put('two', 5);
    expect(await stateOf('AlarmTwo')).toBe('ALARM');
    expect(await stateOf('AlarmOne')).not.toBe('ALARM');
    expect(await stateOf('AlarmMath')).toBe('ALARM');
    expect(await stateOf('AlarmBoth')).toBe('ALARM');
    const name = output('AlarmTwo');
    const event = await eventually(() => record('aws.cloudwatch', `${name} ALARM`), 'the state-change event');
    expect(JSON.parse(event.event ?? '')).toMatchObject({
      'detail-type': 'CloudWatch Alarm State Change',
      resources: [`arn:aws:cloudwatch:${region}:000000000000:alarm:${name}`],
      detail: {
        alarmName: name,
        previousState: { value: 'OK' },
        state: { value: 'ALARM' },
        configuration: {
          metrics: [{ metricStat: { metric: { namespace: 'Probe', dimensions: { Project: 'two' } } } }],
        },
      },
    });
    await eventually(
      () => record('aws.cloudwatch', `${output('AlarmBoth')} ALARM`),
      'the event of the composite alarm',
    );
  });
});

describe('events of AWS services', () => {
  it('are published by the internal route and reach rules', async () => {
    const entry = { Source: 'aws.sagemaker', DetailType: 'Probe State Change', Detail: '{}', Resources: [] };
    const answer = await post('events', { account: '000000000000', region, entries: [entry] });
    expect(answer.status).toBe(200);
    await eventually(() => record('aws.sagemaker', 'Probe State Change'), 'the event');
  });

  it('are not published for a web page', async () => {
    const url = `${cloud.endpointUrl}/_flywheel/signing-key`;
    const body = JSON.stringify({ accessKeyId: 'test' });
    const headers = { origin: 'http://evil.example', [secretHeader]: rootOf(cloud).secretAccessKey };
    expect((await fetch(url, { method: 'POST', body, headers })).status).toBe(403);
  });
});

describe('the HTTP API', () => {
  it('answers a signed call of a role that may invoke it, and 403 to every other', async () => {
    const caller = await assumed(output('CallerArn'));
    expect((await fetch(httpUrl('allowed'), { method: 'POST', body: '{}' })).status).toBe(403);
    expect((await signed('allowed', caller)).status).toBe(200);
    expect((await signed('other', caller)).status).toBe(403);
    expect((await signed('allowed', { ...caller, secretAccessKey: 'wrong' })).status).toBe(403);
  });
});

describe('authorization from outside', () => {
  it('decides by the policies of the role, in IAM’s words', async () => {
    const caller = await assumed(output('CallerArn'));
    const resource = `arn:aws:sagemaker:${region}:000000000000:training-job/x`;
    const ask = (action: string, on: string) =>
      post('authorize', { accessKeyId: caller.accessKeyId, action, resource: on }).then((answer) => answer.json());
    expect(await ask('sagemaker:CreateTrainingJob', resource)).toMatchObject({
      allowed: false,
      account: '000000000000',
      message: expect.stringMatching(
        /^User: arn:aws:sts::000000000000:assumed-role\/.*\/probe is not authorized to perform: sagemaker:CreateTrainingJob on resource: arn:.* because no identity-based policy allows/,
      ),
    });
    const route = `arn:aws:execute-api:${region}:000000000000:${output('HttpId')}/$default/POST/projects/allowed`;
    expect(await ask('execute-api:Invoke', route)).toMatchObject({ allowed: true });
    const key = await post('signing-key', { accessKeyId: caller.accessKeyId });
    expect(await key.json()).toEqual({ secretAccessKey: caller.secretAccessKey, sessionToken: caller.sessionToken });
    expect((await post('signing-key', { accessKeyId: 'AKIANOBODY' })).status).toBe(404);
  });
});

type Credentials = { accessKeyId: string; secretAccessKey: string; sessionToken: string };

function clientsOf(endpoint: string) {
  const options = { endpoint, region, credentials: rootOf(cloud) };
  return {
    s3: new S3Client(options),
    sqs: new SQSClient(options),
    sts: new STSClient(options),
    logs: new CloudWatchLogsClient(options),
    events: new EventBridgeClient(options),
    cloudwatch: new CloudWatchClient(options),
    table: DynamoDBDocumentClient.from(new DynamoDBClient(options)),
  };
}

function upload(key: string) {
  return clients.s3.send(new PutObjectCommand({ Bucket: output('Bucket'), Key: key, Body: 'a,b\n1,2\n' }));
}

async function record(pk: string, sk: string): Promise<Record<string, string> | undefined> {
  return (await clients.table.send(new GetCommand({ TableName: output('Table'), Key: { pk, sk } }))).Item;
}

async function put(project: string, value: number): Promise<void> {
  const datum = { MetricName: 'Records', Value: value, Dimensions: [{ Name: 'Project', Value: project }] };
  await clients.cloudwatch.send(new PutMetricDataCommand({ Namespace: 'Probe', MetricData: [datum] }));
}

async function stateOf(name: string): Promise<string | undefined> {
  const request = { AlarmNames: [output(name)], AlarmTypes: ['MetricAlarm' as const, 'CompositeAlarm' as const] };
  const { MetricAlarms = [], CompositeAlarms = [] } = await clients.cloudwatch.send(new DescribeAlarmsCommand(request));
  return [...MetricAlarms, ...CompositeAlarms][0]?.StateValue;
}

function post(route: string, body: unknown): Promise<Response> {
  return fetch(`${cloud.endpointUrl}/_flywheel/${route}`, {
    method: 'POST',
    headers: { [secretHeader]: rootOf(cloud).secretAccessKey },
    body: JSON.stringify(body),
  });
}

async function assumed(role: string): Promise<Credentials> {
  const answer = await clients.sts.send(new AssumeRoleCommand({ RoleArn: role, RoleSessionName: 'probe' }));
  const { AccessKeyId = '', SecretAccessKey = '', SessionToken = '' } = answer.Credentials ?? {};
  return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken };
}

function httpUrl(project: string): string {
  return `${cloud.endpointUrl}/_aws/execute-api/${output('HttpId')}/$default/projects/${project}`;
}

async function signed(project: string, caller: Credentials): Promise<Response> {
  const url = new URL(httpUrl(project));
  const signer = new SignatureV4({ service: 'execute-api', region, credentials: caller, sha256: Sha256 });
  const request = await signer.sign({
    method: 'POST',
    protocol: url.protocol,
    hostname: url.hostname,
    port: Number(url.port),
    path: url.pathname,
    headers: { host: url.host, 'content-type': 'application/json' },
    body: '{}',
  });
  return fetch(url, { method: 'POST', headers: request.headers, body: '{}' });
}

/** The first defined answer of a question that is asked again for up to ten seconds. */
async function eventually<T>(ask: () => Promise<T | undefined>, what: string): Promise<T> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) {
      const all = await clients.table.send(
        new QueryCommand({
          TableName: output('Table'),
          KeyConditionExpression: 'pk = :pk',
          ExpressionAttributeValues: { ':pk': 'object' },
        }),
      );
      const log = cloudLogs({ directory, lines: 20 }).ministack.join('\n');
      throw new Error(`${what} did not come. Recorded: ${JSON.stringify(all.Items)}\n${log}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
