import { beforeEach, describe, expect, it } from 'vitest';
import { itemKey } from '../../lambdas/contract/keys.ts';
import { requestTraining } from '../../lambdas/handlers/request-training.ts';
import { eventPublisher } from '../../lambdas/stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { tabular } from '../../lib/config/index.ts';
import { dyingPublisher, handlerContext } from '../support/context.ts';
import { environmentSettings, projectSettings } from '../support/project.ts';
import { createBus, createLineageTable, type TestBus } from '../support/services.ts';

const at = '2026-11-24T12:00:00.000Z';
const registered = {
  type: 'DatasetVersionRegistered' as const,
  detail: { project: 'flights', at, version: 1, manifestId: 'm1', rows: 500, newRows: 500, uploads: ['flights/1.csv'] },
};
/** A person's demand, recorded as request-manual-training does, and its event. */
async function demanded(demandId: string, force = false) {
  const detail = { project: 'flights', at, requestedBy: 'ada', reason: 'new settings', force, demandId };
  await lineage.once(itemKey.demand('TrainingDemanded', 'flights', demandId), { detail });
  return { type: 'TrainingDemanded' as const, detail };
}

const due = { type: 'TrainingDue' as const, detail: { project: 'flights', at, reason: 'the run has ended' } };

let lineage: LineageStore;
let bus: TestBus;
const context = () => handlerContext({ lineage, events: eventPublisher(bus.name), installation: 'aaaaa' });

async function dataset(version: number, rows: number): Promise<void> {
  const read = await lineage.state('flights');
  await lineage.write([
    {
      kind: 'state',
      project: 'flights',
      read,
      set: { datasetVersion: version, manifestId: `m${version}`, rows, rowsRegistered: rows },
    },
  ]);
}

/** The run under way ends, as finish-training says it. */
async function endOfRun(status: 'trained' | 'failed'): Promise<void> {
  const read = await lineage.state('flights');
  const { runId, rowsRegistered } = await lineage.require('training-run', 'flights', read.activeRunId ?? 'none');
  const seen = status === 'trained' && rowsRegistered !== undefined ? { rowsTrained: rowsRegistered } : {};
  const outcome = await lineage.write([
    { kind: 'update', id: `training-run/flights/${runId}`, set: { status }, expect: { status: ['requested'] } },
    { kind: 'state', project: 'flights', read, set: seen, unset: ['activeRunId'] },
  ]);
  expect(outcome).toEqual({ written: true });
}

/** After the cooldown of the project, or within it. */
const contextIn = (seconds: number) =>
  handlerContext(context().services, { now: new Date(Date.parse(at) + seconds * 1000) });

beforeEach(async () => {
  lineage = lineageStore(await createLineageTable());
  bus = await createBus();
});

describe('request-training', () => {
  it('requests one run for one version, however often the event comes', async () => {
    await dataset(1, 500);
    for (let repeat = 0; repeat < 5; repeat++) await requestTraining(registered, context());
    const events = await bus.drain();
    expect(new Set(events.map((each) => JSON.stringify(each))).size).toBe(1);
    expect(events[0]).toMatchObject({
      'detail-type': 'TrainingRequested',
      detail: { trigger: 'upload', datasetVersion: 1 },
    });
    expect(await lineage.newest('training-run', 'flights', 10)).toHaveLength(1);
  });

  it('fixes at the request what will serve the model; a run whose training image serves says nothing of it', async () => {
    await dataset(1, 500);
    await requestTraining(registered, context());
    await endOfRun('trained');
    const base = projectSettings();
    const algorithm = { ...tabular(), name: 'tabular' as const };
    const settings = environmentSettings([{ ...base, training: { ...base.training, algorithm } }]);
    await requestTraining(await demanded('d1'), handlerContext(context().services, { settings }));
    const runs = await lineage.newest('training-run', 'flights', 10);
    expect(runs.map(({ image, servingImage }) => [image, servingImage]).sort()).toEqual([
      ['pytorch:2.13-cu133-amzn2023-sagemaker', 'sagemaker-xgboost:3.2-0'],
      ['sagemaker-xgboost:3.2-0', undefined],
    ]);
  });

  it('requests one run when the same event is handled five times at once', async () => {
    await dataset(1, 500);
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => requestTraining(registered, context())));
    // The losers are told to try again, which the run time does; here it is enough that one won.
    expect(outcomes.some((each) => each.status === 'fulfilled')).toBe(true);
    expect(await lineage.newest('training-run', 'flights', 10)).toHaveLength(1);
  });

  it('publishes on the retry what a killed handler had written', async () => {
    await dataset(1, 500);
    const dying = handlerContext({ lineage, events: dyingPublisher(eventPublisher(bus.name)), installation: 'aaaaa' });
    await expect(requestTraining(registered, dying)).rejects.toThrow('killed between write and publish');
    expect(await bus.drain()).toEqual([]);
    await requestTraining(registered, context());
    expect((await bus.drain()).map((each) => each['detail-type'])).toEqual(['TrainingRequested']);
    expect(await lineage.newest('training-run', 'flights', 10)).toHaveLength(1);
  });

  it('takes the events of two versions in the wrong order for what they are: the newest version', async () => {
    await dataset(1, 500);
    await dataset(2, 900);
    await requestTraining({ ...registered, detail: { ...registered.detail, version: 2 } }, context());
    await requestTraining(registered, context());
    const runs = await lineage.newest('training-run', 'flights', 10);
    expect(runs.map((run) => run.datasetVersion)).toEqual([2]);
  });

  it('tells why it does not train, once', async () => {
    await dataset(1, 50);
    for (let repeat = 0; repeat < 3; repeat++) await requestTraining(registered, context());
    const events = await bus.drain();
    expect(new Set(events.map((each) => JSON.stringify(each))).size).toBe(1);
    expect(events[0]).toMatchObject({
      'detail-type': 'TrainingSuppressed',
      detail: { rule: 'new-rows', reason: '50 new rows, training waits for 100' },
    });
  });

  it('does not run the same identity twice, and says which run has it', async () => {
    await dataset(1, 500);
    await requestTraining(registered, context());
    const [run] = await lineage.newest('training-run', 'flights', 1);
    await bus.drain();
    await requestTraining(await demanded('d1'), context());
    expect(await bus.drain()).toMatchObject([
      {
        'detail-type': 'TrainingSuppressed',
        detail: { rule: 'same-run', reason: expect.stringContaining(run?.runId ?? '?') },
      },
    ]);
  });

  it('lets a person try a failed run again, as its next attempt', async () => {
    await dataset(1, 500);
    await requestTraining(registered, context());
    const [run] = await lineage.newest('training-run', 'flights', 1);
    const id = `training-run/flights/${run?.runId}`;
    const refusals = [{ instanceType: 'ml.g5.xlarge', reason: 'no capacity' }];
    const set = { failure: 'disk', instance: 1, refusals, tries: 3, waitingSince: at, waitingFor: 'a fault' };
    await lineage.write([{ kind: 'update', id, set, expect: { status: ['requested'] } }]);
    await endOfRun('failed');
    await requestTraining(await demanded('d1'), context());
    const [again] = await lineage.newest('training-run', 'flights', 1);
    expect(again).toMatchObject({ runId: run?.runId, status: 'requested', attempt: 2, trigger: 'demand' });
    // The list of types from its start, and all tries: what the request before had met is over.
    expect(again).toMatchObject({ instance: 0, tries: 1, refusals: [] });
    expect(again).not.toHaveProperty('waitingSince');
    expect(again).not.toHaveProperty('failure');
  });

  it('keeps what comes while a run is under way for its end, and decides it then by what is newest', async () => {
    await dataset(1, 500);
    await requestTraining(registered, context());
    // Ten more uploads; their events twice.
    for (let version = 2; version <= 11; version++) {
      await dataset(version, version * 500);
      for (let repeat = 0; repeat < 2; repeat++) await requestTraining(registered, context());
    }
    await bus.drain();
    await requestTraining(due, context());
    expect(await bus.drain()).toEqual([]);
    await endOfRun('trained');
    for (let repeat = 0; repeat < 3; repeat++) await requestTraining(due, contextIn(3600));
    const events = await bus.drain();
    expect(events).toMatchObject([
      { 'detail-type': 'TrainingRequested', detail: { trigger: 'upload', datasetVersion: 11 } },
    ]);
    const runs = await lineage.newest('training-run', 'flights', 20);
    expect(runs.map(({ datasetVersion }) => datasetVersion).sort()).toEqual([1, 11]);
    expect(await lineage.state('flights')).not.toHaveProperty('pending');
  });

  it('says of each that it is decided later, and forgets no demand for a weaker cause or a decision on another', async () => {
    await dataset(1, 500);
    await requestTraining(registered, context());
    await dataset(2, 501);
    await bus.drain();
    await requestTraining(await demanded('d1', true), context());
    await requestTraining(registered, context());
    const told = await bus.drain();
    expect(told.map(({ detail }) => [detail.trigger, detail.rule])).toEqual([
      ['demand', 'in-progress'],
      ['upload', 'in-progress'],
    ]);
    await endOfRun('trained');
    // The upload's event again, before the end is heard of: too few rows for it alone.
    await requestTraining(registered, context());
    await requestTraining(due, context());
    expect(await bus.drain()).toMatchObject([
      { detail: { rule: 'new-rows' } },
      { 'detail-type': 'TrainingRequested', detail: { trigger: 'demand', datasetVersion: 2 } },
    ]);
  });

  it('decides on the retry what a killed handler had decided of a cause that waited', async () => {
    await dataset(1, 500);
    await requestTraining(registered, context());
    await dataset(2, 510);
    await requestTraining(registered, context());
    await endOfRun('trained');
    await bus.drain();
    const dying = handlerContext({ lineage, events: dyingPublisher(eventPublisher(bus.name)), installation: 'aaaaa' });
    await expect(requestTraining(due, dying)).rejects.toThrow('killed');
    await requestTraining(due, context());
    expect(await bus.drain()).toMatchObject([{ 'detail-type': 'TrainingSuppressed', detail: { rule: 'new-rows' } }]);
    expect(await lineage.state('flights')).not.toHaveProperty('pending');
  });

  it('trains an upload of the cooldown when that has passed', async () => {
    await dataset(1, 500);
    await requestTraining(registered, context());
    await dataset(2, 1000);
    await endOfRun('trained');
    await bus.drain();
    await requestTraining(registered, contextIn(599));
    await requestTraining(due, contextIn(599));
    const suppressed = await bus.drain();
    expect(new Set(suppressed.map((each) => JSON.stringify(each))).size).toBe(1);
    expect(suppressed[0]).toMatchObject({ detail: { rule: 'cooldown' } });
    await requestTraining(due, contextIn(601));
    expect(await bus.drain()).toMatchObject([{ 'detail-type': 'TrainingRequested', detail: { datasetVersion: 2 } }]);
  });

  it('holds back what a run may take of the budget of its month', async () => {
    await dataset(1, 500);
    await requestTraining(registered, context());
    await requestTraining(registered, context());
    expect(await lineage.budget('flights', '2026-11')).toEqual({ hours: 0, reserved: 1 });
  });

  it('names a project that the environment does not have', async () => {
    const stray = { ...registered, detail: { ...registered.detail, project: 'loans' } };
    await expect(requestTraining(stray, context())).rejects.toThrow('has no project loans (it has: flights)');
  });

  it('trains for no person whose demand is not recorded', async () => {
    await dataset(1, 500);
    const { type, detail } = await demanded('d1');
    await requestTraining({ type, detail: { ...detail, demandId: 'never-made' } }, context());
    expect(await bus.drain()).toEqual([]);
    await requestTraining({ type, detail: { ...detail, requestedBy: 'chief', reason: 'now' } }, context());
    expect(await bus.drain()).toMatchObject([
      { 'detail-type': 'TrainingRequested', detail: { reason: 'ada: new settings' } },
    ]);
  });
});
