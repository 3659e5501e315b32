/** A training job ended → a model version, another attempt, or a failure; each recorded before it is told. */
import { trainingJobStateChange } from '../contract/aws-events.ts';
import { ModelTrained, StepOverdue, TrainingFailed, TrainingRequested } from '../contract/events.ts';
import { nodeId, trainingJobName } from '../contract/keys.ts';
import { metrics } from '../contract/metrics.ts';
import type { ModelRecord, TrainingRunRecord } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { ConcurrentChange } from '../domain/errors.ts';
import { type ImageRegistries, isCapacityError, type TrainingJobEnd } from '../domain/jobs.ts';
import { servingImageUri } from '../domain/training-run.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { projectNamed } from '../runtime/settings.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';
import type { Write } from '../stores/lineage-writes.ts';
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
  const { settings, services } = context;
  const jobName = event.type === 'StepOverdue' ? event.detail.name : event.detail.TrainingJobName;
  const job = trainingJobName.parse(settings.name, jobName);
  if (!job) return;
  const project = projectNamed(settings, job.project);
  const run = await services.lineage.require('training-run', project.name, job.runId);
  if (run.model !== undefined)
    return announceModel(project, await services.lineage.require('model', project.name, run.model), services.events);
  if (run.status === 'failed') return announceFailure(project, run, jobName, services.events);
  // A late event of an attempt before this one.
  if (job.attempt !== run.attempt) return;
  const end = await services.sageMaker.trainingJobEnd(jobName);
  if (!end) return;
  if (end.outcome === 'completed') return completed(project, run, jobName, end, context);
  if (isCapacityError(end.reason) && run.attempt < project.training.instances.length)
    return nextInstance(project, run, end.reason, context);
  await failed(project, run, jobName, end, end.reason, context);
}

async function completed(
  project: ProjectSettings,
  run: TrainingRunRecord,
  jobName: string,
  end: TrainingJobEnd,
  context: Context<Services>,
) {
  const { lineage, events, registries } = context.services;
  const state = await lineage.state(project.name);
  const number = (state.model ?? 0) + 1;
  const at = end.endedAt.toISOString();
  const model: ModelRecord = {
    model: number,
    status: 'trained',
    runId: run.runId,
    datasetVersion: run.datasetVersion,
    jobName,
    image: servingImageUri(run, end.image, registries),
    artifact: end.artifact,
    billableSeconds: end.billableSeconds,
    at,
  };
  const modelId = nodeId.build('model', project.name, number);
  const runId = nodeId.build('training-run', project.name, run.runId);
  const outcome = await lineage.write([
    { kind: 'create', type: 'model', project: project.name, local: number, record: model, order: number },
    { kind: 'edge', from: modelId, relation: 'wasGeneratedBy', to: runId, at },
    {
      kind: 'edge',
      from: modelId,
      relation: 'wasDerivedFrom',
      to: nodeId.build('dataset-version', project.name, run.datasetVersion),
      at,
    },
    endOfRun(runId, run, { status: 'trained', model: number, jobName }, end),
    { kind: 'state', project: project.name, read: state, set: { model: number } },
    hours(project, end),
  ]);
  if (!outcome.written) throw new ConcurrentChange(`${runId} or the state of ${project.name}`);
  context.metrics.record(project.name, metrics.trainingFailed, 0);
  context.metrics.record(project.name, metrics.trainingHours, end.billableSeconds / 3600);
  await announceModel(project, model, events);
}

async function failed(
  project: ProjectSettings,
  run: TrainingRunRecord,
  jobName: string,
  end: TrainingJobEnd,
  reason: string,
  context: Context<Services>,
) {
  const runId = nodeId.build('training-run', project.name, run.runId);
  const change = { status: 'failed' as const, failure: reason, jobName };
  const outcome = await context.services.lineage.write([endOfRun(runId, run, change, end), hours(project, end)]);
  if (!outcome.written) throw new ConcurrentChange(runId);
  context.metrics.record(project.name, metrics.trainingFailed, 1);
  await announceFailure(
    project,
    { ...run, ...change, endedAt: end.endedAt.toISOString() },
    jobName,
    context.services.events,
  );
}

/** SageMaker had no capacity: the next instance type of the list. */
async function nextInstance(
  project: ProjectSettings,
  run: TrainingRunRecord,
  reason: string,
  { services, now, log }: Context<Services>,
) {
  const requestedAt = now().toISOString();
  const outcome = await services.lineage.write([
    {
      kind: 'update',
      id: nodeId.build('training-run', project.name, run.runId),
      set: { status: 'requested', attempt: run.attempt + 1, requestedAt },
      expect: { status: ['requested', 'started'], attempt: [run.attempt] },
    },
  ]);
  if (!outcome.written) throw new ConcurrentChange(`training run ${run.runId}`);
  log.warn('no capacity, trying the next instance type', { project: project.name, run: run.runId, reason });
  await services.events.publish(TrainingRequested, {
    project: project.name,
    at: requestedAt,
    runId: run.runId,
    datasetVersion: run.datasetVersion,
    trigger: run.trigger,
    reason: run.reason,
  });
}

function endOfRun(id: string, run: TrainingRunRecord, change: Partial<TrainingRunRecord>, end: TrainingJobEnd): Write {
  return {
    kind: 'update',
    id,
    set: {
      ...change,
      endedAt: end.endedAt.toISOString(),
      billableSeconds: end.billableSeconds,
      trainingSeconds: end.trainingSeconds,
    },
    expect: { status: ['requested', 'started'], attempt: [run.attempt] },
  };
}

function hours(project: ProjectSettings, end: TrainingJobEnd): Write {
  return {
    kind: 'hours',
    project: project.name,
    month: end.endedAt.toISOString().slice(0, 7),
    hours: end.billableSeconds / 3600,
  };
}

async function announceModel(project: ProjectSettings, model: ModelRecord, events: EventPublisher): Promise<void> {
  await events.publish(ModelTrained, { ...model, project: project.name });
}

async function announceFailure(
  project: ProjectSettings,
  run: TrainingRunRecord,
  jobName: string,
  events: EventPublisher,
) {
  await events.publish(TrainingFailed, {
    project: project.name,
    at: run.endedAt ?? run.at,
    runId: run.runId,
    jobName: run.jobName ?? jobName,
    reason: run.failure ?? 'no reason recorded',
  });
}
