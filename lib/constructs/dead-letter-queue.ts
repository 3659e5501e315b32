/** Where an event waits that nobody took: an encrypted queue, with an alarm as soon as something is in it. */
import { Duration, Validations } from 'aws-cdk-lib';
import { type IQueue, Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import type { Platform } from './platform.ts';

export interface DeadLetterQueueProps {
  readonly platform: Platform;
  /** Who gave the events up: a function, a rule. */
  readonly of: string;
}

export function deadLetterQueue(scope: Construct, id: string, { platform, of }: DeadLetterQueueProps): IQueue {
  const queue = new Queue(scope, id, {
    encryption: QueueEncryption.KMS,
    encryptionMasterKey: platform.key.key,
    enforceSSL: true,
    retentionPeriod: Duration.days(14),
  });
  // cdk-nag knows the dead-letter queues of functions and queues, not those of a rule's target.
  Validations.of(queue).acknowledge({ id: 'AwsSolutions-SQS3', reason: 'it is a dead-letter queue itself' });
  platform.alarms.add(scope, `${id}Alarm`, {
    kind: 'dead-letters',
    of,
    metric: queue.metricApproximateNumberOfMessagesVisible({ period: Duration.minutes(1), statistic: 'max' }),
    atLeast: 1,
  });
  return queue;
}
