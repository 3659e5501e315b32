/** What start-evaluation and finish-evaluation share: how an evaluation without a result ends, and another takes its place. */
import { EvaluationFailed } from '../../contract/events.ts';
import { nodeId } from '../../contract/keys.ts';
import { metrics } from '../../contract/metrics.ts';
import type { EvaluationRecord, ModelRecord } from '../../contract/records.ts';
import { ConcurrentChange } from '../../domain/errors.ts';
import type { Context } from '../../runtime/event-handler.ts';
import { budgetWrites, released, reserved, used } from '../../stores/budget-writes.ts';
import type { EventPublisher } from '../../stores/event-publisher.ts';
import type { LineageStore } from '../../stores/lineage-store.ts';
import type { Write } from '../../stores/lineage-writes.ts';
import { announceRequest, evaluationId, recordOfEvaluation } from './evaluation-requests.ts';

interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
}

/** Statuses of an evaluation that has not ended. */
export const UNDER_WAY = ['requested', 'waiting', 'started'] as const;

export function isUnderWay({ status }: EvaluationRecord): boolean {
  return UNDER_WAY.some((each) => each === status);
}

/** How an evaluation ended without a result. */
export interface Failure {
  readonly reason: string;
  readonly endedAt: string;
  /** Of the job; 0 when there was none. */
  readonly seconds: number;
}

/** The evaluation ends without a result, and the next one takes its place. */
export async function replaceEvaluation(
  project: string,
  model: ModelRecord,
  [evaluation, next]: readonly [EvaluationRecord, EvaluationRecord],
  failure: Failure,
  { services }: Context<Services>,
): Promise<void> {
  const outcome = await services.lineage.write([
    endOf(project, evaluation, failure, next.jobName),
    ...recordOfEvaluation(project, model, next),
    newestOf(project, evaluation, { newestEvaluation: next.jobName }),
    ...budgetWrites(project, [
      ...released(evaluation.reservation),
      used(failure.endedAt, failure.seconds),
      ...reserved(next.reservation),
    ]),
  ]);
  if (!outcome.written) throw new ConcurrentChange(`evaluation ${evaluation.jobName}`);
}

/** The evaluation ends without a result, and none takes its place: a person may ask for another, of a model that still waits for it. */
export async function giveUpEvaluation(
  project: string,
  model: ModelRecord,
  evaluation: EvaluationRecord,
  failure: Failure,
  { services, metrics: recorder }: Context<Services>,
): Promise<void> {
  const outcome = await services.lineage.write([
    endOf(project, evaluation, failure),
    ...(waitsFor(model, evaluation) ? [newestOf(project, evaluation, { status: 'evaluation-failed' })] : []),
    ...budgetWrites(project, [...released(evaluation.reservation), used(failure.endedAt, failure.seconds)]),
  ]);
  if (!outcome.written) throw new ConcurrentChange(`evaluation ${evaluation.jobName}`);
  recorder.record(project, metrics.trainingFailed, 1);
}

/** The model may have been judged by the evaluation before, whose champion has come back into service. */
export function waitsFor(model: ModelRecord, { jobName }: EvaluationRecord): boolean {
  return model.newestEvaluation === jobName && (model.status === 'trained' || model.status === 'evaluated');
}

function endOf(project: string, { jobName }: EvaluationRecord, failure: Failure, retriedAs?: string): Write {
  const { reason, endedAt, seconds } = failure;
  return {
    kind: 'update',
    id: evaluationId(project, jobName),
    set: { status: 'failed', failure: reason, endedAt, seconds, retriedAs },
    expect: { status: UNDER_WAY },
  };
}

/** Changes the model of an evaluation that is its newest, and whose judgement is still to come. */
export function newestOf(project: string, { jobName, model }: EvaluationRecord, set: Partial<ModelRecord>): Write {
  return {
    kind: 'update',
    id: nodeId.build('model', project, model),
    set,
    expect: { status: ['trained', 'evaluated'], newestEvaluation: [jobName] },
  };
}

/** Tells of an evaluation that failed: given up, or with another in its place. Again, to the letter, for a repeated event. */
export async function announceFailure(
  project: string,
  evaluation: EvaluationRecord,
  { lineage, events }: Services,
): Promise<void> {
  const { model, jobName, retriedAs, at, endedAt = at, failure = 'no reason recorded' } = evaluation;
  if (retriedAs === undefined)
    return events.publish(EvaluationFailed, { project, at: endedAt, model, jobName, reason: failure });
  await announceRequest(
    project,
    await lineage.require('evaluation', project, retriedAs),
    `${jobName}: ${failure}`,
    events,
  );
}
