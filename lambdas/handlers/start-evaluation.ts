/** ModelTrained, EvaluationRequested → the processing job that scores the model beside the one in service. */
import { EvaluationRequested, EvaluationStarted, ModelTrained } from '../contract/events.ts';
import { nodeId } from '../contract/keys.ts';
import type { EvaluationRecord, ModelRecord } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { ConcurrentChange } from '../domain/errors.ts';
import { type EvaluationJobPlaces, evaluationJobRequest } from '../domain/evaluation-job.ts';
import { afterRefusal, type Next, whileInUse } from '../domain/evaluation-plan.ts';
import { installationOf } from '../domain/installation.ts';
import { isOutOfPatience, neverStarted } from '../domain/jobs.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { type ProjectRoles, roleOf } from '../runtime/project-roles.ts';
import { projectNamed } from '../runtime/settings.ts';
import {
  announceRequest,
  evaluationId,
  planEvaluation,
  recordOfEvaluation,
} from '../steps/evaluation/evaluation-requests.ts';
import { announceFailure, giveUpEvaluation, replaceEvaluation } from '../steps/evaluation/evaluation-steps.ts';
import { budgetWrites, reserved } from '../stores/budget-writes.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';
import { type CreateOutcome, type TrainingGateway, trainingGateway } from '../stores/training-gateway.ts';

interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
  readonly sageMaker: Pick<TrainingGateway, 'createProcessingJob'>;
  readonly places: Omit<EvaluationJobPlaces, 'roleArn'>;
  readonly roles: ProjectRoles;
  readonly installation: string;
}

export const handler = eventHandler({
  name: 'start-evaluation',
  consumes: [ModelTrained, EvaluationRequested],
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    events: eventPublisher(environment.EVENT_BUS_NAME),
    sageMaker: trainingGateway(),
    places: {
      keyArn: environment.DATA_KEY_ARN,
      datasetBucket: environment.DATASET_BUCKET,
      modelBucket: environment.MODEL_BUCKET,
    },
    roles: environment.PROJECT_ROLES,
    installation: installationOf(environment.TABLE_NAME),
  }),
  handle: startEvaluation,
});

export async function startEvaluation(
  event: ParsedEvent<typeof ModelTrained | typeof EvaluationRequested>,
  context: Context<Services>,
): Promise<void> {
  const { settings, services } = context;
  const project = projectNamed(settings, event.detail.project);
  const model = await services.lineage.require('model', project.name, event.detail.model);
  const evaluation = await presentEvaluation(project, model, context);
  switch (evaluation?.status) {
    case 'requested':
    case 'waiting':
      try {
        return await ask(project, model, evaluation, context);
      } catch (error) {
        // Each retry and reconcile have asked all day.
        if (!isOutOfPatience(evaluation.requestedAt, context.now())) throw error;
        return abandon(project, model, evaluation, error, context);
      }
    case 'started':
    case 'completed':
      return announce(project, evaluation, services.events);
    case 'failed':
      return announceFailure(project.name, evaluation, services);
  }
}

/** @throws the error when it is not that the job could not be started */
async function abandon(
  project: ProjectSettings,
  model: ModelRecord,
  { jobName, requestedAt }: EvaluationRecord,
  error: unknown,
  context: Context<Services>,
): Promise<void> {
  const evaluation = await context.services.lineage.require('evaluation', project.name, jobName);
  if (evaluation.status !== 'requested' && evaluation.status !== 'waiting') throw error;
  await giveUp(project, model, evaluation, neverStarted(requestedAt, error), context);
}

async function giveUp(
  { name: project }: ProjectSettings,
  model: ModelRecord,
  evaluation: EvaluationRecord,
  reason: string,
  context: Context<Services>,
): Promise<void> {
  const failure = { reason, endedAt: context.now().toISOString(), seconds: 0 };
  await giveUpEvaluation(project, model, evaluation, failure, context);
  const ended = await context.services.lineage.require('evaluation', project, evaluation.jobName);
  await announceFailure(project, ended, context.services);
}

/** The evaluation that the model is to have now, recorded; undefined for a model that was judged. */
async function presentEvaluation(
  project: ProjectSettings,
  model: ModelRecord,
  context: Context<Services>,
): Promise<EvaluationRecord | undefined> {
  const { lineage } = context.services;
  if (model.status !== 'trained' && model.status !== 'evaluated') return undefined;
  const newest =
    model.newestEvaluation === undefined
      ? undefined
      : await lineage.require('evaluation', project.name, model.newestEvaluation);
  // A model that was overtaken while it waited is judged against what serves now, even if that is newer.
  const { champion = null } = await lineage.state(project.name);
  if (newest && (newest.status !== 'completed' || newest.champion === champion)) return newest;
  return record(project, model, { champion, number: (newest?.number ?? 0) + 1 }, context);
}

async function record(
  project: ProjectSettings,
  model: ModelRecord,
  asked: { champion: number | null; number: number },
  context: Context<Services>,
): Promise<EvaluationRecord> {
  const evaluation = planEvaluation(project, { model: model.model, ...asked }, context);
  const outcome = await context.services.lineage.write([
    ...recordOfEvaluation(project.name, model, evaluation),
    {
      kind: 'update',
      id: nodeId.build('model', project.name, model.model),
      set: { newestEvaluation: evaluation.jobName },
      expect: { status: ['trained', 'evaluated'] },
    },
    ...budgetWrites(project.name, reserved(evaluation.reservation)),
  ]);
  if (!outcome.written) throw new ConcurrentChange(`evaluation ${evaluation.jobName}`);
  return evaluation;
}

/** Asks SageMaker for the job, on one type of the list after the other. */
async function ask(
  project: ProjectSettings,
  model: ModelRecord,
  evaluation: EvaluationRecord,
  context: Context<Services>,
): Promise<void> {
  const { lineage, sageMaker, places, roles } = context.services;
  const run = await lineage.require('training-run', project.name, model.runId);
  const champion =
    evaluation.champion === null ? undefined : await lineage.require('model', project.name, evaluation.champion);
  const request = evaluationJobRequest(project, evaluation, model, run.codeSha256, champion, {
    ...places,
    roleArn: roleOf(roles, project.name),
  });
  const outcome = await sageMaker.createProcessingJob(request);
  switch (outcome.outcome) {
    case 'created':
    case 'exists':
      return started(project, evaluation, context);
    case 'taken':
      return rename(project, model, evaluation, outcome.reason, context);
    case 'unavailable':
    case 'in-use':
      return elsewhere(project, model, evaluation, outcome, context);
  }
}

async function started(project: ProjectSettings, evaluation: EvaluationRecord, context: Context<Services>) {
  const { services, now } = context;
  const set = { status: 'started' as const, startedAt: now().toISOString() };
  const outcome = await services.lineage.write([
    {
      kind: 'update',
      id: evaluationId(project.name, evaluation.jobName),
      set,
      expect: { status: ['requested', 'waiting'] },
    },
  ]);
  // The job may even have ended by now; whoever moved the evaluation on has told of it.
  if (outcome.written) await announce(project, { ...evaluation, ...set }, services.events);
}

async function announce(project: ProjectSettings, evaluation: EvaluationRecord, events: EventPublisher): Promise<void> {
  const { model, champion, jobName, startedAt } = evaluation;
  // Ended before it was recorded as started: there is nothing more to tell of its start.
  if (startedAt === undefined) return;
  await events.publish(EvaluationStarted, { project: project.name, at: startedAt, model, champion, jobName });
}

/** The name belongs to a job of somebody else: an environment that was here before, a table that was restored. */
async function rename(
  project: ProjectSettings,
  model: ModelRecord,
  evaluation: EvaluationRecord,
  reason: string,
  context: Context<Services>,
) {
  context.log.warn('the name of an evaluation is taken', { project: project.name, reason });
  const { model: number, champion, cause, instance, tries, refusals = [] } = evaluation;
  const asked = { model: number, champion, number: evaluation.number + 1, ...(cause !== undefined && { cause }) };
  const next = planEvaluation(project, asked, context, { instance, tries, refusals });
  await replaceEvaluation(project.name, model, [evaluation, next], { reason, endedAt: next.at, seconds: 0 }, context);
  await announceRequest(project.name, next, reason, context.services.events);
}

/** Another type, another time, or never. */
async function elsewhere(
  project: ProjectSettings,
  model: ModelRecord,
  evaluation: EvaluationRecord,
  { outcome, reason }: Extract<CreateOutcome, { reason: string }>,
  context: Context<Services>,
): Promise<void> {
  const at = context.now().toISOString();
  const next: Next =
    outcome === 'in-use'
      ? whileInUse(evaluation, reason, context.now())
      : afterRefusal(evaluation, reason, project.training.evaluationInstances);
  if ('giveUp' in next) return giveUp(project, model, evaluation, next.giveUp, context);
  const { waitingFor, ...placement } = next.again;
  const waits = waitingFor !== undefined;
  const moved: EvaluationRecord = {
    ...evaluation,
    ...placement,
    // The first reason stays, so that it is the same to the letter whenever it is told.
    ...(waits && {
      status: 'waiting',
      waitingFor: evaluation.waitingFor ?? waitingFor,
      waitingSince: evaluation.waitingSince ?? at,
    }),
  };
  const { status, instance, tries, refusals, waitingSince, waitingFor: told } = moved;
  const written = await context.services.lineage.write([
    {
      kind: 'update',
      id: evaluationId(project.name, evaluation.jobName),
      set: { status, instance, tries, refusals, waitingFor: told, waitingSince },
      expect: { status: ['requested', 'waiting'], instance: [evaluation.instance], tries: [evaluation.tries] },
    },
  ]);
  if (!written.written) throw new ConcurrentChange(`evaluation ${evaluation.jobName}`);
  if (!waits) return ask(project, model, moved, context);
  await announceRequest(project.name, moved, told ?? waitingFor, context.services.events);
}
