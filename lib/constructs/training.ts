/** Dataset version, drift or demand → a training job → a model version. */
import { Construct } from 'constructs';
import { trainingJobStateChange } from '../../lambdas/contract/aws-events.ts';
import {
  DatasetVersionRegistered,
  DriftDetected,
  EvaluationDelayed,
  EvaluationRequested,
  ModelTrained,
  StepOverdue,
  TrainingDelayed,
  TrainingDemanded,
  TrainingDue,
  TrainingFailed,
  TrainingRequested,
  TrainingStarted,
  TrainingSuppressed,
} from '../../lambdas/contract/events.ts';
import { sageMakerPrefix } from '../../lambdas/contract/keys.ts';
import { metrics } from '../../lambdas/contract/metrics.ts';
import { EventFunction } from './event-function.ts';
import { EventRoute } from './event-route.ts';
import type { Platform } from './platform.ts';
import { sumOf } from './project-metrics.ts';
import type { ProjectRoles } from './project-roles.ts';
import { sageMaker } from './sagemaker-access.ts';

export interface TrainingProps {
  readonly platform: Platform;
  readonly roles: ProjectRoles;
}

export class Training extends Construct {
  readonly functions: readonly EventFunction[];

  constructor(scope: Construct, id: string, { platform, roles }: TrainingProps) {
    super(scope, id);
    const { environment, table, bus, key, datasets, models, alarms } = platform;

    const request = new EventFunction(this, 'Request', {
      name: 'request-training',
      description: 'decides whether a dataset version, drift or a person starts a training run',
      platform,
      access: table
        .readWrite('training-run', 'code', 'evaluation', 'model', 'project')
        .and(bus.publish(TrainingRequested, TrainingSuppressed, EvaluationRequested, EvaluationDelayed)),
    });
    new EventRoute(this, 'Causes', {
      bus: bus.bus,
      events: [DatasetVersionRegistered, DriftDetected, TrainingDemanded, TrainingDue],
      to: request,
    });

    const start = new EventFunction(this, 'Start', {
      name: 'start-training',
      description: 'creates the training job of a requested run',
      platform,
      access: table
        .readWrite('training-run', 'project')
        .and(bus.publish(TrainingStarted, TrainingDelayed, TrainingDue, TrainingFailed))
        .and(roles.pass())
        .and(key.name())
        .and(datasets.named('DATASET_BUCKET'))
        .and(datasets.read('datasets/*/manifests/'))
        .and(datasets.write('datasets/*/channels/'))
        .and(models.named('MODEL_BUCKET'))
        .and(models.read('models/*/code/'))
        .and(models.write('models/*/code/'))
        .and(roles.registries.named())
        .and(sageMaker(this, platform, ['training-job'], ['CreateTrainingJob', 'DescribeTrainingJob', 'AddTags'])),
    });
    new EventRoute(this, 'Requests', { bus: bus.bus, events: [TrainingRequested], to: start });

    const finish = new EventFunction(this, 'Finish', {
      name: 'finish-training',
      description: 'makes an ended training job a model version, another attempt, or a failure',
      platform,
      access: table
        .readWrite('training-run', 'model', 'project')
        .and(bus.publish(TrainingRequested, TrainingDelayed, TrainingDue, ModelTrained, TrainingFailed))
        .and(roles.registries.named())
        .and(sageMaker(this, platform, ['training-job'], ['DescribeTrainingJob'])),
    });
    new EventRoute(this, 'Jobs', {
      events: [trainingJobStateChange],
      detail: {
        TrainingJobName: [{ prefix: sageMakerPrefix(environment.name) }],
        TrainingJobStatus: ['Completed', 'Failed', 'Stopped'],
      },
      to: finish,
    });
    new EventRoute(this, 'Overdue', {
      bus: bus.bus,
      events: [StepOverdue],
      detail: { kind: ['training'] },
      to: finish,
    });

    for (const project of environment.projects)
      alarms.add(this, `${project.name}-failed`, {
        kind: 'training-failed',
        of: project.name,
        metric: sumOf(environment, project.name, metrics.trainingFailed),
        atLeast: 1,
      });
    this.functions = [request, start, finish];
  }
}
