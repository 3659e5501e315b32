/**
 * Every alarm: what it is called in the runbook, how urgent it is, and what missing data means. docs/runbook.md has one
 * section for each kind; a test compares the two.
 */
import { Alarm, ComparisonOperator, type IAlarm, type IMetric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';

/** high: the loop stands still or clients are failed; low: somebody should know. */
type Severity = 'high' | 'low';

interface AlarmKind {
  readonly severity: Severity;
  /** What has happened, in a sentence. */
  readonly description: string;
  /** Why no data is no reason for an alarm, which is so for every kind here. */
  readonly missingDataIsFineBecause: string;
}

/** By the name of its section in the runbook. */
export const alarmKinds = {
  'dead-letters': {
    severity: 'high',
    description: 'An event was given up on, and waits in a dead-letter queue.',
    missingDataIsFineBecause: 'a queue that was empty for six hours sends no data',
  },
  'api-errors': {
    severity: 'high',
    description: 'The HTTP API answered with 5xx.',
    missingDataIsFineBecause: 'without requests there are no errors',
  },
  'dataset-rejected': {
    severity: 'low',
    description: 'An upload was quarantined; the dataset version before stays.',
    missingDataIsFineBecause: 'there is a value only when something was uploaded',
  },
  'uploads-waiting': {
    severity: 'low',
    description: 'An upload has waited for more than an hour to be checked.',
    missingDataIsFineBecause: 'a queue that was empty for six hours sends no data',
  },
  'training-failed': {
    severity: 'high',
    description: 'A training run or an evaluation failed; the model in service stays.',
    missingDataIsFineBecause: 'there is a value only when a job has ended',
  },
  'candidate-rejected': {
    severity: 'low',
    description: 'A candidate was rejected by the gate or a person; the model in service stays.',
    missingDataIsFineBecause: 'there is a value only when a candidate was judged',
  },
  'deployment-rolled-back': {
    severity: 'high',
    description: 'A deployment failed or was rolled back; the model before it goes on serving.',
    missingDataIsFineBecause: 'there is a value only when a deployment has ended',
  },
  'endpoint-errors': {
    severity: 'high',
    description: 'The endpoint answered with 5xx.',
    missingDataIsFineBecause: 'without requests there are no errors',
  },
  'endpoint-latency': {
    severity: 'high',
    description: 'The model answers too slowly.',
    missingDataIsFineBecause: 'without requests there is no latency',
  },
  'drift-detected': {
    severity: 'low',
    description: 'Captured traffic has drifted away from what the model was trained on.',
    missingDataIsFineBecause: 'nothing is measured before a model is in service',
  },
  'capture-beyond-limit': {
    severity: 'low',
    description: 'Captured traffic was more than is counted; drift is measured on a part of it.',
    missingDataIsFineBecause: 'there is a value only when a file was beyond a limit',
  },
  'drift-not-measured': {
    severity: 'low',
    description: 'Measuring drift failed.',
    missingDataIsFineBecause: 'there is a value for every measurement that ran',
  },
  'events-recovered': {
    severity: 'low',
    description: 'Events had been lost and were published again.',
    missingDataIsFineBecause: 'there is a value only when something was recovered',
  },
} as const satisfies Readonly<Record<string, AlarmKind>>;

type AlarmName = keyof typeof alarmKinds;

export interface AlarmProps {
  readonly kind: AlarmName;
  /** What it watches, for the description: a function, a project. */
  readonly of: string;
  readonly metric: IMetric;
  /** The alarm goes off when the metric reaches this. */
  readonly atLeast: number;
  /**
   * Periods in a row.
   * @default 1
   */
  readonly periods?: number;
}

/** Makes alarms that tell the topic. */
export class Alarms {
  readonly all: IAlarm[] = [];
  readonly #topic: ITopic;

  constructor(topic: ITopic) {
    this.#topic = topic;
  }

  add(scope: Construct, id: string, props: AlarmProps): Alarm {
    const kind = alarmKinds[props.kind];
    const alarm = new Alarm(scope, id, {
      metric: props.metric,
      alarmDescription: `[${kind.severity}] ${props.of}: ${kind.description} Runbook: docs/runbook.md#${props.kind}`,
      threshold: props.atLeast,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods: props.periods ?? 1,
      // missingDataIsFineBecause of each kind.
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new SnsAction(this.#topic));
    this.all.push(alarm);
    return alarm;
  }
}
