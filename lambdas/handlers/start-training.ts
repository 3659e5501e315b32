/** TrainingRequested → the SageMaker training job of the run's present attempt. */
import { TrainingFailed, TrainingRequested, TrainingStarted } from '../contract/events.ts';
import { nodeId, trainingJobName } from '../contract/keys.ts';
import type { ManifestObject, TrainingRunRecord } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { instanceOfAttempt } from '../domain/jobs.ts';
import { type TrainingJobPlaces, trainingJobRequest, windowOf } from '../domain/training-run.ts';
import { readCodeArchive } from '../runtime/code-archive.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { type ProjectRoles, roleOf } from '../runtime/project-roles.ts';
import { projectNamed } from '../runtime/settings.ts';
import { type DatasetStore, datasetStore } from '../stores/dataset-store.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';
import { TRANSACTION_LIMIT, type Write } from '../stores/lineage-writes.ts';
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
  if (run.status === 'started') return announce(project, run, services.events);
  if (run.status !== 'requested') return;
  // The bundle carries the code of this deployment; a run that was requested under another one names another hash.
  if (run.codeSha256 !== project.code.sha256)
    return fail(
      project,
      run,
      'the code was deployed anew between request and start; request the training again',
      context,
    );

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
  const outcome = await services.sageMaker.createTrainingJob(
    trainingJobRequest(project, run, {
      ...services.places,
      environment: settings.name,
      roleArn: roleOf(services.roles, project.name),
    }),
  );
  if (outcome === 'no-quota') return nextInstance(project, run, context);
  await started(project, run, context);
}

/** The exact bytes of the run: a version may hold more than its window, and its predecessors objects that were replaced. */
async function recordInputs(
  project: ProjectSettings,
  run: TrainingRunRecord,
  inputs: readonly ManifestObject[],
  { services }: Context<Services>,
): Promise<void> {
  const from = nodeId.build('training-run', project.name, run.runId);
  const edges = inputs.map(({ sha256 }): Write => {
    const to = nodeId.build('dataset-object', project.name, sha256);
    return { kind: 'edge', from, relation: 'used', to, at: run.at };
  });
  for (let start = 0; start < edges.length; start += TRANSACTION_LIMIT)
    await services.lineage.write(edges.slice(start, start + TRANSACTION_LIMIT));
}

async function started(
  project: ProjectSettings,
  run: TrainingRunRecord,
  { settings, services, now }: Context<Services>,
) {
  const begun = {
    status: 'started' as const,
    jobName: trainingJobName.build(settings.name, { project: project.name, runId: run.runId, attempt: run.attempt }),
    instanceType: instanceOfAttempt(project.training.instances, run.attempt),
    startedAt: now().toISOString(),
  };
  const outcome = await services.lineage.write([
    {
      kind: 'update',
      id: nodeId.build('training-run', project.name, run.runId),
      set: begun,
      expect: { status: ['requested'], attempt: [run.attempt] },
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

/** The account may not have an instance of this type: the next of the list, until all were tried. */
async function nextInstance(
  project: ProjectSettings,
  run: TrainingRunRecord,
  context: Context<Services>,
): Promise<void> {
  const { instances } = project.training;
  if (run.attempt >= instances.length)
    return fail(
      project,
      run,
      `no quota for any of ${instances.join(', ')}: ask AWS for a higher quota, or name other instances`,
      context,
    );
  const requestedAt = context.now().toISOString();
  await context.services.lineage.write([
    {
      kind: 'update',
      id: nodeId.build('training-run', project.name, run.runId),
      set: { attempt: run.attempt + 1, requestedAt },
      expect: { status: ['requested'], attempt: [run.attempt] },
    },
  ]);
  await startTraining(
    { type: 'TrainingRequested', detail: { ...run, project: project.name, at: requestedAt } },
    context,
  );
}

async function fail(
  project: ProjectSettings,
  run: TrainingRunRecord,
  reason: string,
  { services, now }: Context<Services>,
) {
  const endedAt = now().toISOString();
  const jobName = `${run.runId} attempt ${run.attempt}`;
  await services.lineage.write([
    {
      kind: 'update',
      id: nodeId.build('training-run', project.name, run.runId),
      set: { status: 'failed', failure: reason, endedAt },
      expect: { status: ['requested'] },
    },
  ]);
  await services.events.publish(TrainingFailed, {
    project: project.name,
    at: endedAt,
    runId: run.runId,
    jobName,
    reason,
  });
}
