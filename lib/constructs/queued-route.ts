/**
 * From events to a function, through a queue: however many events come at once, few of them are handled at the same time. Without
 * it each event takes one of the account's concurrent executions, and a burst leaves none to the functions that clients wait for.
 *
 *     rule ──▶ queue ──▶ function, at most `concurrency` at a time
 *                │ given up on after some attempts
 *                ▼
 *              the function's dead-letter queue
 */
import { Duration } from 'aws-cdk-lib';
import type { EventPattern, IRuleTarget } from 'aws-cdk-lib/aws-events';
import { Rule } from 'aws-cdk-lib/aws-events';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { EventSourceMapping, type IFunction } from 'aws-cdk-lib/aws-lambda';
import { type IQueue, Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { grant } from './access.ts';
import type { EventFunction } from './event-function.ts';
import { DELIVERY_RETRIES, LONGEST_DELIVERY } from './event-route.ts';
import type { Platform } from './platform.ts';

export interface QueuedRouteProps {
  readonly platform: Platform;
  /** An event of AWS, on the account's default bus. */
  readonly event: { readonly source: string; readonly detailType: string };
  /** Narrows the details, as in an event pattern. */
  readonly detail: EventPattern['detail'];
  readonly to: EventFunction;
  /** Events that are handled at the same time, at most; Lambda takes 2 to 1,000. */
  readonly concurrency: number;
  /** Time limit of the function: until then an event that is being handled is shown to no one else. */
  readonly timeout: Duration;
}

/** "At least five" (Lambda developer guide, queues as event sources): a call that was throttled is an attempt, too. */
const ATTEMPTS = 5;

/** How long the oldest event may wait before somebody should look. */
const LONGEST_WAIT = Duration.hours(1);

export class QueuedRoute extends Construct {
  constructor(scope: Construct, id: string, props: QueuedRouteProps) {
    super(scope, id);
    const { platform, to, concurrency, timeout } = props;
    if (!to.deadLetters)
      throw new Error(`${to.node.path}: got a route to a synchronous function, expected one that events wake`);
    const queue = new Queue(this, 'Queue', {
      encryption: QueueEncryption.KMS,
      encryptionMasterKey: platform.key.key,
      enforceSSL: true,
      // A message keeps its age when it becomes a dead letter: a week is left for it to be found there.
      retentionPeriod: Duration.days(7),
      // Lambda refuses a queue whose messages reappear before the function's time is over.
      visibilityTimeout: timeout,
      deadLetterQueue: { queue: to.deadLetters, maxReceiveCount: ATTEMPTS },
    });
    this.#fill(queue, props, to.deadLetters);
    consume(to.function, queue);
    new EventSourceMapping(this, 'Mapping', {
      target: to.function,
      eventSourceArn: queue.queueArn,
      batchSize: 1,
      maxConcurrency: concurrency,
    });
    platform.alarms.add(this, 'Waiting', {
      kind: 'uploads-waiting',
      of: to.name,
      metric: queue.metricApproximateAgeOfOldestMessage({ period: Duration.minutes(5), statistic: 'max' }),
      atLeast: LONGEST_WAIT.toSeconds(),
    });
  }

  #fill(queue: Queue, { event, detail, to }: QueuedRouteProps, deadLetters: IQueue): void {
    const target: IRuleTarget = {
      bind: () => ({
        arn: queue.queueArn,
        deadLetterConfig: { arn: deadLetters.queueArn },
        retryPolicy: {
          maximumEventAgeInSeconds: LONGEST_DELIVERY.toSeconds(),
          maximumRetryAttempts: DELIVERY_RETRIES,
        },
      }),
    };
    const rule = new Rule(this, 'Rule', {
      description: `Flywheel: through a queue wakes ${to.name}`,
      eventPattern: { source: [event.source], detailType: [event.detailType], ...(detail && { detail }) },
      targets: [target],
    });
    // Not the CDK's own target: it would repeat this condition in the policy of the key, where EventBridge brings no source.
    for (const each of [queue, deadLetters])
      each.addToResourcePolicy(
        new PolicyStatement({
          sid: `From${this.node.addr}`,
          principals: [new ServicePrincipal('events.amazonaws.com')],
          actions: ['sqs:SendMessage'],
          resources: [each.queueArn],
          conditions: { ArnEquals: { 'aws:SourceArn': rule.ruleArn } },
        }),
      );
  }
}

/** What Lambda does in the name of the function's role ("Configuring an Amazon SQS queue to trigger a function"). */
function consume({ role }: IFunction, queue: Queue): void {
  if (!role) throw new Error(`${queue.node.path}: the function has no role of its own`);
  grant(role, [
    { actions: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'], resources: [queue.queueArn] },
  ]);
}
