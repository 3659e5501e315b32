/** Whatever comes, in whatever order and however often: one run at a time, and none forgotten. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { TrainingDemanded, TrainingDue } from '../../lambdas/contract/events.ts';
import { itemKey, trainingJobName } from '../../lambdas/contract/keys.ts';
import type { JobEnd } from '../../lambdas/domain/jobs.ts';
import { finishTraining } from '../../lambdas/handlers/finish-training.ts';
import { reconcile } from '../../lambdas/handlers/reconcile.ts';
import { requestTraining } from '../../lambdas/handlers/request-training.ts';
import { endpointGateway } from '../../lambdas/stores/endpoint-gateway.ts';
import { eventPublisher } from '../../lambdas/stores/event-publisher.ts';
import { lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { trainingGateway } from '../../lambdas/stores/training-gateway.ts';
import { handlerContext } from '../support/context.ts';
import { environmentSettings, projectSettings } from '../support/project.ts';
import { createBus, createLineageTable } from '../support/services.ts';

type Asked = Parameters<typeof requestTraining>[0];
const start = Date.parse('2026-11-24T12:00:00.000Z');
const base = projectSettings();
const project = projectSettings({
  training: {
    ...base.training,
    triggers: [{ on: 'upload', minimumNewRows: 1 }, { on: 'demand' }],
    cooldownSeconds: 600,
  },
});

/** A project, the events that are on their way to it, and those that came before. */
async function world() {
  const lineage = lineageStore(await createLineageTable());
  const bus = await createBus();
  const underWay: Asked[] = [];
  const past: Asked[] = [];
  let seconds = 0;
  let demands = 0;
  const context = (end: JobEnd = { outcome: 'completed' }) => {
    const now = new Date(start + seconds * 1000);
    const ended = {
      ...end,
      artifact: 's3://m/model.tar.gz',
      image: 'i',
      billableSeconds: 60,
      trainingSeconds: 60,
      endedAt: now,
    };
    const services = {
      lineage,
      events: eventPublisher(bus.name),
      installation: 'aaaaa',
      registries: {},
      sageMaker: { trainingJobEnd: async () => ended },
      jobs: trainingGateway(),
      endpoints: endpointGateway(),
    };
    return handlerContext(services, { settings: environmentSettings([project]), now });
  };
  const at = () => new Date(start + seconds * 1000).toISOString();
  async function collect(): Promise<void> {
    for (const { 'detail-type': type, detail } of await bus.drain())
      if (type === 'TrainingDue') underWay.push({ type, detail: TrainingDue.detail.parse(detail) });
  }
  return {
    lineage,
    underWay,
    past,
    pass: (more: number) => {
      seconds += more;
    },
    async upload(): Promise<void> {
      const read = await lineage.state('flights');
      const version = (read.datasetVersion ?? 0) + 1;
      const [manifestId, rows] = [`m${version}`, version * 100];
      const set = { datasetVersion: version, manifestId, rows, rowsRegistered: rows };
      await lineage.write([{ kind: 'state', project: 'flights', read, set }]);
      const detail = { project: 'flights', at: at(), version, manifestId, rows, newRows: 100, uploads: [] };
      underWay.push({ type: 'DatasetVersionRegistered', detail });
    },
    async demand(force: boolean): Promise<void> {
      demands += 1;
      const demandId = `d${demands}`;
      const detail = { project: 'flights', at: at(), requestedBy: 'ada', reason: 'r', force, demandId };
      // As request-manual-training records it: nothing is trained for a demand that is not.
      await lineage.once(itemKey.demand('TrainingDemanded', 'flights', demandId), { detail });
      underWay.push({ type: 'TrainingDemanded', detail: TrainingDemanded.detail.parse(detail) });
    },
    async deliver(event: Asked | undefined): Promise<void> {
      if (!event) return;
      await requestTraining(event, context());
      past.push(event);
      await collect();
    },
    async end(outcome: JobEnd): Promise<void> {
      const { activeRunId: runId } = await lineage.state('flights');
      if (runId === undefined) return;
      const { attempt } = await lineage.require('training-run', 'flights', runId);
      const TrainingJobName = trainingJobName.build('local', { project: 'flights', runId, attempt });
      const type = 'SageMaker Training Job State Change';
      for (let repeat = 0; repeat < 2; repeat++)
        await finishTraining({ type, detail: { TrainingJobName, TrainingJobStatus: 'Completed' } }, context(outcome));
      await collect();
    },
    async reconcile(): Promise<void> {
      await reconcile({ type: 'ReconciliationDue', detail: { project: 'flights' } }, context());
      await collect();
    },
  };
}

const failed: JobEnd = { outcome: 'failed', reason: 'AlgorithmError: exit code: 1' };
const step = fc.oneof(
  { weight: 4, arbitrary: fc.constant('upload' as const) },
  { weight: 1, arbitrary: fc.constantFrom('demand' as const, 'forced demand' as const) },
  { weight: 6, arbitrary: fc.record({ deliver: fc.nat(), lost: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ repeat: fc.nat() }) },
  { weight: 2, arbitrary: fc.constantFrom('trained' as const, 'failed' as const) },
  { weight: 1, arbitrary: fc.constant('time' as const) },
);

it('one run is under way at a time, and the newest data are asked for in the end', async () => {
  const triggers = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const it = await world();
      for (const each of steps) {
        if (each === 'upload') await it.upload();
        else if (each === 'demand' || each === 'forced demand') await it.demand(each === 'forced demand');
        else if (each === 'trained') await it.end({ outcome: 'completed' });
        else if (each === 'failed') await it.end(failed);
        else if (each === 'time') it.pass(400);
        else if ('repeat' in each) await it.deliver(it.past[each.repeat % Math.max(1, it.past.length)]);
        else {
          const [event] = it.underWay.splice(each.deliver % Math.max(1, it.underWay.length), 1);
          // The words of a run's end may be lost; those of an upload or a person are their sender's to repeat.
          if (!(each.lost && event?.type === 'TrainingDue')) await it.deliver(event);
        }
        const runs = await it.lineage.newest('training-run', 'flights', 50);
        const { activeRunId } = await it.lineage.state('flights');
        const active = runs.filter(({ status }) => status === 'requested').map(({ runId }) => runId);
        expect(active).toEqual(activeRunId === undefined ? [] : [activeRunId]);
      }
      for (let round = 0; round < 6; round++) {
        for (const event of it.underWay.splice(0)) await it.deliver(event);
        await it.end({ outcome: 'completed' });
        it.pass(700);
        await it.reconcile();
      }
      const state = await it.lineage.state('flights');
      expect([state.activeRunId, state.pending, it.underWay]).toEqual([undefined, undefined, []]);
      const runs = await it.lineage.newest('training-run', 'flights', 50);
      if (state.datasetVersion !== undefined)
        expect(runs.map(({ datasetVersion }) => datasetVersion)).toContain(state.datasetVersion);
      for (const { trigger } of runs) triggers.add(trigger);
      const { reserved } = await it.lineage.budget('flights', '2026-11');
      expect(reserved).toBeCloseTo(0);
    }),
    { numRuns: 15, seed: 7 },
  );
  // What is delivered does something.
  expect([...triggers].sort()).toEqual(['demand', 'upload']);
});
