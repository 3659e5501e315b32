/** What start-training and finish-training share: how a training run waits, and how it ends. */
import { TrainingDelayed, TrainingFailed } from '../../contract/events.ts';
import { nodeId } from '../../contract/keys.ts';
import { metrics } from '../../contract/metrics.ts';
import type { StateRecord, TrainingRunRecord } from '../../contract/records.ts';
import { ConcurrentChange } from '../../domain/errors.ts';
import type { Context } from '../../runtime/event-handler.ts';
import { budgetWrites, released, used } from '../../stores/budget-writes.ts';
import type { EventPublisher } from '../../stores/event-publisher.ts';
import type { LineageStore } from '../../stores/lineage-store.ts';
import type { Write } from '../../stores/lineage-writes.ts';
import { announceDue } from './training-due.ts';

interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
}

/** Statuses of a run that has not ended. */
export const UNDER_WAY = ['requested', 'waiting', 'started'] as const;

export const runNode = (project: string, runId: string): string => nodeId.build('training-run', project, runId);

/** How a run ends, beside its status. */
export interface End {
  readonly endedAt: string;
  /** 0 for a run that had no job. */
  readonly billableSeconds: number;
}

/**
 * The writes that end a run: its record, the state of the project, in which the next one may be asked for now, and the budget.
 * @param state as it was read
 */
export function endOfRun(
  project: string,
  run: TrainingRunRecord,
  change: Partial<TrainingRunRecord>,
  { endedAt, billableSeconds }: End,
  state: { readonly read: StateRecord; readonly set?: Partial<Omit<StateRecord, 'revision'>> },
): Write[] {
  return [
    {
      kind: 'update',
      id: runNode(project, run.runId),
      set: { ...change, endedAt, billableSeconds },
      expect: { status: UNDER_WAY, attempt: [run.attempt] },
    },
    {
      kind: 'state',
      project,
      read: state.read,
      set: state.set ?? {},
      unset: state.read.activeRunId === run.runId ? ['activeRunId'] : [],
    },
    ...budgetWrites(project, [...released(run.reservation), used(endedAt, billableSeconds)]),
  ];
}

/** Ends a run without a model, and tells of it. */
export async function failRun(
  project: string,
  run: TrainingRunRecord,
  change: Partial<TrainingRunRecord> & { readonly failure: string },
  end: End,
  context: Context<Services>,
): Promise<void> {
  const { lineage } = context.services;
  const failed = { ...change, status: 'failed' } as const;
  const read = await lineage.state(project);
  const outcome = await lineage.write(endOfRun(project, run, failed, end, { read }));
  if (!outcome.written) throw new ConcurrentChange(`training run ${run.runId} or the state of ${project}`);
  context.metrics.record(project, metrics.trainingFailed, 1);
  await announceFailure(project, { ...run, ...failed, ...end }, context.services);
}

export async function announceFailure(
  project: string,
  run: TrainingRunRecord,
  { lineage, events }: Services,
): Promise<void> {
  const { runId, attempt, at, endedAt = at, failure = 'no reason recorded' } = run;
  const jobName = run.jobName ?? `${runId} attempt ${attempt}`;
  await events.publish(TrainingFailed, { project, at: endedAt, runId, jobName, reason: failure });
  await announceDue(project, await lineage.state(project), events);
}

/** The first reason for which a run waits; every time it is told, to the letter. */
export async function announceDelay(
  project: string,
  { runId, at, waitingSince = at, waitingFor = 'no reason recorded' }: TrainingRunRecord,
  events: EventPublisher,
): Promise<void> {
  await events.publish(TrainingDelayed, { project, at: waitingSince, runId, reason: waitingFor });
}
