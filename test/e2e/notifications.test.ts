/**
 * What people and dead-letter queues must receive, with policies of topic, queues, key and roles enforced as on AWS:
 * messages of alarms, requests for approval, events that found no function or that a function gave up on.
 */
import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStacksCommand,
  waitUntilStackCreateComplete,
} from '@aws-sdk/client-cloudformation';
import {
  CloudWatchClient,
  DescribeAlarmHistoryCommand,
  DescribeAlarmsCommand,
  SetAlarmStateCommand,
} from '@aws-sdk/client-cloudwatch';
import {
  EventBridgeClient,
  ListRulesCommand,
  ListTargetsByRuleCommand,
  PutTargetsCommand,
} from '@aws-sdk/client-eventbridge';
import { GetPolicyCommand, LambdaClient, RemovePermissionCommand } from '@aws-sdk/client-lambda';
import { DeleteMessageCommand, type Message, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { type Deployed, deployed } from './deployed.ts';
import { answer, WAIT } from './observed.ts';
import { functionSession, publish } from './publishing.ts';
import { PROJECT } from './trial.ts';

let flywheel: Deployed;
let inbox: string;
beforeAll(async () => {
  flywheel = await deployed('notifications', 'loop.config.ts');
  inbox = await subscribe(flywheel.outputs.AlarmTopic);
});
afterAll(async () => {
  await flywheel?.stop();
});

describe('the topic', () => {
  it('tells its subscribers of an alarm', async () => {
    const cloudwatch = new CloudWatchClient({});
    const { MetricAlarms = [] } = await cloudwatch.send(new DescribeAlarmsCommand({}));
    const AlarmName = MetricAlarms.find((each) => each.AlarmDescription?.includes('judge-candidate'))?.AlarmName ?? '';
    const alarm = { StateValue: 'ALARM', StateReason: 'a test' } as const;
    await cloudwatch.send(new SetAlarmStateCommand({ AlarmName, ...alarm }));
    const history = await cloudwatch.send(new DescribeAlarmHistoryCommand({ AlarmName, HistoryItemType: 'Action' }));
    expect(history.AlarmHistoryItems?.map((each) => each.HistorySummary)).toEqual([
      `Successfully executed action ${flywheel.outputs.AlarmTopic}`,
    ]);
    const message = await published();
    expect(JSON.parse(message)).toMatchObject({ AlarmName, NewStateValue: 'ALARM' });
  });

  it('tells its subscribers of a model that waits for approval', async () => {
    await publishAs('judge-candidate', 'ApprovalRequested', { model: 7, reasons: ['a test'] });
    expect(await published()).toContain(`npx flywheel approve ${PROJECT}/7 --env local`);
  });
});

describe('a dead-letter queue', () => {
  it('receives an event on which its function fails', async () => {
    await publishAs('finish-evaluation', 'ModelEvaluated', { model: 'no number' });
    const letter = await received(flywheel.outputs.DeadLetterQueues['judge-candidate'] ?? '');
    expect(letter.MessageAttributes?.ErrorMessage?.StringValue).toContain('model');
  });

  it('receives an event for which a rule may not call the function', async () => {
    const lambda = new LambdaClient({});
    const FunctionName = flywheel.outputs.Functions['deploy-model'];
    const { Policy = '' } = await lambda.send(new GetPolicyCommand({ FunctionName }));
    for (const { Sid } of z.object({ Statement: z.array(z.object({ Sid: z.string() })) }).parse(JSON.parse(Policy))
      .Statement)
      await lambda.send(new RemovePermissionCommand({ FunctionName, StatementId: Sid }));
    await publishAs('judge-candidate', 'ModelApproved', { model: 7, decidedBy: 'a test', reasons: [] });
    const letter = await received(flywheel.outputs.DeadLetterQueues['deploy-model'] ?? '');
    expect(letter.MessageAttributes?.ERROR_CODE?.StringValue).toBe('NO_PERMISSIONS');
  });
});

describe('a request for approval that reaches nobody', () => {
  it('is in the status with model and reason, and a redrive leaves it and says what to do', async () => {
    await loseTopic();
    await publishAs('judge-candidate', 'ApprovalRequested', { model: 8, reasons: ['a test'] });
    const request = { model: `${PROJECT}/8`, reason: expect.stringMatching(/^[A-Z_]+: ./) };
    const shown = { unansweredRequests: { waiting: 1, requests: [request] } };
    await vi.waitFor(async () => expect(await answer(flywheel, 'status')).toMatchObject(shown), WAIT);
    expect(await flywheel.flywheel('status')).toMatch(
      new RegExp(`requests for approval that reached nobody.*\\n +${PROJECT}/8 +[A-Z_]+: `),
    );

    await flywheel.flywheel('redrive');
    await expect(flywheel.flywheel('redrive', 'approval-requests')).rejects.toThrow(
      /approve or reject the model.* delete the message/s,
    );
    expect(await answer(flywheel, 'status')).toMatchObject(shown);
  });
});

/** The rule that tells people of models that wait has a topic that is not there. */
async function loseTopic(): Promise<void> {
  const events = new EventBridgeClient({});
  const { EventBus: EventBusName, AlarmTopic } = flywheel.outputs;
  const { Rules = [] } = await events.send(new ListRulesCommand({ EventBusName }));
  const Rule = Rules.find(
    (each) => each.EventPattern?.includes('ApprovalRequested') && each.Description?.includes('people'),
  )?.Name;
  const { Targets = [] } = await events.send(new ListTargetsByRuleCommand({ Rule, EventBusName }));
  expect(Targets.map((each) => each.Arn)).toEqual([AlarmTopic]);
  const elsewhere = Targets.map((each) => ({ ...each, Arn: `${AlarmTopic}-gone` }));
  await events.send(new PutTargetsCommand({ Rule, EventBusName, Targets: elsewhere }));
}

/** As a function does whose event it is. */
const publishAs = async (handler: string, detailType: string, detail: object) =>
  publish(flywheel, detailType, { project: PROJECT, ...detail }, await functionSession(flywheel, handler));

/** URL of a new queue that the topic delivers to. */
async function subscribe(topic: string): Promise<string> {
  const queue = { 'Fn::GetAtt': ['Queue', 'Arn'] };
  const statement = {
    Effect: 'Allow',
    Principal: { Service: 'sns.amazonaws.com' },
    Action: 'sqs:SendMessage',
    Resource: queue,
    Condition: { ArnEquals: { 'aws:SourceArn': topic } },
  };
  const template = {
    Resources: {
      Queue: { Type: 'AWS::SQS::Queue' },
      Policy: {
        Type: 'AWS::SQS::QueuePolicy',
        Properties: {
          Queues: [{ Ref: 'Queue' }],
          PolicyDocument: { Version: '2012-10-17', Statement: [statement] },
        },
      },
      Subscription: {
        Type: 'AWS::SNS::Subscription',
        Properties: { TopicArn: topic, Protocol: 'sqs', Endpoint: queue },
      },
    },
    Outputs: { Url: { Value: { Ref: 'Queue' } } },
  };
  const cloudformation = new CloudFormationClient({});
  const StackName = 'Inbox';
  await cloudformation.send(new CreateStackCommand({ StackName, TemplateBody: JSON.stringify(template) }));
  const waiting = { client: cloudformation, maxWaitTime: 30, minDelay: 0.05, maxDelay: 0.5 };
  await waitUntilStackCreateComplete(waiting, { StackName });
  const { Stacks = [] } = await cloudformation.send(new DescribeStacksCommand({ StackName }));
  return z.string().parse(Stacks[0]?.Outputs?.[0]?.OutputValue);
}

/** The text of the next message that the topic delivers. */
async function published(): Promise<string> {
  const { Body = '{}' } = await received(inbox);
  return z.object({ Message: z.string() }).parse(JSON.parse(Body)).Message;
}

async function received(QueueUrl: string): Promise<Message> {
  const sqs = new SQSClient({});
  const request = { QueueUrl, MessageAttributeNames: ['All'], WaitTimeSeconds: 10 };
  const [message] = (await sqs.send(new ReceiveMessageCommand(request))).Messages ?? [];
  if (!message) throw new Error(`no message arrived in ${QueueUrl}`);
  await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
  return message;
}
