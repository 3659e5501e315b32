/** What the steps of evaluation and request-training share: how an evaluation is asked for. */
import { EvaluationDelayed, EvaluationRequested } from '../../contract/events.ts';
import { nodeId } from '../../contract/keys.ts';
import type { EvaluationRecord, ModelRecord, TrainingRunRecord } from '../../contract/records.ts';
import type { ProjectSettings } from '../../contract/settings.ts';
import { ConcurrentChange } from '../../domain/errors.ts';
import { newEvaluation, type Placement } from '../../domain/evaluation-plan.ts';
import type { Context } from '../../runtime/event-handler.ts';
import { budgetWrites, reservationOf, reserved } from '../../stores/budget-writes.ts';
import type { EventPublisher } from '../../stores/event-publisher.ts';
import type { LineageStore } from '../../stores/lineage-store.ts';
import type { Write } from '../../stores/lineage-writes.ts';

interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
}

export const evaluationId = (project: string, jobName: string): string => nodeId.build('evaluation', project, jobName);

/** The record of an evaluation to ask for now, with what it may take held back in this month. */
export function planEvaluation(
  { name: project, training }: ProjectSettings,
  asked: Pick<EvaluationRecord, 'model' | 'champion' | 'number' | 'cause'>,
  { settings, services: { installation }, now }: Context<{ readonly installation: string }>,
  placement?: Placement,
): EvaluationRecord {
  const at = now().toISOString();
  const evaluation = newEvaluation({ environment: settings.name, project, installation }, asked, at, placement);
  return { ...evaluation, reservation: reservationOf(at, training.maximumRuntimeSeconds) };
}

/** The record of an evaluation and what it uses. The budget and the model are the caller's: it may have more to say of them. */
export function recordOfEvaluation(
  project: string,
  { datasetVersion }: ModelRecord,
  evaluation: EvaluationRecord,
): Write[] {
  const { jobName, model, champion, at } = evaluation;
  const used = (to: string) =>
    ({ kind: 'edge', from: evaluationId(project, jobName), relation: 'used', to, at }) as const;
  return [
    { kind: 'create', type: 'evaluation', project, local: jobName, record: evaluation },
    used(nodeId.build('model', project, model)),
    used(nodeId.build('dataset-version', project, datasetVersion)),
    ...(champion === null ? [] : [used(nodeId.build('model', project, champion))]),
  ];
}

/**
 * A person asks for a run that has trained, and whose evaluation was given up: that is what is tried again.
 * @returns false when there is nothing of the kind
 */
export async function evaluateAgain(
  project: ProjectSettings,
  run: TrainingRunRecord,
  { cause, reason }: { readonly cause: string; readonly reason: string },
  context: Context<Services & { readonly installation: string }>,
): Promise<boolean> {
  const { lineage, events } = context.services;
  const model = run.model === undefined ? undefined : await lineage.require('model', project.name, run.model);
  if (model?.newestEvaluation === undefined) return false;
  const newest = await lineage.require('evaluation', project.name, model.newestEvaluation);
  // The same demand again.
  if (newest.cause === cause) {
    await announceRequest(project.name, newest, reason, events);
    return true;
  }
  if (model.status !== 'evaluation-failed') return false;
  const { champion = null } = await lineage.state(project.name);
  const asked = { model: model.model, champion, number: newest.number + 1, cause };
  const evaluation = planEvaluation(project, asked, context);
  const outcome = await lineage.write([
    ...recordOfEvaluation(project.name, model, evaluation),
    {
      kind: 'update',
      id: nodeId.build('model', project.name, model.model),
      set: { status: 'trained', newestEvaluation: evaluation.jobName },
      expect: { status: ['evaluation-failed'], newestEvaluation: [newest.jobName] },
    },
    ...budgetWrites(project.name, reserved(evaluation.reservation)),
  ]);
  if (!outcome.written) throw new ConcurrentChange(`evaluation ${evaluation.jobName}`);
  await announceRequest(project.name, evaluation, reason, events);
  return true;
}

/** Tells of an evaluation that SageMaker is to be asked for now, or that waits. */
export async function announceRequest(
  project: string,
  { status, at, model, jobName, tries, waitingSince = at }: EvaluationRecord,
  reason: string,
  events: EventPublisher,
): Promise<void> {
  if (status === 'requested') await events.publish(EvaluationRequested, { project, at, model, jobName, reason });
  if (status === 'waiting')
    await events.publish(EvaluationDelayed, {
      project,
      at: waitingSince,
      model,
      jobName,
      reason: tries > 1 ? `${reason}; try ${tries} follows` : reason,
    });
}
