/** The evaluations of a model one after the other: which instance type, which try, and when there is none any more. */
import { evaluationJobName } from '../contract/keys.ts';
import type { EvaluationRecord } from '../contract/records.ts';
import { failureKind, MAXIMUM_TRIES, noInstance, type Refusal, waitedTooLong, withRefusal } from './jobs.ts';

export type Placement = Pick<EvaluationRecord, 'instance' | 'tries'> & {
  readonly refusals?: Refusal[];
  /** Absent: it is asked for at once. */
  readonly waitingFor?: string;
};
export type Next = { readonly again: Placement } | { readonly giveUp: string };

/** Where and when the next job is to run after one that SageMaker took and that failed. */
export function afterFailure(evaluation: EvaluationRecord, reason: string, instances: readonly string[]): Next {
  switch (failureKind(reason)) {
    case 'final':
      return { giveUp: reason };
    case 'capacity':
      return afterRefusal(evaluation, reason, instances);
    case 'passing':
      return nextTry(evaluation, { instance: evaluation.instance, refusals: evaluation.refusals ?? [] }, reason);
  }
}

/** Where the job is to run when its type cannot be had: the next type; after the last one the list again, later. */
export function afterRefusal(evaluation: EvaluationRecord, reason: string, instances: readonly string[]): Next {
  const { instance, tries } = evaluation;
  const refusals = withRefusal(evaluation, instances, reason);
  if (instance + 1 < instances.length) return { again: { instance: instance + 1, tries, refusals } };
  // Without any quota the list ends the same at every time.
  const mayPass = refusals.some((each) => failureKind(each.reason) === 'capacity');
  return mayPass
    ? nextTry(evaluation, { instance: 0, refusals: [] }, noInstance(refusals))
    : { giveUp: noInstance(refusals) };
}

/** The account may have the type, and others use it. */
export function whileInUse({ instance, tries, waitingSince }: EvaluationRecord, reason: string, now: Date): Next {
  const giveUp = waitedTooLong(waitingSince, reason, now);
  return giveUp === undefined ? { again: { instance, tries, waitingFor: reason } } : { giveUp };
}

function nextTry(
  { tries }: EvaluationRecord,
  { instance, refusals }: { instance: number; refusals: Refusal[] },
  waitingFor: string,
): Next {
  if (tries >= MAXIMUM_TRIES) return { giveUp: `${waitingFor} (tried ${tries} times)` };
  return { again: { instance, tries: tries + 1, refusals, waitingFor } };
}

export interface EvaluationPlace {
  readonly environment: string;
  readonly project: string;
  readonly installation: string;
}

/** The record of an evaluation that SageMaker has not been asked for yet. */
export function newEvaluation(
  place: EvaluationPlace,
  asked: Pick<EvaluationRecord, 'model' | 'champion' | 'number' | 'cause'>,
  at: string,
  { waitingFor, ...placement }: Placement = { instance: 0, tries: 1 },
): EvaluationRecord {
  return {
    jobName: evaluationJobName.build(place.environment, { ...place, model: asked.model, number: asked.number }),
    ...asked,
    ...placement,
    ...(waitingFor === undefined ? { status: 'requested' } : { status: 'waiting', waitingSince: at, waitingFor }),
    requestedAt: at,
    at,
  };
}
