/** Messages that a function or a rule gave up on: what they say, and how a function is given its own again. */
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import {
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import * as z from 'zod';

export interface DeadLetters {
  readonly handler: string;
  readonly waiting: number;
  /** The function's last words, of up to ten messages, each text once. */
  readonly reasons: readonly string[];
}

/** Looks into the queue of each handler; empty queues are left out. Messages stay where they are. */
export async function peekDeadLetters(
  queues: Readonly<Record<string, string>>,
  sqs = new SQSClient({}),
): Promise<DeadLetters[]> {
  const all = await Promise.all(
    Object.entries(queues).map(async ([handler, url]) => {
      const { waiting, messages } = await peek(sqs, url);
      return waiting === 0 ? [] : [{ handler, waiting, reasons: [...new Set(messages.map(reasonOf))] }];
    }),
  );
  return all.flat();
}

/** How `flywheel redrive` is asked for the queue of requests for approval, which it refuses. */
export const APPROVAL_REQUESTS = 'approval-requests';

export interface UnansweredRequests {
  readonly waiting: number;
  /** Of up to ten messages: the model that waits for a person, and why nobody was told. */
  readonly requests: readonly { readonly model: string; readonly reason: string }[];
}

const approvalRequest = z.object({ detail: z.object({ project: z.string(), model: z.number() }) });

/** Looks into the queue of requests for approval that could not be delivered. Messages stay where they are. */
export async function peekUnansweredRequests(url: string, sqs = new SQSClient({})): Promise<UnansweredRequests> {
  const { waiting, messages } = await peek(sqs, url);
  const requests = messages.map((message) => {
    const event = approvalRequest.safeParse(JSON.parse(message.Body ?? '{}'));
    const model = event.success ? `${event.data.detail.project}/${event.data.detail.model}` : 'unknown model';
    return { model, reason: reasonOf(message) };
  });
  return { waiting, requests };
}

async function peek(sqs: SQSClient, url: string): Promise<{ waiting: number; messages: readonly Message[] }> {
  const { Attributes } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['ApproximateNumberOfMessages'] }),
  );
  const waiting = Number(Attributes?.ApproximateNumberOfMessages ?? 0);
  // Visibility 0: whoever asks next sees the messages too.
  return { waiting, messages: waiting === 0 ? [] : await receive(sqs, url, 0) };
}

export interface Redriven {
  readonly handler: string;
  readonly messages: number;
}

/** Longer than giving ten messages to a function takes, so no message is given twice by one run. */
const HOLD_SECONDS = 60;

/** Gives every message of a queue to its function again, as a new asynchronous call, and then removes it. */
export async function redrive(
  handler: string,
  queueUrl: string,
  functionName: string,
  sqs = new SQSClient({}),
  lambda = new LambdaClient({}),
): Promise<Redriven> {
  let messages = 0;
  for (
    let batch = await receive(sqs, queueUrl, HOLD_SECONDS);
    batch.length > 0;
    batch = await receive(sqs, queueUrl, HOLD_SECONDS)
  ) {
    for (const message of batch) {
      await lambda.send(
        new InvokeCommand({
          FunctionName: functionName,
          InvocationType: 'Event',
          Payload: Buffer.from(payloadOf(message)),
        }),
      );
      // Only now: a crash in between gives the event twice, which every handler expects, and never loses it.
      await sqs.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: message.ReceiptHandle }));
      messages += 1;
    }
  }
  return { handler, messages };
}

async function receive(sqs: SQSClient, url: string, visibilitySeconds: number): Promise<Message[]> {
  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({
      QueueUrl: url,
      MaxNumberOfMessages: 10,
      VisibilityTimeout: visibilitySeconds,
      MessageAttributeNames: ['All'],
    }),
  );
  return Messages;
}

/** A destination wraps the event with what became of it; a dead-letter queue holds the event alone. */
const destinationRecord = z.object({
  requestPayload: z.unknown(),
  responsePayload: z.object({ errorMessage: z.string() }).optional(),
});

/**
 * Lambda names the error in `ErrorMessage` (developer guide, dead-letter queues), a rule that found no target in `ERROR_CODE`
 * and `ERROR_MESSAGE` (EventBridge user guide, dead-letter queues); a function's queue receives from both.
 */
function reasonOf(message: Message): string {
  const { ErrorMessage, ERROR_CODE, ERROR_MESSAGE } = message.MessageAttributes ?? {};
  if (ErrorMessage?.StringValue) return ErrorMessage.StringValue;
  if (ERROR_CODE?.StringValue)
    return [ERROR_CODE.StringValue, ERROR_MESSAGE?.StringValue].filter((part) => part).join(': ');
  const wrapped = destinationRecord.safeParse(JSON.parse(message.Body ?? '{}'));
  return (wrapped.success && wrapped.data.responsePayload?.errorMessage) || 'no reason given';
}

function payloadOf(message: Message): string {
  const body = message.Body ?? '{}';
  const wrapped = destinationRecord.safeParse(JSON.parse(body));
  return wrapped.success && wrapped.data.requestPayload !== undefined
    ? JSON.stringify(wrapped.data.requestPayload)
    : body;
}
