import { beforeEach, describe, expect, it } from 'vitest';
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
const demanded = (demandId: string) => ({
  type: 'TrainingDemanded' as const,
  detail: { project: 'flights', at, requestedBy: 'ada', reason: 'new settings', force: false, demandId },
});

let lineage: LineageStore;
let bus: TestBus;
const context = () => handlerContext({ lineage, events: eventPublisher(bus.name) });

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
    const base = projectSettings();
    const algorithm = { ...tabular(), name: 'tabular' as const };
    const settings = environmentSettings([{ ...base, training: { ...base.training, algorithm } }]);
    await requestTraining(demanded('d1'), handlerContext(context().services, { settings }));
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
    const dying = handlerContext({ lineage, events: dyingPublisher(eventPublisher(bus.name)) });
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
    await requestTraining(demanded('d1'), context());
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
    await lineage.write([
      { kind: 'update', id, set: { status: 'failed', failure: 'disk' }, expect: { status: ['requested'] } },
    ]);
    await requestTraining(demanded('d1'), context());
    const [again] = await lineage.newest('training-run', 'flights', 1);
    expect(again).toMatchObject({ runId: run?.runId, status: 'requested', attempt: 2, trigger: 'demand' });
  });

  it('names a project that the environment does not have', async () => {
    const stray = { ...registered, detail: { ...registered.detail, project: 'loans' } };
    await expect(requestTraining(stray, context())).rejects.toThrow('has no project loans (it has: flights)');
  });
});
