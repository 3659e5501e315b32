/** TrainingRequested → the SageMaker training job of the run, on the first type of its list that can be had. */
import { TrainingRequested, TrainingStarted } from '../contract/events.ts';
import { nodeId, trainingJobName } from '../contract/keys.ts';
import type { ManifestObject, TrainingRunRecord } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { ConcurrentChange } from '../domain/errors.ts';
import { instanceOf, isOutOfPatience, neverStarted, noInstance, waitedTooLong, withRefusal } from '../domain/jobs.ts';
import { type TrainingJobPlaces, trainingJobRequest, windowOf } from '../domain/training-run.ts';
import { readCodeArchive } from '../runtime/code-archive.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { type ProjectRoles, roleOf } from '../runtime/project-roles.ts';
import { projectNamed } from '../runtime/settings.ts';
import { announceDue } from '../steps/training/training-due.ts';
import { announceDelay, announceFailure, endOfRun, failRun, runNode } from '../steps/training/training-steps.ts';
import { type DatasetStore, datasetStore } from '../stores/dataset-store.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';
import type { Fact } from '../stores/lineage-writes.ts';
import { type ModelStore, modelStore } from '../stores/model-store.ts';
import { type TrainingGateway, trainingGateway } from '../stores/training-gateway.ts';

interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
  readonly datasets: Pick<DatasetStore, 'readManifest' | 'writeChannel'>;
  readonly models: Pick<ModelStore, 'storeCode'>;
  readonly sageMaker: Pick<TrainingGateway, 'createTrainingJob'>;
  readonly readCode: (project: string) => Uint8Array;
  /** Where the job reads, writes and runs, apart from the project's role. */
  readonly places: Omit<TrainingJobPlaces, 'environment' | 'roleArn'>;
  readonly roles: ProjectRoles;
}

export const handler = eventHandler({
  name: 'start-training',
  consumes: [TrainingRequested],
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    events: eventPublisher(environment.EVENT_BUS_NAME),
    datasets: datasetStore({
      rawBucket: '',
      datasetBucket: environment.DATASET_BUCKET,
      keyArn: environment.DATA_KEY_ARN,
    }),
    models: modelStore(environment.MODEL_BUCKET),
    sageMaker: trainingGateway(),
    readCode: readCodeArchive,
    places: {
      keyArn: environment.DATA_KEY_ARN,
      datasetBucket: environment.DATASET_BUCKET,
      modelBucket: environment.MODEL_BUCKET,
      registries: environment.IMAGE_REGISTRIES,
      region: environment.AWS_REGION,
    },
    roles: environment.PROJECT_ROLES,
  }),
  handle: startTraining,
});

export async function startTraining(
  event: ParsedEvent<typeof TrainingRequested>,
  context: Context<Services>,
): Promise<void> {
  const { settings, services } = context;
  const project = projectNamed(settings, event.detail.project);
  const run = await services.lineage.require('training-run', project.name, event.detail.runId);
  switch (run.status) {
    case 'started':
      return announce(project, run, services.events);
    case 'failed':
      return announceFailure(project.name, run, services);
    case 'superseded':
      return announceDue(project.name, await services.lineage.state(project.name), services.events);
    case 'trained':
      return;
    case 'requested':
    case 'waiting':
      // The bundle carries the code of this deployment; a run that was requested under another one names another hash.
      if (run.codeSha256 !== project.code.sha256) return supersede(project, run, context);
      try {
        await prepare(project, run, context);
        return await ask(project, run, context);
      } catch (error) {
        // Each retry and reconcile have asked all day: the next run must not wait for this one for ever.
        if (!isOutOfPatience(run.requestedAt, context.now())) throw error;
        await abandon(project, run, error, context);
      }
  }
}

/** @throws the error when it is not that the job could not be started */
async function abandon(
  project: ProjectSettings,
  { runId, requestedAt }: TrainingRunRecord,
  error: unknown,
  context: Context<Services>,
) {
  const run = await context.services.lineage.require('training-run', project.name, runId);
  if (run.status !== 'requested' && run.status !== 'waiting') throw error;
  await fail(project, run, neverStarted(requestedAt, error), context);
}

/** What the job reads, and the record of it. */
async function prepare(project: ProjectSettings, run: TrainingRunRecord, context: Context<Services>): Promise<void> {
  const { services } = context;
  const { objects } = await services.datasets.readManifest(project.name, run.manifestId);
  const inputs = windowOf(objects, project.training.window);
  await Promise.all([
    services.datasets.writeChannel(project.name, run.runId, [...inputs]),
    services.models.storeCode(
      project.name,
      run.codeSha256,
      () => services.readCode(project.name),
      services.places.keyArn,
    ),
    recordInputs(project, run, inputs, context),
  ]);
}

/** Asks SageMaker for the job, on one type of the list after the other. */
async function ask(project: ProjectSettings, run: TrainingRunRecord, context: Context<Services>): Promise<void> {
  const { settings, services, now, log } = context;
  const outcome = await services.sageMaker.createTrainingJob(
    trainingJobRequest(project, run, {
      ...services.places,
      environment: settings.name,
      roleArn: roleOf(services.roles, project.name),
    }),
  );
  switch (outcome.outcome) {
    case 'created':
    case 'exists':
      return started(project, run, context);
    case 'taken':
      // By an environment that was here before, or before this table was restored: the run goes on under the next name.
      log.warn('the name of a training job is taken', { project: project.name, reason: outcome.reason });
      return ask(project, await move(project, run, { attempt: run.attempt + 1 }, context), context);
    case 'unavailable':
      return nextInstance(project, run, outcome.reason, context);
    case 'in-use': {
      const tooLong = waitedTooLong(run.waitingSince, outcome.reason, now());
      if (tooLong !== undefined) return fail(project, run, tooLong, context);
      return wait(project, run, outcome.reason, context);
    }
  }
}

/** The exact bytes of the run: a version may hold more than its window, and its predecessors objects that were replaced. */
async function recordInputs(
  project: ProjectSettings,
  run: TrainingRunRecord,
  inputs: readonly ManifestObject[],
  { services }: Context<Services>,
): Promise<void> {
  const from = nodeId.build('training-run', project.name, run.runId);
  const edges = inputs.map(({ sha256 }): Fact => {
    const to = nodeId.build('dataset-object', project.name, sha256);
    return { kind: 'edge', from, relation: 'used', to, at: run.at };
  });
  await services.lineage.note(edges);
}

async function started(
  project: ProjectSettings,
  run: TrainingRunRecord,
  { settings, services, now }: Context<Services>,
) {
  const begun = {
    status: 'started' as const,
    jobName: trainingJobName.build(settings.name, { project: project.name, runId: run.runId, attempt: run.attempt }),
    instanceType: instanceOf(project.training.instances, run.instance),
    startedAt: now().toISOString(),
  };
  const outcome = await services.lineage.write([
    {
      kind: 'update',
      id: runNode(project.name, run.runId),
      set: begun,
      expect: { status: ['requested', 'waiting'], attempt: [run.attempt] },
    },
  ]);
  // The job may even have ended by now; whoever moved the run on has told of it.
  if (outcome.written) await announce(project, { ...run, ...begun }, services.events);
}

async function announce(project: ProjectSettings, run: TrainingRunRecord, events: EventPublisher): Promise<void> {
  const { jobName, instanceType, startedAt } = run;
  if (!(jobName && instanceType && startedAt)) throw new Error(`training run ${run.runId} is started but names no job`);
  await events.publish(TrainingStarted, {
    project: project.name,
    at: startedAt,
    runId: run.runId,
    datasetVersion: run.datasetVersion,
    jobName,
    attempt: run.attempt,
    instanceType,
  });
}

/** Changes a run that SageMaker has not taken yet; fails when another delivery of the event was faster. */
async function move(
  project: ProjectSettings,
  run: TrainingRunRecord,
  set: Partial<TrainingRunRecord>,
  { services }: Context<Services>,
): Promise<TrainingRunRecord> {
  const { status, attempt, instance } = run;
  const expect = { status: [status], attempt: [attempt], instance: [instance] };
  const outcome = await services.lineage.write([{ kind: 'update', id: runNode(project.name, run.runId), set, expect }]);
  if (!outcome.written) throw new ConcurrentChange(`training run ${run.runId}`);
  return { ...run, ...set };
}

/** Neither now nor later an instance of this type: the next of the list, until all were tried. */
async function nextInstance(
  project: ProjectSettings,
  run: TrainingRunRecord,
  reason: string,
  context: Context<Services>,
): Promise<void> {
  const { instances } = project.training;
  const refusals = withRefusal(run, instances, reason);
  const next = run.instance + 1;
  if (next >= instances.length) return fail(project, { ...run, refusals }, noInstance(refusals), context);
  await ask(project, await move(project, run, { instance: next, refusals }, context), context);
}

/** Others use what the account may have of this type: `reconcile` asks again. The first reason stays. */
async function wait(project: ProjectSettings, run: TrainingRunRecord, reason: string, context: Context<Services>) {
  const { waitingSince = context.now().toISOString(), waitingFor = reason } = run;
  const waiting = await move(project, run, { status: 'waiting', waitingSince, waitingFor }, context);
  await announceDelay(project.name, waiting, context.services.events);
}

/** Its rows count as not trained, and the run that takes its place needs no decision: there was one. */
async function supersede(project: ProjectSettings, run: TrainingRunRecord, { services, now }: Context<Services>) {
  const { lineage, events } = services;
  const endedAt = now().toISOString();
  const read = await lineage.state(project.name);
  const { trigger, cause, reason } = run;
  const failure = 'the code was deployed anew between request and start; the run is requested anew';
  const outcome = await lineage.write(
    endOfRun(
      project.name,
      run,
      { status: 'superseded', failure },
      { endedAt, billableSeconds: 0 },
      { read, set: { renewal: { trigger, cause, reason, since: endedAt } } },
    ),
  );
  if (!outcome.written) throw new ConcurrentChange(`training run ${run.runId} or the state of ${project.name}`);
  await announceDue(project.name, await lineage.state(project.name), events);
}

async function fail(project: ProjectSettings, run: TrainingRunRecord, failure: string, context: Context<Services>) {
  const end = { endedAt: context.now().toISOString(), billableSeconds: 0 };
  await failRun(project.name, run, { failure, refusals: run.refusals }, end, context);
}
