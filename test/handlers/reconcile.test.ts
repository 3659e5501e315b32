import { describe, expect, it } from 'vitest';
import { reconciliationDue } from '../../lambdas/contract/aws-events.ts';
import { StepOverdue } from '../../lambdas/contract/events.ts';
import { endpointName, itemKey } from '../../lambdas/contract/keys.ts';
import type { DeploymentRecord } from '../../lambdas/contract/records.ts';
import { finishDeployment } from '../../lambdas/handlers/finish-deployment.ts';
import { OVERDUE_SECONDS, reconcile } from '../../lambdas/handlers/reconcile.ts';
import { alarmStore } from '../../lambdas/stores/alarm-store.ts';
import { endpointGateway } from '../../lambdas/stores/endpoint-gateway.ts';
import { eventPublisher } from '../../lambdas/stores/event-publisher.ts';
import { lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { trainingGateway } from '../../lambdas/stores/training-gateway.ts';
import { handlerContext } from '../support/context.ts';
import { environmentSettings, projectSettings } from '../support/project.ts';
import { createBus, createLineageTable } from '../support/services.ts';

describe('reconcile', () => {
  it('has a model deployed that waits for an endpoint which was deleted meanwhile', async () => {
    const lineage = lineageStore(await createLineageTable());
    const bus = await createBus();
    const at = '2026-11-24T12:00:00.000Z';
    const later = (seconds: number) => new Date(Date.parse(at) + seconds * 1000);
    const settings = environmentSettings();
    const endpoint = endpointName.build(settings.name, 'flights');
    const deployment: DeploymentRecord = {
      model: 2,
      status: 'requested',
      endpoint,
      endpointConfig: 'c2',
      replaces: null,
      at,
    };
    const decision = { model: 2, decision: 'approve', decidedBy: 'gate', reasons: ['good'], at };
    await lineage.write([
      { kind: 'create', type: 'deployment', project: 'flights', local: 2, order: 2, record: deployment },
      { kind: 'create', type: 'decision', project: 'flights', local: 2, record: decision },
      { kind: 'state', project: 'flights', read: { revision: 0 }, set: { model: 2, wanted: 2 } },
    ]);
    const endpoints = endpointGateway();
    const services = { lineage, events: eventPublisher(bus.name), jobs: trainingGateway(), endpoints };
    const contextAfter = (seconds: number) => handlerContext(services, { settings, now: later(seconds) });

    await reconcile({ type: 'ReconciliationDue', detail: { project: 'flights' } }, contextAfter(OVERDUE_SECONDS));
    expect(await bus.drain()).toEqual([]);
    await reconcile({ type: 'ReconciliationDue', detail: { project: 'flights' } }, contextAfter(OVERDUE_SECONDS + 1));
    const [overdue] = await bus.drain();
    expect(overdue).toMatchObject({ 'detail-type': 'StepOverdue', detail: { kind: 'deployment', name: endpoint } });

    const context = handlerContext({ ...services, sageMaker: endpoints, alarms: alarmStore() }, { settings });
    const detail = StepOverdue.detail.parse(overdue?.detail);
    await finishDeployment({ type: 'StepOverdue', detail }, context);
    expect(await bus.drain()).toMatchObject([{ 'detail-type': 'ModelApproved', detail: { model: 2 } }]);
  });

  it('takes each project by itself when all are due: a broken record stops no other', async () => {
    const table = await createLineageTable();
    const lineage = lineageStore(table);
    const bus = await createBus();
    await lineage.replace(itemKey.state('loans'), 0, { model: 'none' });
    const settings = environmentSettings(
      Array.from({ length: 25 }, (_, index) => projectSettings({ name: index === 0 ? 'loans' : `flights-${index}` })),
    );
    const services = {
      lineage,
      events: eventPublisher(bus.name),
      jobs: trainingGateway(),
      endpoints: endpointGateway(),
    };
    const due = (detail: object) =>
      reconcile(
        { type: 'ReconciliationDue', detail: reconciliationDue.detail.parse(detail) },
        handlerContext(services, { settings }),
      );
    await due({});
    const divided = await bus.drain();
    expect(divided.map(({ detail }) => detail.project)).toEqual(settings.projects.map(({ name }) => name));
    await expect(due({ project: 'loans' })).rejects.toThrow();
    await due({ project: 'flights-24' });
  });
});
