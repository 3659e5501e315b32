/** Messages that a function fails on come back while a test waits, and end in the dead-letter queue of their queue. */
import { CreateEventSourceMappingCommand } from '@aws-sdk/client-lambda';
import { CreateQueueCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { account, type Claim, type Clients, failingFunction, queue, receive, region, unique } from '../requests.ts';

export const queueRetryClaims: readonly Claim[] = [
  ['queue_retries', 'a message that a function fails on twice is a dead letter in moments', failureComesBack],
];

async function failureComesBack(cloud: Clients): Promise<boolean> {
  const [name, dead] = [unique(), unique()];
  const deadLetterTargetArn = await queue(cloud, dead);
  const Attributes = {
    VisibilityTimeout: '900',
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 }),
  };
  const { QueueUrl } = await cloud.sqs.send(new CreateQueueCommand({ QueueName: name, Attributes }));
  const EventSourceArn = `arn:aws:sqs:${region}:${account}:${name}`;
  const FunctionName = await failingFunction(cloud);
  await cloud.lambda.send(new CreateEventSourceMappingCommand({ FunctionName, EventSourceArn, BatchSize: 1 }));
  await cloud.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: '{}' }));
  return (await receive(cloud, dead, 5)) !== undefined;
}
