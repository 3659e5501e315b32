import { beforeEach, describe, expect, it } from 'vitest';
import { itemKey } from '../../lambdas/contract/keys.ts';
import { judgeCandidate } from '../../lambdas/handlers/judge-candidate.ts';
import { eventPublisher } from '../../lambdas/stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { dyingPublisher, handlerContext } from '../support/context.ts';
import { evaluationOf } from '../support/evaluation.ts';
import { environmentSettings, projectSettings } from '../support/project.ts';
import { createsEvaluation, createsModel } from '../support/records.ts';
import { createBus, createLineageTable, type TestBus } from '../support/services.ts';

const at = '2026-11-24T12:00:00.000Z';
const jobName = 'flywheel-local-flights-m2-e1-aaaaa';
const evaluated = {
  type: 'ModelEvaluated' as const,
  detail: { project: 'flights', at, model: 2, champion: 1, jobName, metrics: { auc: 0.8 } },
};
const ADA = 'arn:aws:iam::1:user/ada';
/** A person's demand, recorded as decide-model does, and its event. */
async function answered(decision: 'approve' | 'reject', demandId = 'demand-1') {
  const detail = { project: 'flights', at, model: 2, decision, decidedBy: ADA, reason: 'seen the report', demandId };
  await lineage.once(itemKey.demand('ApprovalGiven', 'flights', demandId), { detail });
  return { type: 'ApprovalGiven' as const, detail };
}
const manual = environmentSettings([projectSettings({ gate: { ...projectSettings().gate, approval: 'manual' } })]);

let lineage: LineageStore;
let bus: TestBus;
const context = (settings = environmentSettings()) =>
  handlerContext({ lineage, events: eventPublisher(bus.name) }, { settings });
const types = async () => (await bus.drain()).map((each) => each['detail-type']);

async function given(candidateAuc: number, championAuc: number): Promise<void> {
  await lineage.write([
    createsModel({ model: 2, status: 'evaluated', datasetVersion: 2, evaluationJob: jobName }),
    createsEvaluation(jobName, {
      model: 2,
      champion: 1,
      status: 'completed',
      evaluation: evaluationOf(candidateAuc, championAuc),
    }),
    { kind: 'state', project: 'flights', read: { revision: 0 }, set: { model: 2, champion: 1 } },
  ]);
}

beforeEach(async () => {
  lineage = lineageStore(await createLineageTable());
  bus = await createBus();
});

describe('judge-candidate', () => {
  it('approves a better candidate once, however often the event comes', async () => {
    await given(0.8, 0.75);
    for (let repeat = 0; repeat < 5; repeat++) await judgeCandidate(evaluated, context());
    const events = await bus.drain();
    expect(new Set(events.map((each) => JSON.stringify(each))).size).toBe(1);
    expect(events[0]).toMatchObject({ 'detail-type': 'ModelApproved', detail: { model: 2, decidedBy: 'gate' } });
    expect((await lineage.require('model', 'flights', 2)).status).toBe('approved');
  });

  it('rejects a worse one with the reason, and records who decided', async () => {
    await given(0.72, 0.75);
    await judgeCandidate(evaluated, context());
    expect(await types()).toEqual(['ModelRejected']);
    const decision = await lineage.require('decision', 'flights', 2);
    expect(decision.reasons.join(' ')).toMatch(/auc/);
    expect(await lineage.edgesFrom('decision/flights/2')).toContainEqual({
      from: 'decision/flights/2',
      relation: 'wasAssociatedWith',
      to: 'agent/flights/gate',
    });
  });

  it('has a candidate evaluated again when the champion changed meanwhile', async () => {
    await given(0.8, 0.75);
    const read = await lineage.state('flights');
    await lineage.write([{ kind: 'state', project: 'flights', read, set: { champion: 3 } }]);
    await judgeCandidate(evaluated, context());
    expect(await types()).toEqual(['ModelTrained']);
    expect(await lineage.get('decision', 'flights', 2)).toBeUndefined();
  });

  it('asks a person where approval is manual, and takes the first answer', async () => {
    await given(0.8, 0.75);
    await judgeCandidate(evaluated, context(manual));
    expect(await types()).toEqual(['ApprovalRequested']);
    await judgeCandidate(await answered('approve'), context(manual));
    await judgeCandidate(await answered('approve'), context(manual));
    await judgeCandidate(await answered('reject', 'demand-2'), context(manual));
    const events = await bus.drain();
    expect(events.map((each) => each['detail-type'])).toEqual(['ModelApproved', 'ModelApproved']);
    expect(events[1]).toEqual(events[0]);
    expect(events[0]?.detail).toMatchObject({ decidedBy: ADA, reasons: ['seen the report'] });
  });

  it('believes the demand that is recorded, not what an event or a call says of it', async () => {
    await given(0.8, 0.75);
    await judgeCandidate(evaluated, context(manual));
    await bus.drain();
    const { type, detail } = await answered('approve');
    await judgeCandidate({ type, detail: { ...detail, demandId: 'never-made' } }, context(manual));
    expect(await types()).toEqual([]);
    expect((await lineage.require('model', 'flights', 2)).status).toBe('awaiting-approval');
    const forged = { ...detail, decision: 'reject' as const, decidedBy: 'arn:aws:iam::1:user/chief', reason: 'no' };
    await judgeCandidate({ type, detail: forged }, context(manual));
    expect(await bus.drain()).toMatchObject([
      { 'detail-type': 'ModelApproved', detail: { decidedBy: ADA, reasons: ['seen the report'] } },
    ]);
  });

  it('leaves an approved model alone that a second person approves while it is on its way', async () => {
    await given(0.8, 0.75);
    await judgeCandidate(evaluated, context(manual));
    await judgeCandidate(await answered('approve'), context(manual));
    await bus.drain();
    const second = await answered('approve', 'demand-2');
    await judgeCandidate(second, context(manual));
    const requested = { status: 'requested', endpoint: 'e', endpointConfig: 'c2', replaces: 1, at };
    await lineage.write([
      {
        kind: 'create',
        type: 'deployment',
        project: 'flights',
        local: 2,
        order: 2,
        record: { model: 2, ...requested },
      },
    ]);
    await judgeCandidate(second, context(manual));
    expect(await types()).toEqual([]);
    expect(await lineage.require('decision', 'flights', '2-approval')).toMatchObject({ demandId: 'demand-1' });
  });

  it('gives no model that nobody asked about to a person who approves it', async () => {
    await given(0.72, 0.75);
    await judgeCandidate(evaluated, context());
    await bus.drain();
    await judgeCandidate(await answered('approve'), context());
    expect(await types()).toEqual([]);
    expect((await lineage.require('model', 'flights', 2)).status).toBe('rejected');
  });

  it('puts an earlier model back into service when a person says so, once', async () => {
    await given(0.8, 0.75);
    await judgeCandidate(evaluated, context());
    const read = await lineage.state('flights');
    const ended = { status: 'rolled-back', startedAt: at, endedAt: at, failure: 'no ping was answered' };
    const record = { model: 2, ...ended, endpoint: 'e', endpointConfig: 'c2', replaces: 1, at };
    await lineage.write([
      { kind: 'create', type: 'deployment', project: 'flights', local: 2, order: 2, record },
      { kind: 'state', project: 'flights', read, set: { champion: 3, wanted: 3 } },
    ]);
    await bus.drain();
    const back = await answered('approve');
    for (let repeat = 0; repeat < 3; repeat++) await judgeCandidate(back, context());
    const events = await bus.drain();
    expect(new Set(events.map((each) => JSON.stringify(each))).size).toBe(1);
    expect(events[0]).toMatchObject({ 'detail-type': 'ModelApproved', detail: { reasons: ['seen the report'] } });
    expect(await lineage.state('flights')).toMatchObject({ wanted: 2, champion: 3 });
    const deployment = await lineage.require('deployment', 'flights', 2);
    expect(deployment).toMatchObject({ status: 'requested', replaces: 3 });
    // Nothing of how it ended before is left to be shown or judged.
    expect([deployment.startedAt, deployment.endedAt, deployment.failure]).toEqual([undefined, undefined, undefined]);
  });

  it('publishes on the retry what a killed handler had decided', async () => {
    await given(0.8, 0.75);
    const dying = handlerContext({ lineage, events: dyingPublisher(eventPublisher(bus.name)) });
    await expect(judgeCandidate(evaluated, dying)).rejects.toThrow('killed');
    await judgeCandidate(evaluated, context());
    expect(await types()).toEqual(['ModelApproved']);
  });
});
