/** What deploy-model and finish-deployment share: takes the wanted deployment as far as the endpoint has come. */
import { DeploymentRolledBack, ModelApproved, ModelDeployed } from '../../contract/events.ts';
import { nodeId } from '../../contract/keys.ts';
import { metrics } from '../../contract/metrics.ts';
import type { DeploymentRecord, StateRecord } from '../../contract/records.ts';
import { ConcurrentChange } from '../../domain/errors.ts';
import { rollbackAlarmNames } from '../../domain/serving/rollback-alarms.ts';
import { type DeploymentVerdict, judgeDeployment } from '../../domain/serving/verdict.ts';
import type { Context } from '../../runtime/event-handler.ts';
import type { AlarmStore } from '../../stores/alarm-store.ts';
import type { EndpointGateway } from '../../stores/endpoint-gateway.ts';
import type { EventPublisher } from '../../stores/event-publisher.ts';
import type { LineageStore } from '../../stores/lineage-store.ts';
import { requireDecisionOn } from '../approval/decisions.ts';

interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
  readonly sageMaker: Pick<EndpointGateway, 'describe'>;
  readonly alarms: Pick<AlarmStore, 'remove'>;
}

export async function settleDeployment(project: string, endpoint: string, context: Context<Services>): Promise<void> {
  const { lineage, sageMaker, alarms, events } = context.services;
  const deployments = await underWay(project, lineage);
  const updating = deployments.find((each) => each.status === 'updating');
  if (updating) {
    const verdict = judgeDeployment(updating, await sageMaker.describe(endpoint), context.now());
    if (verdict.verdict === 'in-progress') return;
    // Before the record says that it ended: afterwards the same config may be deployed again, with alarms of the same names.
    await alarms.remove(rollbackAlarmNames(updating.endpointConfig));
    await settle(project, updating, verdict, context);
  } else {
    // Not the newest model: an earlier one may have been put back since.
    const [last] = deployments
      .filter((each) => each.status === 'deployed' || each.status === 'rolled-back')
      .toSorted((a, b) => (b.endedAt ?? b.at).localeCompare(a.endedAt ?? a.at));
    if (last) await announce(project, last, await lineage.state(project), events);
  }
  await startNext(project, deployments, context);
}

/** The deployments that an event of the endpoint can be about: the newest, and the wanted one, which may be of an earlier model. */
async function underWay(project: string, lineage: LineageStore): Promise<DeploymentRecord[]> {
  const [newest, { wanted }] = await Promise.all([
    lineage.newest('deployment', project, RECENT),
    lineage.state(project),
  ]);
  if (wanted === undefined || newest.some((each) => each.model === wanted)) return newest;
  return [...newest, await lineage.require('deployment', project, wanted)];
}

/** Deployments that can be under way at once: the one SageMaker works on, and those that wait behind it. */
const RECENT = 10;

async function settle(
  project: string,
  deployment: DeploymentRecord,
  verdict: Exclude<DeploymentVerdict, { verdict: 'in-progress' }>,
  { services, now, metrics: recorder }: Context<Services>,
): Promise<void> {
  const state = await services.lineage.state(project);
  const at = now().toISOString();
  const deployed = verdict.verdict === 'deployed';
  const ended: DeploymentRecord = {
    ...deployment,
    status: verdict.verdict,
    endedAt: at,
    ...(verdict.verdict === 'rolled-back' && { failure: verdict.reason }),
  };
  const id = nodeId.build('deployment', project, deployment.model);
  const endpointId = nodeId.build('endpoint', project, deployment.endpoint);
  const change: Partial<StateRecord> = deployed ? { champion: deployment.model } : {};
  const outcome = await services.lineage.write([
    {
      kind: 'update',
      id,
      set: { status: ended.status, endedAt: at, failure: ended.failure },
      expect: { status: ['updating'] },
    },
    {
      kind: 'state',
      project,
      read: state,
      set: change,
      ...(deployed
        ? { unset: ['driftedModel'] as const }
        : state.wanted === deployment.model
          ? wantedNoMore(state, verdict)
          : {}),
    },
    ...(deployed
      ? ([
          { kind: 'mention', id: endpointId, at },
          { kind: 'edge', from: endpointId, relation: 'wasGeneratedBy', to: id, at },
        ] as const)
      : []),
  ]);
  if (!outcome.written) throw new ConcurrentChange(id);
  recorder.record(project, metrics.deploymentRolledBack, deployed ? 0 : 1);
  await announce(project, ended, { ...state, ...change }, services.events);
}

/** A model that was rolled back is wanted no more, and an endpoint that serves nothing has no champion. */
function wantedNoMore(state: StateRecord, verdict: { verdict: string; servesOld?: boolean }) {
  return {
    unset:
      verdict.servesOld && state.champion !== undefined ? (['wanted'] as const) : (['wanted', 'champion'] as const),
  };
}

async function announce(project: string, deployment: DeploymentRecord, state: StateRecord, events: EventPublisher) {
  const { model, endpoint, replaces } = deployment;
  const at = deployment.endedAt ?? deployment.at;
  if (deployment.status === 'deployed') {
    await events.publish(ModelDeployed, { project, at, model, endpoint, replaces });
  } else {
    await events.publish(DeploymentRolledBack, {
      project,
      at,
      model,
      endpoint,
      inService: state.champion ?? null,
      reason: deployment.failure ?? 'no reason recorded',
    });
  }
}

/** A model that was approved while SageMaker was busy with another one. */
async function startNext(project: string, deployments: readonly DeploymentRecord[], { services }: Context<Services>) {
  const next = deployments.find((each) => each.status === 'requested');
  if (!next) return;
  const decision = await requireDecisionOn(services.lineage, project, next.model);
  await services.events.publish(ModelApproved, { ...decision, project });
}
