/** Candidate → a processing job that scores it beside the champion → the gate's decision. */
import { EventField, Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events';
import { SnsTopic } from 'aws-cdk-lib/aws-events-targets';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { processingJobStateChange } from '../../lambdas/contract/aws-events.ts';
import {
  ApprovalGiven,
  ApprovalRequested,
  EVENT_SOURCE,
  EvaluationDelayed,
  EvaluationFailed,
  EvaluationRequested,
  EvaluationStarted,
  ModelApproved,
  ModelEvaluated,
  ModelRejected,
  ModelTrained,
  StepOverdue,
} from '../../lambdas/contract/events.ts';
import { sageMakerPrefix } from '../../lambdas/contract/keys.ts';
import { metrics } from '../../lambdas/contract/metrics.ts';
import { deadLetterQueue } from './dead-letter-queue.ts';
import { EventFunction } from './event-function.ts';
import { DELIVERY_RETRIES, EventRoute, LONGEST_DELIVERY } from './event-route.ts';
import type { Platform } from './platform.ts';
import { sumOf } from './project-metrics.ts';
import type { ProjectRoles } from './project-roles.ts';
import { sageMaker } from './sagemaker-access.ts';

export interface EvaluationProps {
  readonly platform: Platform;
  readonly roles: ProjectRoles;
}

export class Evaluation extends Construct {
  readonly functions: readonly EventFunction[];
  /** Requests for approval that reached nobody. */
  readonly unansweredRequests: IQueue;

  constructor(scope: Construct, id: string, { platform, roles }: EvaluationProps) {
    super(scope, id);
    const { environment, table, bus, key, datasets, models, alarms } = platform;

    const start = new EventFunction(this, 'Start', {
      name: 'start-evaluation',
      description: 'creates the processing job that scores a candidate beside the champion',
      platform,
      access: table
        .readWrite('evaluation', 'model', 'project')
        .and(bus.publish(EvaluationStarted, EvaluationRequested, EvaluationDelayed, EvaluationFailed))
        .and(roles.pass())
        .and(key.name())
        .and(datasets.named('DATASET_BUCKET'))
        .and(models.named('MODEL_BUCKET'))
        .and(
          sageMaker(this, platform, ['processing-job'], ['CreateProcessingJob', 'DescribeProcessingJob', 'AddTags']),
        ),
    });
    new EventRoute(this, 'Candidates', { bus: bus.bus, events: [ModelTrained, EvaluationRequested], to: start });

    const finish = new EventFunction(this, 'Finish', {
      name: 'finish-evaluation',
      description: "records a candidate's metrics, or why there are none",
      platform,
      access: table
        .readWrite('evaluation', 'model', 'project')
        .and(bus.publish(ModelEvaluated, EvaluationRequested, EvaluationDelayed, EvaluationFailed))
        .and(models.named('MODEL_BUCKET'))
        .and(models.read('models/*/evaluations/'))
        .and(sageMaker(this, platform, ['processing-job'], ['DescribeProcessingJob'])),
    });
    new EventRoute(this, 'Jobs', {
      events: [processingJobStateChange],
      detail: {
        ProcessingJobName: [{ prefix: sageMakerPrefix(environment.name) }],
        ProcessingJobStatus: ['Completed', 'Failed', 'Stopped'],
      },
      to: finish,
    });
    new EventRoute(this, 'Overdue', {
      bus: bus.bus,
      events: [StepOverdue],
      detail: { kind: ['evaluation'] },
      to: finish,
    });

    const judge = new EventFunction(this, 'Judge', {
      name: 'judge-candidate',
      description: "applies the project's gate to an evaluated candidate, and a person's answer",
      platform,
      access: table
        .readWrite('decision', 'model', 'deployment', 'agent', 'project')
        .and(bus.publish(ModelApproved, ModelRejected, ApprovalRequested, ModelTrained)),
    });
    new EventRoute(this, 'Judgements', { bus: bus.bus, events: [ModelEvaluated, ApprovalGiven], to: judge });
    this.unansweredRequests = deadLetterQueue(this, 'UnansweredRequests', { platform, of: 'approval requests' });
    this.#askForApproval(platform);
    for (const project of environment.projects)
      alarms.add(this, `${project.name}-rejected`, {
        kind: 'candidate-rejected',
        of: project.name,
        metric: sumOf(environment, project.name, metrics.candidateRejected),
        atLeast: 1,
      });
    this.functions = [start, finish, judge];
  }

  #askForApproval(platform: Platform): void {
    const { bus, topic, environment } = platform;
    const project = EventField.fromPath('$.detail.project');
    const model = EventField.fromPath('$.detail.model');
    new Rule(this, 'ApprovalRequests', {
      eventBus: bus.bus,
      description: 'Flywheel: tells people of models that wait for approval',
      eventPattern: { source: [EVENT_SOURCE], detailType: [ApprovalRequested.detailType] },
      targets: [
        // By the policies of topic and key, not by a role: EventBridge's guide to resource-based policies warns that an event
        // for an encrypted topic may not arrive when its target names one.
        new SnsTopic(topic, {
          deadLetterQueue: this.unansweredRequests,
          retryAttempts: DELIVERY_RETRIES,
          maxEventAge: LONGEST_DELIVERY,
          message: RuleTargetInput.fromText(
            `Model ${project}/${model} of environment ${environment.name} waits for approval: npx flywheel approve ${project}/${model} --env ${environment.name} --reason "..."`,
          ),
        }),
      ],
    });
  }
}
