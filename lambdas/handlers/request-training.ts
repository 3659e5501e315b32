/** DatasetVersionRegistered, DriftDetected, TrainingDemanded → a training run is requested, or the reason why not is told. */
import {
  DatasetVersionRegistered,
  DriftDetected,
  TrainingDemanded,
  TrainingRequested,
  TrainingSuppressed,
} from '../contract/events.ts';
import { itemKey, nodeId } from '../contract/keys.ts';
import type { StateRecord, TrainingRunRecord } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { ConcurrentChange } from '../domain/errors.ts';
import {
  causeOf,
  decideTraining,
  type Suppression,
  type TrainingCause,
  type TrainingDecision,
} from '../domain/training-policy.ts';
import { runIdentity } from '../domain/training-run.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { projectNamed } from '../runtime/settings.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';

type Events = ParsedEvent<typeof DatasetVersionRegistered | typeof DriftDetected | typeof TrainingDemanded>;
interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
}

export const handler = eventHandler({
  name: 'request-training',
  consumes: [DatasetVersionRegistered, DriftDetected, TrainingDemanded],
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    events: eventPublisher(environment.EVENT_BUS_NAME),
  }),
  handle: requestTraining,
});

export async function requestTraining(event: Events, context: Context<Services>): Promise<void> {
  const { settings, services, now } = context;
  const project = projectNamed(settings, event.detail.project);
  const { lineage, events } = services;
  const state = await lineage.state(project.name);
  const happened = whatHappened(event);
  const runId = state.manifestId === undefined ? undefined : runIdentity(project, state.manifestId);
  const present = runId === undefined ? undefined : await lineage.get('training-run', project.name, runId);
  // The same event again: its run stands, and only its announcement may have been lost.
  if (present?.cause === causeOf(project.name, happened, state)) {
    if (present.status === 'requested') await announce(project, present, events);
    return;
  }
  const decision = decideTraining(project, happened, {
    state,
    hoursUsed: await lineage.hoursUsed(project.name, now().toISOString().slice(0, 7)),
    now: now(),
  });
  if (!decision.train) return suppress(project, decision, decision.rule, decision.reason, context);
  if (present && !mayRunAgain(present, decision))
    return suppress(project, decision, 'same-run', sameRun(present), context);
  await request(project, state, decision, present, context);
}

function whatHappened(event: Events): TrainingCause {
  switch (event.type) {
    case 'DatasetVersionRegistered':
      return { trigger: 'upload' };
    case 'DriftDetected':
      return {
        trigger: 'drift',
        measurementId: event.detail.measurementId,
        reason: `model ${event.detail.model} drifts: ${event.detail.features.map((each) => each.name).join(', ')}`,
      };
    case 'TrainingDemanded':
      return { trigger: 'demand', ...event.detail };
  }
}

async function request(
  project: ProjectSettings,
  state: StateRecord,
  decision: TrainingDecision & { readonly train: true },
  present: TrainingRunRecord | undefined,
  context: Context<Services>,
): Promise<void> {
  const { lineage, events } = context.services;
  const { datasetVersion, manifestId } = state;
  const { image, servingImage, hyperparameters } = project.training.algorithm;
  if (datasetVersion === undefined || manifestId === undefined)
    throw new Error(`${project.name} has no dataset version`);
  const runId = runIdentity(project, manifestId);
  const at = context.now().toISOString();
  const asked = { trigger: decision.trigger, cause: decision.cause, reason: decision.reason, requestedAt: at };
  const run: TrainingRunRecord = present
    ? { ...present, ...asked, status: 'requested', attempt: present.attempt + 1 }
    : {
        runId,
        status: 'requested',
        datasetVersion,
        manifestId,
        image,
        ...(servingImage !== undefined && { servingImage }),
        hyperparameters,
        codeSha256: project.code.sha256,
        attempt: 1,
        at,
        ...asked,
      };
  const id = nodeId.build('training-run', project.name, runId);
  const outcome = await lineage.write([
    present
      ? {
          kind: 'update',
          id,
          set: { ...asked, status: 'requested', attempt: run.attempt },
          expect: { status: ['failed'] },
        }
      : { kind: 'create', type: 'training-run', project: project.name, local: runId, record: run },
    {
      kind: 'edge',
      from: id,
      relation: 'used',
      to: nodeId.build('dataset-version', project.name, datasetVersion),
      at,
    },
    { kind: 'mention', id: nodeId.build('code', project.name, run.codeSha256), at, fields: { image: run.image } },
    { kind: 'edge', from: id, relation: 'used', to: nodeId.build('code', project.name, run.codeSha256), at },
    {
      kind: 'state',
      project: project.name,
      read: state,
      set: {
        lastRunId: runId,
        lastRunAt: at,
        ...(state.rowsRegistered !== undefined && { rowsTrained: state.rowsRegistered }),
      },
    },
  ]);
  if (!outcome.written) throw new ConcurrentChange(`the state of ${project.name}`);
  await announce(project, run, events);
}

/** A failed run may be tried again by a person or by drift, not by a repeated upload event. */
function mayRunAgain(run: TrainingRunRecord, decision: TrainingDecision): boolean {
  return run.status === 'failed' && decision.trigger !== 'upload';
}

function sameRun(run: TrainingRunRecord): string {
  return `training run ${run.runId} has the same data, code and settings (dataset version ${run.datasetVersion}, ${run.status}); newer data or other settings make another run`;
}

async function announce(project: ProjectSettings, run: TrainingRunRecord, events: EventPublisher): Promise<void> {
  await events.publish(TrainingRequested, {
    project: project.name,
    at: run.requestedAt,
    runId: run.runId,
    datasetVersion: run.datasetVersion,
    trigger: run.trigger,
    reason: run.reason,
  });
}

/** The first record of a suppression stays, so a repeated event tells the same story. */
async function suppress(
  project: ProjectSettings,
  decision: TrainingDecision,
  rule: Suppression,
  reason: string,
  { services, now }: Context<Services>,
): Promise<void> {
  const detail = { project: project.name, at: now().toISOString(), trigger: decision.trigger, rule, reason };
  const { fields } = await services.lineage.once(itemKey.suppression(project.name, `${decision.cause}#${rule}`), {
    detail,
  });
  await services.events.publish(TrainingSuppressed, TrainingSuppressed.detail.parse(fields.detail));
}
