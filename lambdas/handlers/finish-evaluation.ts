/** A processing job ended → the candidate's metrics, another evaluation, or why there is none. */
import { processingJobStateChange } from '../contract/aws-events.ts';
import { ModelEvaluated, StepOverdue } from '../contract/events.ts';
import { evaluationJobName } from '../contract/keys.ts';
import { metrics } from '../contract/metrics.ts';
import type { EvaluationFile } from '../contract/model-files.ts';
import type { EvaluationRecord } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { checkFeatures } from '../domain/drift/told.ts';
import { ConcurrentChange, UnusableFile } from '../domain/errors.ts';
import { afterFailure } from '../domain/evaluation-plan.ts';
import { type EvaluationSummary, summarizeEvaluation } from '../domain/evaluation-summary.ts';
import { installationOf } from '../domain/installation.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { projectNamed } from '../runtime/settings.ts';
import { evaluationId, planEvaluation } from '../steps/evaluation/evaluation-requests.ts';
import {
  announceFailure,
  type Failure,
  giveUpEvaluation,
  isUnderWay,
  newestOf,
  replaceEvaluation,
  UNDER_WAY,
  waitsFor,
} from '../steps/evaluation/evaluation-steps.ts';
import { budgetWrites, released, used } from '../stores/budget-writes.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';
import { type ModelStore, modelStore } from '../stores/model-store.ts';
import { type TrainingGateway, trainingGateway } from '../stores/training-gateway.ts';

type Events = ParsedEvent<typeof processingJobStateChange | typeof StepOverdue>;
interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
  readonly models: Pick<ModelStore, 'readEvaluation' | 'readBaseline'>;
  readonly sageMaker: Pick<TrainingGateway, 'processingJobEnd'>;
  readonly installation: string;
}

export const handler = eventHandler({
  name: 'finish-evaluation',
  consumes: [processingJobStateChange, StepOverdue],
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    events: eventPublisher(environment.EVENT_BUS_NAME),
    models: modelStore(environment.MODEL_BUCKET),
    sageMaker: trainingGateway(),
    installation: installationOf(environment.TABLE_NAME),
  }),
  handle: finishEvaluation,
});

export async function finishEvaluation(event: Events, context: Context<Services>): Promise<void> {
  const { settings, services, log, metrics: recorder } = context;
  const { lineage } = services;
  const jobName = event.type === 'StepOverdue' ? event.detail.name : event.detail.ProcessingJobName;
  const job = evaluationJobName.parse(settings.name, jobName);
  if (!job) return;
  const project = projectNamed(settings, job.project);
  const evaluation = await lineage.get('evaluation', project.name, jobName);
  // Recorded before SageMaker is asked: what has no record is of an installation that was here before.
  if (!evaluation) return log.info('a job of another installation has ended', { jobName });
  if (!isUnderWay(evaluation)) return announce(project.name, evaluation, services);

  const end = await services.sageMaker.processingJobEnd(jobName);
  if (!end) return;
  const endedAt = end.endedAt.toISOString();
  if (end.outcome === 'completed') {
    const result = await resultOf(project, jobName, services);
    if ('unusable' in result) {
      const model = await lineage.require('model', project.name, evaluation.model);
      const failure = { reason: result.unusable, endedAt, seconds: end.seconds };
      // Whatever its words: the same job would write the same again.
      await giveUpEvaluation(project.name, model, evaluation, failure, context);
    } else {
      const { evaluation: file, omittedSlices } = result;
      if (omittedSlices > 0) log.warn('slices of an evaluation are in its file alone', { jobName, omittedSlices });
      await complete(project.name, evaluation, { endedAt, seconds: end.seconds }, file, services);
      recorder.record(project.name, metrics.trainingFailed, 0);
    }
  } else {
    await fail(project, evaluation, { reason: end.reason, endedAt, seconds: end.seconds }, context);
  }
  await announce(project.name, await lineage.require('evaluation', project.name, jobName), services);
}

/** What the job left: the evaluation, beside a baseline that drift can be measured with once the model serves. */
async function resultOf(
  project: ProjectSettings,
  jobName: string,
  { models }: Services,
): Promise<EvaluationSummary | { readonly unusable: string }> {
  try {
    const whole = await models.readEvaluation(project.name, jobName);
    checkFeatures(await models.readBaseline(project.name, jobName), project.data.columns);
    return summarizeEvaluation(whole, project.gate.metric);
  } catch (error) {
    if (error instanceof UnusableFile) return { unusable: error.message };
    throw error;
  }
}

async function complete(
  project: string,
  evaluation: EvaluationRecord,
  { endedAt, seconds }: { endedAt: string; seconds: number },
  file: EvaluationFile,
  { lineage }: Services,
) {
  const { jobName, reservation } = evaluation;
  const model = await lineage.require('model', project, evaluation.model);
  const outcome = await lineage.write([
    {
      kind: 'update',
      id: evaluationId(project, jobName),
      set: { status: 'completed', seconds, endedAt, evaluation: file },
      expect: { status: UNDER_WAY },
    },
    ...(waitsFor(model, evaluation)
      ? [newestOf(project, evaluation, { status: 'evaluated', evaluationJob: jobName, metrics: pointEstimates(file) })]
      : []),
    ...budgetWrites(project, [...released(reservation), used(endedAt, seconds)]),
  ]);
  if (!outcome.written) throw new ConcurrentChange(`evaluation ${jobName}`);
}

/** A failure that may pass, or a type without capacity, makes another evaluation; any other is for a person to see. */
async function fail(
  project: ProjectSettings,
  evaluation: EvaluationRecord,
  failure: Failure,
  context: Context<Services>,
): Promise<void> {
  const { services } = context;
  const next = afterFailure(evaluation, failure.reason, project.training.evaluationInstances);
  const model = await services.lineage.require('model', project.name, evaluation.model);
  if ('giveUp' in next)
    return giveUpEvaluation(project.name, model, evaluation, { ...failure, reason: next.giveUp }, context);
  if (!waitsFor(model, evaluation)) return giveUpEvaluation(project.name, model, evaluation, failure, context);
  const { champion = null } = await services.lineage.state(project.name);
  const { cause, number } = evaluation;
  const asked = { model: model.model, champion, number: number + 1, ...(cause !== undefined && { cause }) };
  const again = planEvaluation(project, asked, context, next.again);
  await replaceEvaluation(project.name, model, [evaluation, again], failure, context);
}

async function announce(project: string, evaluation: EvaluationRecord, services: Services): Promise<void> {
  const { model, champion, jobName, at, endedAt = at, evaluation: file } = evaluation;
  if (!file) return announceFailure(project, evaluation, services);
  const detail = { project, at: endedAt, model, champion, jobName, metrics: pointEstimates(file) };
  await services.events.publish(ModelEvaluated, detail);
}

function pointEstimates(file: EvaluationFile): Record<string, number> {
  return Object.fromEntries(Object.entries(file.candidate.metrics).map(([name, estimate]) => [name, estimate.value]));
}
