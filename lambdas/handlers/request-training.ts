/** DatasetVersionRegistered, DriftDetected, TrainingDemanded, TrainingDue → a training run is requested, or the reason why not is told. */
import {
  DatasetVersionRegistered,
  DriftDetected,
  TrainingDemanded,
  TrainingDue,
  TrainingRequested,
  TrainingSuppressed,
} from '../contract/events.ts';
import { itemKey, nodeId } from '../contract/keys.ts';
import type { StateRecord, TrainingCause, TrainingRunRecord } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { ConcurrentChange } from '../domain/errors.ts';
import { installationOf } from '../domain/installation.ts';
import {
  causeOf,
  decideTraining,
  passingRules,
  type Suppression,
  strongerCause,
  type TrainingDecision,
} from '../domain/training-policy.ts';
import { runIdentity } from '../domain/training-run.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { projectNamed } from '../runtime/settings.ts';
import { evaluateAgain } from '../steps/evaluation/evaluation-requests.ts';
import { recordedDemand } from '../steps/operations/demands.ts';
import { budgetWrites, monthOf, reservationOf, reserved } from '../stores/budget-writes.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';
import type { Write } from '../stores/lineage-writes.ts';

type Causes = ParsedEvent<typeof DatasetVersionRegistered | typeof DriftDetected | typeof TrainingDemanded>;
type Events = Causes | ParsedEvent<typeof TrainingDue>;
type Decided = TrainingDecision & { readonly train: true };
interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
  readonly installation: string;
}

export const handler = eventHandler({
  name: 'request-training',
  consumes: [DatasetVersionRegistered, DriftDetected, TrainingDemanded, TrainingDue],
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    events: eventPublisher(environment.EVENT_BUS_NAME),
    installation: installationOf(environment.TABLE_NAME),
  }),
  handle: requestTraining,
});

/** What is decided on: read once, and the condition of what is written. */
interface Facts {
  readonly state: StateRecord;
  /** Identity of the run that training would be now, and its record where it was asked for before. */
  readonly runId: string | undefined;
  readonly present: TrainingRunRecord | undefined;
}

export async function requestTraining(event: Events, context: Context<Services>): Promise<void> {
  const { settings, services } = context;
  const project = projectNamed(settings, event.detail.project);
  const facts = await readFacts(project, services);
  if (event.type === 'TrainingDue') return decideDue(project, facts, context);
  const happened = await whatHappened(event, services.lineage);
  if (!happened) return context.log.warn('nobody made this demand', { project: project.name });
  const { present, state } = facts;
  // The same event again: its run stands, and only its announcement may have been lost.
  if (present && present.status !== 'superseded' && present.cause === causeOf(project.name, happened, state)) {
    if (present.status === 'requested') await announce(project, present, services.events);
    return;
  }
  await decide(project, happened, facts, context);
}

async function readFacts(project: ProjectSettings, { lineage, installation }: Services): Promise<Facts> {
  const state = await lineage.state(project.name);
  const runId = state.manifestId === undefined ? undefined : runIdentity(project, state.manifestId, installation);
  const present = runId === undefined ? undefined : await lineage.get('training-run', project.name, runId);
  return { state, runId, present };
}

/** What has waited for a run to end, or for the cooldown to pass. */
async function decideDue(project: ProjectSettings, facts: Facts, context: Context<Services>): Promise<void> {
  const { activeRunId, renewal, pending } = facts.state;
  if (activeRunId !== undefined) return;
  if (renewal) {
    // Decided for already, under other code.
    if (await carryOut(project, { train: true, ...renewal }, facts, context)) return;
    await settle(project, facts.state, 'renewal', context);
    return decideDue(project, await readFacts(project, context.services), context);
  }
  if (!pending) return;
  const waits = await decide(project, pending.cause, facts, context);
  if (waits === 'decided') await settle(project, facts.state, 'pending', context);
}

/** Undefined for a demand that is not recorded. */
async function whatHappened(event: Causes, lineage: LineageStore): Promise<TrainingCause | undefined> {
  switch (event.type) {
    case 'DatasetVersionRegistered':
      return { trigger: 'upload' };
    case 'DriftDetected':
      return {
        trigger: 'drift',
        measurementId: event.detail.measurementId,
        reason: `model ${event.detail.model} drifts: ${event.detail.features.map((each) => each.name).join(', ')}`,
      };
    case 'TrainingDemanded': {
      const demand = await recordedDemand(TrainingDemanded, event.detail, lineage);
      if (!demand) return undefined;
      const { demandId, reason, requestedBy, force } = demand;
      return { trigger: 'demand', demandId, reason, requestedBy, force };
    }
  }
}

/** @returns requested: with that, nothing waits any more; waits: it is to be decided again. */
async function decide(
  project: ProjectSettings,
  happened: TrainingCause,
  facts: Facts,
  context: Context<Services>,
): Promise<'requested' | 'waits' | 'decided'> {
  const { services, now } = context;
  const decision = decideTraining(project, happened, {
    state: facts.state,
    runId: facts.runId,
    budget: await services.lineage.budget(project.name, monthOf(now().toISOString())),
    now: now(),
  });
  if (decision.train) return (await carryOut(project, decision, facts, context)) ? 'requested' : 'decided';
  const waits = passingRules.has(decision.rule);
  if (waits) await keep(project, happened, facts.state, context);
  await suppress(project, decision, decision.rule, decision.reason, context);
  return waits ? 'waits' : 'decided';
}

/** @returns whether a run was requested */
async function carryOut(
  project: ProjectSettings,
  decision: Decided,
  facts: Facts,
  context: Context<Services>,
): Promise<boolean> {
  const { present } = facts;
  if (!present || mayRunAgain(present, decision)) {
    await request(project, decision, facts, context);
    return true;
  }
  const { trigger, cause, reason } = decision;
  // Trained, but its evaluation was given up: what a person asks for then is that.
  const evaluated = trigger === 'demand' && (await evaluateAgain(project, present, { cause, reason }, context));
  if (!evaluated) await suppress(project, decision, 'same-run', sameRun(present), context);
  return false;
}

async function request(
  project: ProjectSettings,
  decision: Decided,
  { state, runId, present }: Facts,
  context: Context<Services>,
): Promise<void> {
  const { lineage, events } = context.services;
  const { datasetVersion, manifestId, rowsRegistered } = state;
  const { image, servingImage, hyperparameters } = project.training.algorithm;
  if (datasetVersion === undefined || manifestId === undefined || runId === undefined)
    throw new Error(`${project.name} has no dataset version`);
  const at = context.now().toISOString();
  const reservation = reservationOf(at, project.training.maximumRuntimeSeconds);
  const asked = {
    status: 'requested' as const,
    trigger: decision.trigger,
    cause: decision.cause,
    reason: decision.reason,
    requestedAt: at,
    // The list of types is walked again from its start, whatever a request before had met.
    instance: 0,
    refusals: [],
    tries: 1,
    reservation,
    ...(rowsRegistered !== undefined && { rowsRegistered }),
  };
  const run: TrainingRunRecord = present
    ? { ...present, ...asked, attempt: present.attempt + 1 }
    : {
        runId,
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
  const outcome = await lineage.write([
    present ? requestAgain(project, present, { ...asked, attempt: run.attempt }) : create(project, run),
    ...usedBy(project, run, at),
    ...budgetWrites(project.name, reserved(reservation)),
    {
      kind: 'state',
      project: project.name,
      read: state,
      set: { activeRunId: runId, lastRunAt: at },
      // Whatever waited: this run is of the newest data.
      unset: ['pending', 'renewal'],
    },
  ]);
  if (!outcome.written) throw new ConcurrentChange(`the state of ${project.name}`);
  await announce(project, run, events);
}

const create = (project: ProjectSettings, run: TrainingRunRecord): Write => ({
  kind: 'create',
  type: 'training-run',
  project: project.name,
  local: run.runId,
  record: run,
});

const requestAgain = (
  project: ProjectSettings,
  { runId }: TrainingRunRecord,
  set: Partial<TrainingRunRecord>,
): Write => ({
  kind: 'update',
  id: nodeId.build('training-run', project.name, runId),
  set,
  unset: ['jobName', 'instanceType', 'startedAt', 'endedAt', 'failure', 'waitingSince', 'waitingFor'],
  expect: { status: ['failed', 'superseded'] },
});

function usedBy(project: ProjectSettings, run: TrainingRunRecord, at: string): Write[] {
  const id = nodeId.build('training-run', project.name, run.runId);
  const code = nodeId.build('code', project.name, run.codeSha256);
  const version = nodeId.build('dataset-version', project.name, run.datasetVersion);
  return [
    { kind: 'edge', from: id, relation: 'used', to: version, at },
    { kind: 'mention', id: code, at, fields: { image: run.image } },
    { kind: 'edge', from: id, relation: 'used', to: code, at },
  ];
}

/** A failed run may be tried again by a person or by drift, not by a repeated upload event; one that never started by anything. */
function mayRunAgain(run: TrainingRunRecord, decision: TrainingDecision): boolean {
  return run.status === 'superseded' || (run.status === 'failed' && decision.trigger !== 'upload');
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

/** The cause waits in the state of the project; of several the strongest. */
async function keep(
  project: ProjectSettings,
  happened: TrainingCause,
  state: StateRecord,
  { services, now }: Context<Services>,
): Promise<void> {
  const kept = state.pending?.cause;
  const cause = strongerCause(kept, happened);
  if (cause === kept) return;
  const since = state.pending?.since ?? now().toISOString();
  const outcome = await services.lineage.write([
    { kind: 'state', project: project.name, read: state, set: { pending: { cause, since } } },
  ]);
  if (!outcome.written) throw new ConcurrentChange(`the state of ${project.name}`);
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

/** What waited has been decided, and told: last, so that a handler that dies before it decides and tells again. */
async function settle(
  { name: project }: ProjectSettings,
  read: StateRecord,
  what: 'pending' | 'renewal',
  { services }: Context<Services>,
): Promise<void> {
  const outcome = await services.lineage.write([{ kind: 'state', project, read, set: {}, unset: [what] }]);
  if (!outcome.written) throw new ConcurrentChange(`the state of ${project}`);
}
