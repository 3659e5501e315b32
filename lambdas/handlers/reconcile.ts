/**
 * A schedule → steps that stand still are compared with SageMaker, and what was lost is published again. Events may be
 * lost on their way (SageMaker sends them at best effort); nothing hangs for ever.
 */
import { reconciliationDue } from '../contract/aws-events.ts';
import { ModelApproved, ModelTrained, StepOverdue, TrainingRequested } from '../contract/events.ts';
import { metrics } from '../contract/metrics.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { eachProject, projectNamed } from '../runtime/settings.ts';
import { type EndpointGateway, endpointGateway } from '../stores/endpoint-gateway.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';
import { type TrainingGateway, trainingGateway } from '../stores/training-gateway.ts';
import { requireDecisionOn } from './decisions.ts';

interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
  readonly jobs: Pick<TrainingGateway, 'trainingJobEnd' | 'processingJobEnd'>;
  readonly endpoints: Pick<EndpointGateway, 'describe'>;
}

/** A step younger than this may just be on its way. */
export const OVERDUE_SECONDS = 300;
/** More steps of one kind than this are not under way at once. */
const RECENT = 20;

export const handler = eventHandler({
  name: 'reconcile',
  consumes: [reconciliationDue],
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    events: eventPublisher(environment.EVENT_BUS_NAME),
    jobs: trainingGateway(),
    endpoints: endpointGateway(),
  }),
  handle: reconcile,
});

export async function reconcile(
  event: ParsedEvent<typeof reconciliationDue>,
  context: Context<Services>,
): Promise<void> {
  const { settings, services } = context;
  // One project's broken record is no reason to leave the others alone: each gets an event of its own.
  if (event.detail.project === undefined) return services.events.publishAll(reconciliationDue, eachProject(settings));
  const project = projectNamed(settings, event.detail.project);
  const recovered =
    (await reconcileTraining(project, context)) +
    (await reconcileEvaluation(project, context)) +
    (await reconcileDeployment(project, context));
  context.metrics.record(project.name, metrics.eventsRecovered, recovered);
}

async function reconcileTraining({ name: project }: ProjectSettings, context: Context<Services>): Promise<number> {
  const { lineage, events, jobs } = context.services;
  let recovered = 0;
  for (const run of await lineage.newest('training-run', project, RECENT)) {
    if (run.status === 'requested' && overdue(run.requestedAt, context)) {
      await events.publish(TrainingRequested, { ...run, project, at: run.requestedAt });
      recovered++;
    } else if (
      run.status === 'started' &&
      run.jobName &&
      overdue(run.startedAt, context) &&
      (await jobs.trainingJobEnd(run.jobName))
    ) {
      await stepOverdue(project, 'training', run.jobName, context);
      recovered++;
    }
  }
  return recovered;
}

async function reconcileEvaluation({ name: project }: ProjectSettings, context: Context<Services>): Promise<number> {
  const { lineage, events, jobs } = context.services;
  let recovered = 0;
  const evaluations = await lineage.newest('evaluation', project, RECENT);
  for (const evaluation of evaluations) {
    if (evaluation.status !== 'started' || !overdue(evaluation.at, context)) continue;
    if (!(await jobs.processingJobEnd(evaluation.jobName))) continue;
    await stepOverdue(project, 'evaluation', evaluation.jobName, context);
    recovered++;
  }
  for (const model of await lineage.newest('model', project, RECENT)) {
    const begun = evaluations.some((each) => each.model === model.model);
    if (model.status === 'trained' && !begun && overdue(model.at, context)) {
      await events.publish(ModelTrained, { ...model, project });
      recovered++;
    } else if (model.status === 'evaluated' && model.evaluationJob && overdue(model.at, context)) {
      await stepOverdue(project, 'evaluation', model.evaluationJob, context);
      recovered++;
    }
  }
  return recovered;
}

async function reconcileDeployment({ name: project }: ProjectSettings, context: Context<Services>): Promise<number> {
  const { lineage, events, endpoints } = context.services;
  const deployments = await lineage.newest('deployment', project, RECENT);
  const begun = new Set(deployments.map((each) => each.model));
  let recovered = 0;
  const { wanted } = await lineage.state(project);
  for (const model of await lineage.newest('model', project, RECENT)) {
    if (
      model.status !== 'approved' ||
      begun.has(model.model) ||
      model.model < (wanted ?? 0) ||
      !overdue(model.at, context)
    )
      continue;
    const decision = await requireDecisionOn(lineage, project, model.model);
    await events.publish(ModelApproved, { ...decision, project });
    recovered++;
  }
  const updating = deployments.find((each) => each.status === 'updating' || each.status === 'requested');
  if (updating && overdue(updating.startedAt ?? updating.at, context)) {
    const endpoint = await endpoints.describe(updating.endpoint);
    // No endpoint, too: a failed one was deleted, and the event that makes it anew was lost.
    if (!endpoint || !IN_PROGRESS.has(endpoint.status)) {
      await stepOverdue(project, 'deployment', updating.endpoint, context);
      recovered++;
    }
  }
  return recovered;
}

const IN_PROGRESS = new Set(['Creating', 'Updating', 'RollingBack', 'SystemUpdating', 'Deleting']);

function overdue(since: string | undefined, { now }: Context<Services>): boolean {
  return since === undefined || now().getTime() - Date.parse(since) > OVERDUE_SECONDS * 1000;
}

async function stepOverdue(
  project: string,
  kind: 'training' | 'evaluation' | 'deployment',
  name: string,
  { services, now, log }: Context<Services>,
): Promise<void> {
  log.warn('SageMaker has ended a step whose event never came', { project, kind, name });
  await services.events.publish(StepOverdue, { project, at: now().toISOString(), kind, name });
}
