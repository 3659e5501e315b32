/** ModelTrained → the processing job that scores it beside the model in service. */
import { EvaluationStarted, ModelTrained } from '../contract/events.ts';
import { evaluationJobName, nodeId } from '../contract/keys.ts';
import type { EvaluationRecord } from '../contract/records.ts';
import { evaluationJobRequest } from '../domain/evaluation-job.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { type ProjectRoles, roleOf } from '../runtime/project-roles.ts';
import { projectNamed } from '../runtime/settings.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';
import { type TrainingGateway, trainingGateway } from '../stores/training-gateway.ts';

interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
  readonly sageMaker: Pick<TrainingGateway, 'createProcessingJob'>;
  readonly places: { keyArn: string; datasetBucket: string; modelBucket: string };
  readonly roles: ProjectRoles;
}

export const handler = eventHandler({
  name: 'start-evaluation',
  consumes: [ModelTrained],
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    events: eventPublisher(environment.EVENT_BUS_NAME),
    sageMaker: trainingGateway(),
    places: {
      keyArn: environment.DATA_KEY_ARN,
      datasetBucket: environment.DATASET_BUCKET,
      modelBucket: environment.MODEL_BUCKET,
    },
    roles: environment.PROJECT_ROLES,
  }),
  handle: startEvaluation,
});

export async function startEvaluation(
  event: ParsedEvent<typeof ModelTrained>,
  context: Context<Services>,
): Promise<void> {
  const { settings, services, now } = context;
  const { lineage, events } = services;
  const project = projectNamed(settings, event.detail.project);
  const candidate = await lineage.require('model', project.name, event.detail.model);
  if (candidate.status !== 'trained' && candidate.status !== 'evaluated') return;
  const { champion: championNumber } = await lineage.state(project.name);
  // A model that was overtaken while it waited is judged against what serves now, even if that is newer.
  const champion =
    championNumber === undefined ? undefined : await lineage.require('model', project.name, championNumber);
  const run = await lineage.require('training-run', project.name, candidate.runId);

  const request = evaluationJobRequest(project, candidate, run.codeSha256, champion, {
    ...services.places,
    environment: settings.name,
    roleArn: roleOf(services.roles, project.name),
  });
  const outcome = await services.sageMaker.createProcessingJob(request);
  if (outcome === 'no-quota')
    throw new Error('no quota for the evaluation instance: ask AWS for a higher processing quota');

  const job = { project: project.name, model: candidate.model, champion: champion?.model ?? null };
  const jobName = evaluationJobName.build(settings.name, job);
  const record: EvaluationRecord = {
    jobName,
    model: job.model,
    champion: job.champion,
    status: 'started',
    at: now().toISOString(),
  };
  const id = nodeId.build('evaluation', project.name, jobName);
  const used = (to: string) => ({ kind: 'edge' as const, from: id, relation: 'used' as const, to, at: record.at });
  const written = await lineage.write([
    { kind: 'create', type: 'evaluation', project: project.name, local: jobName, record },
    used(nodeId.build('model', project.name, candidate.model)),
    used(nodeId.build('dataset-version', project.name, candidate.datasetVersion)),
    ...(champion ? [used(nodeId.build('model', project.name, champion.model))] : []),
  ]);
  const told = written.written ? record : await lineage.require('evaluation', project.name, jobName);
  await events.publish(EvaluationStarted, { ...told, project: project.name });
}
