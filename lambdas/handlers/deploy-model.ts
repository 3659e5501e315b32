/** ModelApproved → the endpoint is created or updated, with a canary and alarms that roll it back. */
import { DeploymentStarted, ModelApproved } from '../contract/events.ts';
import { nodeId } from '../contract/keys.ts';
import type { DeploymentRecord } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { type DeploymentRequests, deploymentRequests } from '../domain/deployment.ts';
import { ConcurrentChange } from '../domain/errors.ts';
import { installationOf } from '../domain/installation.ts';
import { rollbackAlarmNames, rollbackAlarms } from '../domain/serving/rollback-alarms.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { type ProjectRoles, roleOf } from '../runtime/project-roles.ts';
import { projectNamed } from '../runtime/settings.ts';
import { decisionOn } from '../steps/approval/decisions.ts';
import { settleDeployment } from '../steps/serving/settle-deployment.ts';
import { type AlarmStore, alarmStore } from '../stores/alarm-store.ts';
import { type EndpointGateway, endpointGateway } from '../stores/endpoint-gateway.ts';
import { type EndpointLogs, endpointLogs } from '../stores/endpoint-logs.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';

interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
  readonly sageMaker: EndpointGateway;
  readonly places: { installation: string; keyArn: string; captureBucket: string };
  readonly roles: ProjectRoles;
  readonly alarms: AlarmStore;
  readonly logs: EndpointLogs;
}

export const handler = eventHandler({
  name: 'deploy-model',
  consumes: [ModelApproved],
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    events: eventPublisher(environment.EVENT_BUS_NAME),
    sageMaker: endpointGateway(),
    places: {
      installation: installationOf(environment.TABLE_NAME),
      keyArn: environment.DATA_KEY_ARN,
      captureBucket: environment.CAPTURE_BUCKET,
    },
    roles: environment.PROJECT_ROLES,
    alarms: alarmStore(),
    logs: endpointLogs({ keyArn: environment.DATA_KEY_ARN, retentionDays: environment.LOG_RETENTION_DAYS }),
  }),
  handle: deployModel,
});

/**
 * The record of the deployment goes through `requested` (wanted, SageMaker not asked yet) and `updating` (SageMaker took
 * it); only an `updating` one is judged by what the endpoint does. An endpoint that is busy with another model leaves this
 * one `requested`: whoever finishes the other publishes ModelApproved again.
 */
export async function deployModel(event: ParsedEvent<typeof ModelApproved>, context: Context<Services>): Promise<void> {
  const { settings, services } = context;
  const project = projectNamed(settings, event.detail.project);
  const model = await services.lineage.require('model', project.name, event.detail.model);
  // Whoever sent the event, and whoever wrote the model's status: judge-candidate alone may write decisions.
  const decision = (await decisionOn(services.lineage, project.name, model.model))?.decision;
  if (model.status !== 'approved' || decision !== 'approve')
    return context.log.warn('the model is not approved', { model: model.model, status: model.status, decision });
  const requests = deploymentRequests(project, model, {
    ...services.places,
    environment: settings.name,
    roleArn: roleOf(services.roles, project.name),
  });
  const deployment = await wanted(project, model.model, requests, context);
  if (!deployment) return;
  if (deployment.status === 'requested') {
    // Before the request, so that whatever SageMaker changes because of it is later.
    const startedAt = context.now().toISOString();
    if (!(await ask(requests, services))) return;
    await markUpdating(project, deployment, requests, startedAt, services);
  }
  const told = await services.lineage.require('deployment', project.name, deployment.model);
  await services.events.publish(DeploymentStarted, { ...told, project: project.name, at: told.startedAt ?? told.at });
  // SageMaker may have finished before the record said `updating`, and its event found nothing to judge.
  await settleDeployment(project.name, requests.endpoint, context);
}

/** Makes the model the wanted one; undefined when a newer model is wanted already (this event came late). */
async function wanted(
  project: ProjectSettings,
  model: number,
  requests: DeploymentRequests,
  { services, now, log }: Context<Services>,
): Promise<DeploymentRecord | undefined> {
  const { lineage } = services;
  const state = await lineage.state(project.name);
  if (state.wanted !== undefined && state.wanted > model) {
    log.info('a newer model is wanted', { project: project.name, model, wanted: state.wanted });
    return undefined;
  }
  const present = await lineage.get('deployment', project.name, model);
  if (present) return present;
  const deployment: DeploymentRecord = {
    model,
    status: 'requested',
    endpoint: requests.endpoint,
    endpointConfig: requests.endpointConfig,
    replaces: state.champion ?? null,
    at: now().toISOString(),
  };
  const id = nodeId.build('deployment', project.name, model);
  const edge = (relation: 'used' | 'wasInformedBy', to: string) =>
    ({ kind: 'edge', from: id, relation, to, at: deployment.at }) as const;
  const outcome = await lineage.write([
    { kind: 'create', type: 'deployment', project: project.name, local: model, record: deployment, order: model },
    edge('used', nodeId.build('model', project.name, model)),
    edge('wasInformedBy', nodeId.build('decision', project.name, model)),
    { kind: 'state', project: project.name, read: state, set: { wanted: model } },
  ]);
  if (!outcome.written) throw new ConcurrentChange(`deployment of ${project.name} model ${model}`);
  return deployment;
}

/** @returns false when the endpoint is busy with another model. */
async function ask(requests: DeploymentRequests, { sageMaker, logs, alarms }: Services): Promise<boolean> {
  await logs.prepare(requests.endpoint);
  await sageMaker.prepare(requests);
  const present = await sageMaker.describe(requests.endpoint);
  if (!present) return sageMaker.create(requests);
  if (present.status === 'Failed' || present.status === 'Deleting') {
    // SageMaker lets a failed endpoint only be deleted.
    if (present.status === 'Failed') await sageMaker.delete(requests.endpoint);
    throw new Error(`endpoint ${requests.endpoint} is being deleted; the retry creates it anew`);
  }
  if (present.endpointConfig === requests.endpointConfig || present.pendingConfig === requests.endpointConfig)
    return true;
  await alarms.put(rollbackAlarms(requests.endpoint, requests.endpointConfig));
  const taken = await sageMaker.update(requests);
  if (!taken) await alarms.remove(rollbackAlarmNames(requests.endpointConfig));
  return taken;
}

async function markUpdating(
  project: ProjectSettings,
  deployment: DeploymentRecord,
  { endpointConfig }: DeploymentRequests,
  startedAt: string,
  { lineage }: Services,
): Promise<void> {
  // Not written: a repeat of this event was faster, and the record says `updating` or more.
  await lineage.write([
    {
      kind: 'update',
      id: nodeId.build('deployment', project.name, deployment.model),
      // The config, too: serving settings may have been deployed since the model was first wanted.
      set: { status: 'updating', endpointConfig, startedAt },
      expect: { status: ['requested'] },
    },
  ]);
}
