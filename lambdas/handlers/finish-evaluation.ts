/** A processing job ended → the candidate's metrics, or why there are none. */
import { processingJobStateChange } from '../contract/aws-events.ts';
import { EvaluationFailed, ModelEvaluated, StepOverdue } from '../contract/events.ts';
import { evaluationJobName, nodeId } from '../contract/keys.ts';
import { metrics } from '../contract/metrics.ts';
import type { EvaluationFile } from '../contract/model-files.ts';
import type { EvaluationRecord } from '../contract/records.ts';
import { ConcurrentChange } from '../domain/errors.ts';
import { summarizeEvaluation } from '../domain/evaluation-summary.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { projectNamed } from '../runtime/settings.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';
import { type ModelStore, modelStore } from '../stores/model-store.ts';
import { type TrainingGateway, trainingGateway } from '../stores/training-gateway.ts';

type Events = ParsedEvent<typeof processingJobStateChange | typeof StepOverdue>;
interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
  readonly models: Pick<ModelStore, 'readEvaluation'>;
  readonly sageMaker: Pick<TrainingGateway, 'processingJobEnd'>;
}

export const handler = eventHandler({
  name: 'finish-evaluation',
  consumes: [processingJobStateChange, StepOverdue],
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    events: eventPublisher(environment.EVENT_BUS_NAME),
    models: modelStore(environment.MODEL_BUCKET),
    sageMaker: trainingGateway(),
  }),
  handle: finishEvaluation,
});

export async function finishEvaluation(event: Events, context: Context<Services>): Promise<void> {
  const { settings, services, log, metrics: recorder } = context;
  const jobName = event.type === 'StepOverdue' ? event.detail.name : event.detail.ProcessingJobName;
  const job = evaluationJobName.parse(settings.name, jobName);
  if (!job) return;
  const project = projectNamed(settings, job.project).name;
  const evaluation = await services.lineage.require('evaluation', project, jobName);
  if (evaluation.status !== 'started') return announce(project, evaluation, services.events);

  const end = await services.sageMaker.processingJobEnd(jobName);
  if (!end) return;
  const ended = { endedAt: end.endedAt.toISOString(), seconds: end.seconds };
  if (end.outcome === 'completed') {
    const { metric } = projectNamed(settings, project).gate;
    const whole = await services.models.readEvaluation(project, jobName);
    const { evaluation: file, omittedSlices } = summarizeEvaluation(whole, metric);
    if (omittedSlices > 0) log.warn('slices of an evaluation are in its file alone', { jobName, omittedSlices });
    await complete(project, { ...evaluation, ...ended, status: 'completed', evaluation: file }, file, services);
  } else {
    await fail(project, { ...evaluation, ...ended, status: 'failed', failure: end.reason }, services.lineage);
  }
  recorder.record(project, metrics.trainingFailed, end.outcome === 'completed' ? 0 : 1);
  await announce(project, await services.lineage.require('evaluation', project, jobName), services.events);
}

async function complete(project: string, evaluation: EvaluationRecord, file: EvaluationFile, { lineage }: Services) {
  const { status, seconds, endedAt } = evaluation;
  const outcome = await lineage.write([
    {
      kind: 'update',
      id: nodeId.build('evaluation', project, evaluation.jobName),
      set: { status, seconds, endedAt, evaluation: file },
      expect: { status: ['started'] },
    },
    {
      kind: 'update',
      id: nodeId.build('model', project, evaluation.model),
      set: { status: 'evaluated', evaluationJob: evaluation.jobName, metrics: pointEstimates(file) },
      expect: { status: ['trained', 'evaluated'] },
    },
  ]);
  if (!outcome.written) throw new ConcurrentChange(`evaluation ${evaluation.jobName}`);
}

async function fail(project: string, evaluation: EvaluationRecord, lineage: LineageStore) {
  const { status, seconds, endedAt, failure } = evaluation;
  const outcome = await lineage.write([
    {
      kind: 'update',
      id: nodeId.build('evaluation', project, evaluation.jobName),
      set: { status, seconds, endedAt, failure },
      expect: { status: ['started'] },
    },
  ]);
  if (!outcome.written) throw new ConcurrentChange(`evaluation ${evaluation.jobName}`);
}

async function announce(project: string, record: EvaluationRecord, events: EventPublisher): Promise<void> {
  const { model, champion, jobName, evaluation } = record;
  const at = record.endedAt ?? record.at;
  if (evaluation) {
    await events.publish(ModelEvaluated, {
      project,
      at,
      model,
      champion,
      jobName,
      metrics: pointEstimates(evaluation),
    });
  } else {
    await events.publish(EvaluationFailed, {
      project,
      at,
      model,
      jobName,
      reason: record.failure ?? 'no reason recorded',
    });
  }
}

function pointEstimates(file: EvaluationFile): Record<string, number> {
  return Object.fromEntries(Object.entries(file.candidate.metrics).map(([name, estimate]) => [name, estimate.value]));
}
