/**
 * A schedule → steps that stand still are compared with SageMaker, and what was lost is published again. Events may be
 * lost on their way (SageMaker sends them at best effort); nothing hangs for ever.
 */
import { reconciliationDue } from '../contract/aws-events.ts';
import {
  EvaluationRequested,
  ModelApproved,
  ModelTrained,
  StepOverdue,
  TrainingRequested,
} from '../contract/events.ts';
import { metrics } from '../contract/metrics.ts';
import type { EvaluationRecord } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { eachProject, projectNamed } from '../runtime/settings.ts';
import { requireDecisionOn } from '../steps/approval/decisions.ts';
import { announceDue } from '../steps/training/training-due.ts';
import { type EndpointGateway, endpointGateway } from '../stores/endpoint-gateway.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';
import { type TrainingGateway, trainingGateway } from '../stores/training-gateway.ts';

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
  const state = await lineage.state(project);
  if (state.activeRunId === undefined) {
    const due = state.renewal ?? state.pending;
    if (!due || !overdue(due.since, context)) return 0;
    await announceDue(project, state, events);
    // A cause that waits for the cooldown to pass is asked for by nobody else, so nothing was lost.
    return state.renewal ? 1 : 0;
  }
  const run = await lineage.require('training-run', project, state.activeRunId);
  switch (run.status) {
    case 'requested':
      if (!overdue(run.requestedAt, context)) return 0;
      await events.publish(TrainingRequested, { ...run, project, at: run.requestedAt });
      return 1;
    case 'waiting':
      await events.publish(TrainingRequested, { ...run, project, at: run.requestedAt });
      return 0;
    case 'started':
      if (!run.jobName || !overdue(run.startedAt, context) || !(await jobs.trainingJobEnd(run.jobName))) return 0;
      await stepOverdue(project, 'training', run.jobName, context);
      return 1;
    default:
      return 0;
  }
}

async function reconcileEvaluation({ name: project }: ProjectSettings, context: Context<Services>): Promise<number> {
  const { lineage, events } = context.services;
  let recovered = 0;
  for (const model of await lineage.newest('model', project, RECENT)) {
    if (model.status !== 'trained' && model.status !== 'evaluated') continue;
    if (model.newestEvaluation !== undefined) {
      const evaluation = await lineage.require('evaluation', project, model.newestEvaluation);
      recovered += await resume(project, evaluation, context);
    } else if (overdue(model.at, context)) {
      await events.publish(ModelTrained, { ...model, project });
      recovered++;
    }
  }
  return recovered;
}

/** @returns how many events had been lost */
async function resume(project: string, evaluation: EvaluationRecord, context: Context<Services>): Promise<number> {
  const { events, jobs } = context.services;
  const { model, jobName, requestedAt, startedAt, endedAt } = evaluation;
  const again = (reason: string) =>
    events.publish(EvaluationRequested, { project, at: requestedAt, model, jobName, reason });
  switch (evaluation.status) {
    case 'requested':
      if (!overdue(requestedAt, context)) return 0;
      await again('its event was lost');
      return 1;
    case 'waiting':
      await again(evaluation.waitingFor ?? 'it waits');
      return 0;
    case 'started':
      if (!overdue(startedAt, context) || !(await jobs.processingJobEnd(jobName))) return 0;
      await stepOverdue(project, 'evaluation', jobName, context);
      return 1;
    case 'completed':
      // Judged by nobody: its end is told again. A champion that has changed since makes judge-candidate ask for another.
      if (!overdue(endedAt, context)) return 0;
      await stepOverdue(project, 'evaluation', jobName, context);
      return 1;
    default:
      return 0;
  }
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
