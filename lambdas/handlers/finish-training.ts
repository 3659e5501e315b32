/** A training job ended → a model version, another attempt, or a failure; each recorded before it is told. */
import { trainingJobStateChange } from '../contract/aws-events.ts';
import { ModelTrained, StepOverdue, TrainingRequested } from '../contract/events.ts';
import { nodeId, trainingJobName } from '../contract/keys.ts';
import { metrics } from '../contract/metrics.ts';
import type { ModelRecord, TrainingRunRecord } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { ConcurrentChange } from '../domain/errors.ts';
import {
  failureKind,
  type ImageRegistries,
  MAXIMUM_TRIES,
  noInstance,
  type TrainingJobEnd,
  withRefusal,
} from '../domain/jobs.ts';
import { servingImageUri } from '../domain/training-run.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { projectNamed } from '../runtime/settings.ts';
import { announceDue } from '../steps/training/training-due.ts';
import {
  announceDelay,
  announceFailure,
  endOfRun,
  failRun,
  runNode,
  UNDER_WAY,
} from '../steps/training/training-steps.ts';
import { budgetWrites, used } from '../stores/budget-writes.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';
import { type TrainingGateway, trainingGateway } from '../stores/training-gateway.ts';

type Events = ParsedEvent<typeof trainingJobStateChange | typeof StepOverdue>;
interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
  readonly sageMaker: Pick<TrainingGateway, 'trainingJobEnd'>;
  readonly registries: ImageRegistries;
}

export const handler = eventHandler({
  name: 'finish-training',
  consumes: [trainingJobStateChange, StepOverdue],
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    events: eventPublisher(environment.EVENT_BUS_NAME),
    sageMaker: trainingGateway(),
    registries: environment.IMAGE_REGISTRIES,
  }),
  handle: finishTraining,
});

export async function finishTraining(event: Events, context: Context<Services>): Promise<void> {
  const { settings, services, log } = context;
  const { lineage } = services;
  const jobName = event.type === 'StepOverdue' ? event.detail.name : event.detail.TrainingJobName;
  const job = trainingJobName.parse(settings.name, jobName);
  if (!job) return;
  const project = projectNamed(settings, job.project);
  const run = await lineage.get('training-run', project.name, job.runId);
  // Recorded before SageMaker is asked: what has no record is of an installation that was here before.
  if (!run) return log.info('a job of another installation has ended', { jobName });
  if (run.model !== undefined)
    return announceModel(project, await lineage.require('model', project.name, run.model), services);
  if (job.attempt !== run.attempt) return announceAgain(project, run, job.attempt, services.events);
  if (run.status === 'failed') return announceFailure(project.name, run, services);
  const end = await services.sageMaker.trainingJobEnd(jobName);
  if (!end) return;
  if (end.outcome === 'completed') return completed(project, run, jobName, end, context);
  const next = afterFailure(project, run, end.reason);
  if ('again' in next) return tryAgain(project, run, next.again, { ...end, reason: end.reason }, context);
  const { trainingSeconds, billableSeconds } = end;
  const change = { failure: next.giveUp, jobName, trainingSeconds };
  await failRun(project.name, run, change, { endedAt: end.endedAt.toISOString(), billableSeconds }, context);
}

async function completed(
  project: ProjectSettings,
  run: TrainingRunRecord,
  jobName: string,
  end: TrainingJobEnd,
  context: Context<Services>,
) {
  const { lineage, registries } = context.services;
  const state = await lineage.state(project.name);
  const number = (state.model ?? 0) + 1;
  const at = end.endedAt.toISOString();
  const { billableSeconds, trainingSeconds } = end;
  const model: ModelRecord = {
    model: number,
    status: 'trained',
    runId: run.runId,
    datasetVersion: run.datasetVersion,
    jobName,
    image: servingImageUri(run, end.image, registries),
    artifact: end.artifact,
    billableSeconds,
    at,
  };
  const modelId = nodeId.build('model', project.name, number);
  const version = nodeId.build('dataset-version', project.name, run.datasetVersion);
  // Now its rows have been seen. A person may have asked for a run on fewer rows than one before.
  const rowsTrained = Math.max(state.rowsTrained ?? 0, run.rowsRegistered ?? 0);
  const outcome = await lineage.write([
    { kind: 'create', type: 'model', project: project.name, local: number, record: model, order: number },
    { kind: 'edge', from: modelId, relation: 'wasGeneratedBy', to: runNode(project.name, run.runId), at },
    { kind: 'edge', from: modelId, relation: 'wasDerivedFrom', to: version, at },
    ...endOfRun(
      project.name,
      run,
      { status: 'trained', model: number, jobName, trainingSeconds },
      { endedAt: at, billableSeconds },
      { read: state, set: { model: number, rowsTrained } },
    ),
  ]);
  if (!outcome.written) throw new ConcurrentChange(`training run ${run.runId} or the state of ${project.name}`);
  context.metrics.record(project.name, metrics.trainingFailed, 0);
  context.metrics.record(project.name, metrics.trainingHours, billableSeconds / 3600);
  await announceModel(project, model, context.services);
}

type Again = Pick<TrainingRunRecord, 'status' | 'instance' | 'refusals' | 'tries'>;

/** The next type where there was no capacity, the same again where the failure may pass, until that is over. */
function afterFailure(
  { training: { instances } }: ProjectSettings,
  run: TrainingRunRecord,
  reason: string,
): { readonly again: Again } | { readonly giveUp: string } {
  const { instance, tries, refusals = [] } = run;
  switch (failureKind(reason)) {
    case 'final':
      return { giveUp: reason };
    case 'capacity': {
      const refused = withRefusal(run, instances, reason);
      if (instance + 1 >= instances.length) return { giveUp: noInstance(refused) };
      return { again: { status: 'requested', instance: instance + 1, tries, refusals: refused } };
    }
    case 'passing':
      if (tries >= MAXIMUM_TRIES) return { giveUp: `${reason} (tried ${tries} times)` };
      return { again: { status: 'waiting', instance, tries: tries + 1, refusals } };
  }
}

/** Another job of the run: now, or when `reconcile` asks for it. */
async function tryAgain(
  project: ProjectSettings,
  run: TrainingRunRecord,
  next: Again,
  { reason, billableSeconds, endedAt }: TrainingJobEnd & { readonly reason: string },
  { services, now, log }: Context<Services>,
) {
  const at = now().toISOString();
  const waiting = next.status === 'waiting' ? { waitingSince: at, waitingFor: reason } : {};
  const again = { ...next, ...waiting, attempt: run.attempt + 1, requestedAt: at };
  const outcome = await services.lineage.write([
    {
      kind: 'update',
      id: runNode(project.name, run.runId),
      set: again,
      expect: { status: UNDER_WAY, attempt: [run.attempt] },
    },
    ...budgetWrites(project.name, [used(endedAt.toISOString(), billableSeconds)]),
  ]);
  if (!outcome.written) throw new ConcurrentChange(`training run ${run.runId}`);
  log.warn('the job failed, and the run goes on', { project: project.name, run: run.runId, reason });
  await announceAgain(project, { ...run, ...again }, run.attempt, services.events);
}

/** Tells what came after the failure of an attempt; nothing of one that is longer past. */
async function announceAgain(
  project: ProjectSettings,
  run: TrainingRunRecord,
  failedAttempt: number,
  events: EventPublisher,
): Promise<void> {
  if (failedAttempt + 1 !== run.attempt) return;
  if (run.status === 'waiting') return announceDelay(project.name, run, events);
  if (run.status !== 'requested') return;
  const { runId, datasetVersion, trigger, reason, requestedAt } = run;
  const detail = { project: project.name, at: requestedAt, runId, datasetVersion, trigger, reason };
  await events.publish(TrainingRequested, detail);
}

async function announceModel(project: ProjectSettings, model: ModelRecord, { lineage, events }: Services) {
  await events.publish(ModelTrained, { ...model, project: project.name });
  await announceDue(project.name, await lineage.state(project.name), events);
}
