import { expect, it } from 'vitest';
import { deployModel } from '../../lambdas/handlers/deploy-model.ts';
import { alarmStore } from '../../lambdas/stores/alarm-store.ts';
import { endpointGateway } from '../../lambdas/stores/endpoint-gateway.ts';
import { endpointLogs } from '../../lambdas/stores/endpoint-logs.ts';
import { eventPublisher } from '../../lambdas/stores/event-publisher.ts';
import { lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { handlerContext } from '../support/context.ts';
import { createsModel } from '../support/records.ts';
import { createBus, createKey, createLineageTable } from '../support/services.ts';

const at = '2026-11-24T12:00:00.000Z';

it.each([
  { status: 'awaiting-approval', decision: 'approve' },
  { status: 'rejected', decision: 'approve' },
  { status: 'evaluated', decision: 'approve' },
  // Several functions may write the record of a model; one may write decisions.
  { status: 'approved', decision: undefined },
  { status: 'approved', decision: 'ask' },
  { status: 'approved', decision: 'reject' },
] as const)(
  'an event that calls a model approved deploys nothing while its record says $status and its decision $decision',
  async ({ status, decision }) => {
    const lineage = lineageStore(await createLineageTable());
    const [bus, keyArn] = [await createBus(), await createKey()];
    const decided = { model: 2, decision, decidedBy: 'gate', reasons: ['by a test'], at };
    await lineage.write([
      createsModel({ model: 2, status, datasetVersion: 2 }),
      ...(decision
        ? [{ kind: 'create', type: 'decision', project: 'flights', local: '2', record: decided } as const]
        : []),
    ]);
    const context = handlerContext({
      lineage,
      events: eventPublisher(bus.name),
      sageMaker: endpointGateway(),
      places: { installation: 'aaaaa', keyArn, captureBucket: 'capture' },
      roles: { flights: 'arn:aws:iam::000000000000:role/flights' },
      alarms: alarmStore(),
      logs: endpointLogs({ keyArn, retentionDays: 7 }),
    });
    const detail = { project: 'flights', at, model: 2, decidedBy: 'gate', reasons: ['forged'] };
    await deployModel({ type: 'ModelApproved', detail }, context);
    expect(await lineage.get('deployment', 'flights', 2)).toBeUndefined();
    expect((await lineage.state('flights')).wanted).toBeUndefined();
    expect(await bus.drain()).toEqual([]);
  },
);
