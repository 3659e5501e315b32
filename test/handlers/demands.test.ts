/** Demands over the HTTP API: who asks is what API Gateway says, and nothing that the caller writes. */
import { beforeEach, describe, expect, it } from 'vitest';
import { ApprovalGiven } from '../../lambdas/contract/events.ts';
import { demandAnswer } from '../../lambdas/contract/http.ts';
import type { ModelRecord } from '../../lambdas/contract/records.ts';
import { decideModel } from '../../lambdas/handlers/decide-model.ts';
import { judgeCandidate } from '../../lambdas/handlers/judge-candidate.ts';
import { requestDriftCheck } from '../../lambdas/handlers/request-drift-check.ts';
import { requestManualTraining } from '../../lambdas/handlers/request-manual-training.ts';
import { parseEvent } from '../../lambdas/runtime/event-handler.ts';
import type { HttpRequest } from '../../lambdas/runtime/http-handler.ts';
import { eventPublisher } from '../../lambdas/stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { handlerContext } from '../support/context.ts';
import { createsModel } from '../support/records.ts';
import { createBus, createLineageTable, type TestBus } from '../support/services.ts';

const at = '2026-11-24T12:00:00.000Z';
const ada = 'arn:aws:sts::111122223333:assumed-role/approvers/ada';
const bob = 'arn:aws:iam::111122223333:user/people/bob';

let lineage: LineageStore;
let bus: TestBus;
const context = () => handlerContext({ lineage, events: eventPublisher(bus.name) });
beforeEach(async () => {
  lineage = lineageStore(await createLineageTable());
  bus = await createBus();
});

interface Sent {
  readonly caller?: string | undefined;
  readonly key?: string;
  readonly model?: string;
}
const sent = (body: unknown, { caller = ada, key, model }: Sent = {}): HttpRequest => ({
  project: 'flights',
  parameters: { project: 'flights', ...(model !== undefined && { model }) },
  caller,
  headers: key === undefined ? {} : { 'idempotency-key': key },
  body: JSON.stringify(body),
});
const anonymous = (body: unknown): HttpRequest => ({ ...sent(body, { model: '2' }), caller: undefined });
const idOf = (answer: { body: unknown }) => demandAnswer.parse(answer.body).demandId;

const given = (status: ModelRecord['status'] = 'awaiting-approval') =>
  lineage.write([
    createsModel({ model: 2, status, datasetVersion: 2 }),
    { kind: 'state', project: 'flights', read: { revision: 0 }, set: { model: 2, champion: 1 } },
  ]);

describe('who asks', () => {
  it('is the ARN of the request context, whatever the body and the headers say', async () => {
    const request = sent({ reason: 'new settings' });
    const forged = { ...request, headers: { ...request.headers, 'x-amz-caller': bob, from: bob } };
    const answer = await requestManualTraining(forged, context());
    expect(answer).toMatchObject({ status: 202, body: { requestedBy: ada, at } });
    expect(await bus.drain()).toMatchObject([
      {
        'detail-type': 'TrainingDemanded',
        detail: {
          project: 'flights',
          at,
          requestedBy: ada,
          reason: 'new settings',
          force: false,
          demandId: idOf(answer),
        },
      },
    ]);
  });

  it('cannot be written into the body', async () => {
    await given();
    const decidedBy = { decision: 'approve', reason: 'fine', decidedBy: bob };
    await expect(decideModel(sent(decidedBy, { model: '2' }), context())).rejects.toMatchObject({ status: 400 });
    const requestedBy = { reason: 'fine', requestedBy: bob };
    await expect(requestManualTraining(sent(requestedBy), context())).rejects.toMatchObject({ status: 400 });
    expect(await bus.drain()).toEqual([]);
  });

  it('must be known: a request without IAM identity is refused by every demand', async () => {
    await given();
    const refused = { status: 403, message: expect.stringContaining('no IAM identity') };
    await expect(requestManualTraining(anonymous({ reason: 'fine' }), context())).rejects.toMatchObject(refused);
    await expect(requestDriftCheck(anonymous({}), context())).rejects.toMatchObject(refused);
    const decision = { decision: 'approve', reason: 'fine' };
    await expect(decideModel(anonymous(decision), context())).rejects.toMatchObject(refused);
    expect(await bus.drain()).toEqual([]);
  });
});

describe('a demand with an idempotency key', () => {
  it('is the same demand when it is sent again, and another one for another caller', async () => {
    const body = { reason: 'new settings' };
    const first = idOf(await requestManualTraining(sent(body, { key: 'k1' }), context()));
    expect(idOf(await requestManualTraining(sent(body, { key: 'k1' }), context()))).toBe(first);
    expect(idOf(await requestManualTraining(sent(body, { key: 'k2' }), context()))).not.toBe(first);
    expect(idOf(await requestManualTraining(sent(body, { key: 'k1', caller: bob }), context()))).not.toBe(first);
    expect(idOf(await requestManualTraining(sent(body), context()))).not.toBe(first);
    await given();
    expect(idOf(await requestDriftCheck(sent({}, { key: 'k1' }), context()))).not.toBe(first);
  });

  it('is the same event to the letter, at the time when it was made first', async () => {
    const request = sent({ reason: 'new settings' }, { key: 'k1' });
    const first = await requestManualTraining(request, context());
    const hourLater = { now: new Date(Date.parse(at) + 3_600_000) };
    const services = { lineage, events: eventPublisher(bus.name) };
    expect(await requestManualTraining(request, handlerContext(services, hourLater))).toEqual(first);
    const events = await bus.drain();
    expect(events).toHaveLength(2);
    expect(events[1]).toEqual(events[0]);
  });

  it('is refused when it asks for something else under the same key', async () => {
    await requestManualTraining(sent({ reason: 'one' }, { key: 'k1' }), context());
    await bus.drain();
    const other = sent({ reason: 'two' }, { key: 'k1' });
    await expect(requestManualTraining(other, context())).rejects.toMatchObject({ status: 409 });
    expect(await bus.drain()).toEqual([]);
  });

  it('is refused for a key of another form', async () => {
    const request = sent({ reason: 'fine' }, { key: 'a b' });
    await expect(requestManualTraining(request, context())).rejects.toMatchObject({ status: 400 });
  });
});

describe('a drift check', () => {
  it('is asked for in the name of the caller', async () => {
    await given();
    const answer = await requestDriftCheck({ ...sent({}), body: '' }, context());
    expect(answer).toMatchObject({ status: 202, body: { requestedBy: ada } });
    expect(await bus.drain()).toMatchObject([
      { 'detail-type': 'DriftMeasurementDemanded', detail: { requestedBy: ada, demandId: idOf(answer) } },
    ]);
  });

  it('is refused where no model is in service', async () => {
    await expect(requestDriftCheck(sent({}), context())).rejects.toMatchObject({ status: 409 });
    expect(await bus.drain()).toEqual([]);
  });
});

describe('a decision', () => {
  const approve = { decision: 'approve', reason: 'seen the report' };

  it('is published in the name of the caller, and recorded with it', async () => {
    await given();
    const answer = await decideModel(sent(approve, { model: '2' }), context());
    expect(answer).toMatchObject({ status: 202, body: { requestedBy: ada } });
    const [event] = await bus.drain();
    expect(event).toMatchObject({
      'detail-type': 'ApprovalGiven',
      detail: { model: 2, decision: 'approve', decidedBy: ada, reason: 'seen the report', demandId: idOf(answer) },
    });
    await judgeCandidate(parseEvent([ApprovalGiven], { id: 'x', source: 'flywheel', ...event }), context());
    expect(await lineage.edgesFrom('decision/flights/2-approval')).toContainEqual({
      from: 'decision/flights/2-approval',
      relation: 'wasAssociatedWith',
      to: `agent/flights/${ada}`,
    });
  });

  it('is taken once, and answered alike, when a client repeats it after it was carried out', async () => {
    await given();
    const request = sent(approve, { model: '2', key: 'k1' });
    const first = await decideModel(request, context());
    const [event] = await bus.drain();
    await judgeCandidate(parseEvent([ApprovalGiven], { id: 'x', source: 'flywheel', ...event }), context());
    await bus.drain();
    expect(await decideModel(request, context())).toEqual(first);
    const [repeated] = await bus.drain();
    expect(repeated).toEqual(event);
    await judgeCandidate(parseEvent([ApprovalGiven], { id: 'x', source: 'flywheel', ...repeated }), context());
    expect(await lineage.require('decision', 'flights', '2-approval')).toMatchObject({ decidedBy: ada });
  });

  it('is refused for a model that is not there', async () => {
    await given();
    for (const number of ['7', 'x', '2/3', '-1'])
      await expect(decideModel(sent(approve, { model: number }), context())).rejects.toMatchObject({ status: 404 });
    expect(await bus.drain()).toEqual([]);
  });

  it('is refused with the reason for a model that awaits none', async () => {
    await given('rejected');
    await expect(decideModel(sent(approve, { model: '2' }), context())).rejects.toMatchObject({
      status: 409,
      message: 'flights/2 awaits no approval: it is rejected',
    });
    expect(await bus.drain()).toEqual([]);
  });

  it('is refused without a reason, or with another word for it', async () => {
    await given();
    for (const body of [{ decision: 'approve', reason: '' }, { decision: 'ask', reason: 'fine' }, 'approve'])
      await expect(decideModel(sent(body, { model: '2' }), context())).rejects.toMatchObject({ status: 400 });
  });
});
