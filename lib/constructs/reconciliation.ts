/** Compares the table with SageMaker at intervals, and publishes what was lost. */
import { Duration } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { reconciliationDue } from '../../lambdas/contract/aws-events.ts';
import {
  EvaluationRequested,
  ModelApproved,
  ModelTrained,
  StepOverdue,
  TrainingDue,
  TrainingRequested,
} from '../../lambdas/contract/events.ts';
import { metrics } from '../../lambdas/contract/metrics.ts';
import { EventFunction } from './event-function.ts';
import { EventRoute } from './event-route.ts';
import type { Platform } from './platform.ts';
import { sumOf } from './project-metrics.ts';
import { sageMaker } from './sagemaker-access.ts';
import { Schedule } from './schedule.ts';

/** Long against the seconds that an event takes, short against the hours that a person would need to see it missing. */
const INTERVAL_MINUTES = 15;

export class Reconciliation extends Construct {
  readonly functions: readonly EventFunction[];

  constructor(scope: Construct, id: string, { platform }: { readonly platform: Platform }) {
    super(scope, id);
    const { environment, table, bus, alarms } = platform;
    const reconcile = new EventFunction(this, 'Reconcile', {
      name: 'reconcile',
      description: 'finds steps whose event was lost, and publishes it again',
      platform,
      timeout: Duration.minutes(5),
      access: table
        .read()
        .and(table.query())
        .and(
          bus.publish(
            TrainingDue,
            TrainingRequested,
            ModelTrained,
            EvaluationRequested,
            ModelApproved,
            StepOverdue,
            reconciliationDue,
          ),
        )
        .and(
          sageMaker(
            this,
            platform,
            ['training-job', 'processing-job', 'endpoint'],
            ['DescribeTrainingJob', 'DescribeProcessingJob', 'DescribeEndpoint'],
          ),
        ),
    });
    // The function divides what the schedule sends into an event for each project.
    new EventRoute(this, 'Due', { bus: bus.bus, events: [reconciliationDue], to: reconcile });
    new Schedule(this, 'Interval', { minutes: INTERVAL_MINUTES, event: reconciliationDue, to: reconcile });
    for (const project of environment.projects)
      alarms.add(this, `${project.name}-recovered`, {
        kind: 'events-recovered',
        of: project.name,
        metric: sumOf(environment, project.name, metrics.eventsRecovered),
        atLeast: 1,
      });
    this.functions = [reconcile];
  }
}
