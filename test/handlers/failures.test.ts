/** Failures that cannot be ordered from SageMaker local: faults inside SageMaker, and code that is deployed anew at the wrong moment. */
import { beforeEach, describe, expect, it } from 'vitest';
import { TrainingRequested } from '../../lambdas/contract/events.ts';
import { evaluationJobName, trainingJobName } from '../../lambdas/contract/keys.ts';
import type { TrainingRunRecord } from '../../lambdas/contract/records.ts';
import type { ProjectSettings } from '../../lambdas/contract/settings.ts';
import type { JobEnd } from '../../lambdas/domain/jobs.ts';
import { finishEvaluation } from '../../lambdas/handlers/finish-evaluation.ts';
import { finishTraining } from '../../lambdas/handlers/finish-training.ts';
import { reconcile } from '../../lambdas/handlers/reconcile.ts';
import { requestTraining } from '../../lambdas/handlers/request-training.ts';
import { startTraining } from '../../lambdas/handlers/start-training.ts';
import { datasetStore } from '../../lambdas/stores/dataset-store.ts';
import { endpointGateway } from '../../lambdas/stores/endpoint-gateway.ts';
import { eventPublisher } from '../../lambdas/stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { modelStore } from '../../lambdas/stores/model-store.ts';
import { trainingGateway } from '../../lambdas/stores/training-gateway.ts';
import { dyingPublisher, handlerContext } from '../support/context.ts';
import { environmentSettings, projectSettings } from '../support/project.ts';
import { createsEvaluation, createsModel } from '../support/records.ts';
import { createBus, createLineageTable, type TestBus } from '../support/services.ts';

const at = '2026-11-24T12:00:00.000Z';
const later = (seconds: number) => new Date(Date.parse(at) + seconds * 1000);
const internalError = 'InternalServerError: We encountered an internal error. Please try again.';
const project = projectSettings();

let lineage: LineageStore;
let bus: TestBus;
const types = async () => (await bus.drain()).map((each) => each['detail-type']);

/** What SageMaker says of every job; the stores around it are real. */
function context(end: JobEnd, options: { settings?: ProjectSettings; now?: Date; events?: 'dying' } = {}) {
  const { settings = project, now = later(60) } = options;
  const jobEnd = { ...end, endedAt: now };
  const publisher = eventPublisher(bus.name);
  const services = {
    lineage,
    events: options.events === 'dying' ? dyingPublisher(publisher) : publisher,
    installation: 'aaaaa',
    registries: {},
    roles: {},
    models: modelStore('none'),
    datasets: datasetStore({ rawBucket: 'none', datasetBucket: 'none', keyArn: 'none' }),
    readCode: () => new Uint8Array(),
    places: { keyArn: 'k', datasetBucket: 'd', modelBucket: 'm', registries: {}, region: 'us-east-1' },
    jobs: trainingGateway(),
    endpoints: endpointGateway(),
    sageMaker: {
      ...trainingGateway(),
      processingJobEnd: async () => ({ ...jobEnd, seconds: 900 }),
      trainingJobEnd: async () => ({ ...jobEnd, artifact: '', image: '', billableSeconds: 1800, trainingSeconds: 0 }),
    },
  };
  return handlerContext(services, { settings: environmentSettings([settings]), now });
}
const failed = (reason: string): JobEnd => ({ outcome: 'failed', reason });

/** A run as request-training asks for it. */
async function requestedRun(): Promise<TrainingRunRecord> {
  const set = { datasetVersion: 1, manifestId: 'm1', rows: 500, rowsRegistered: 500 };
  await lineage.write([{ kind: 'state', project: 'flights', read: { revision: 0 }, set }]);
  const detail = { project: 'flights', at, version: 1, manifestId: 'm1', rows: 500, newRows: 500, uploads: [] };
  await requestTraining({ type: 'DatasetVersionRegistered', detail }, context(failed(''), { now: new Date(at) }));
  await bus.drain();
  const [run] = await lineage.newest('training-run', 'flights', 1);
  if (!run) throw new Error('no run was requested');
  return run;
}

const trainingEnded = ({ runId }: TrainingRunRecord, attempt: number) => ({
  type: 'SageMaker Training Job State Change' as const,
  detail: {
    TrainingJobName: trainingJobName.build('local', { project: 'flights', runId, attempt }),
    TrainingJobStatus: 'Failed',
  },
});

beforeEach(async () => {
  lineage = lineageStore(await createLineageTable());
  bus = await createBus();
});

describe('a training job that fails of a fault inside SageMaker', () => {
  it('is followed by the next of the run when reconcile asks, three times at most; each is paid for', async () => {
    const run = await requestedRun();
    for (const attempt of [1, 2]) {
      for (let repeat = 0; repeat < 5; repeat++)
        await finishTraining(trainingEnded(run, attempt), context(failed(internalError)));
      const told = await bus.drain();
      expect(new Set(told.map((each) => JSON.stringify(each))).size).toBe(1);
      expect(told[0]).toMatchObject({ 'detail-type': 'TrainingDelayed', detail: { reason: internalError } });
      const record = await lineage.require('training-run', 'flights', run.runId);
      expect(record).toMatchObject({ status: 'waiting', attempt: attempt + 1, tries: attempt + 1, instance: 0 });
    }
    await reconcile({ type: 'ReconciliationDue', detail: { project: 'flights' } }, context(failed('')));
    expect(await types()).toEqual(['TrainingRequested']);
    const last = context(failed(internalError));
    await finishTraining(trainingEnded(run, 3), last);
    expect(await bus.drain()).toMatchObject([
      { 'detail-type': 'TrainingFailed', detail: { reason: `${internalError} (tried 3 times)` } },
    ]);
    expect(last.recorded).toContainEqual({ project: 'flights', name: 'TrainingFailed', value: 1 });
    expect(await lineage.budget('flights', '2026-11')).toEqual({ hours: 1.5, reserved: 0 });
  });

  it('is told of again by the retry of a handler that was killed', async () => {
    const run = await requestedRun();
    const dying = context(failed('CapacityError: none'), { events: 'dying' });
    await expect(finishTraining(trainingEnded(run, 1), dying)).rejects.toThrow('killed');
    await finishTraining(trainingEnded(run, 1), context(failed('CapacityError: none')));
    expect(await types()).toEqual(['TrainingRequested']);
  });

  it('of the program is not', async () => {
    const run = await requestedRun();
    await finishTraining(trainingEnded(run, 1), context(failed('AlgorithmError: exit code: 1')));
    expect(await types()).toEqual(['TrainingFailed']);
    expect(await lineage.state('flights')).not.toHaveProperty('activeRunId');
  });
});

describe('an evaluation that fails of a fault inside SageMaker', () => {
  const name = (number: number) =>
    evaluationJobName.build('local', { project: 'flights', model: 1, number, installation: 'aaaaa' });
  const evaluationEnded = (number: number) => ({
    type: 'SageMaker Processing Job State Change' as const,
    detail: { ProcessingJobName: name(number), ProcessingJobStatus: 'Failed' },
  });

  it('is made again three times at most, under names of its own, and then the model says so', async () => {
    await lineage.write([createsModel({ newestEvaluation: name(1) }), createsEvaluation(name(1))]);
    for (const number of [1, 2]) {
      for (let repeat = 0; repeat < 5; repeat++)
        await finishEvaluation(evaluationEnded(number), context(failed(internalError)));
      const told = await bus.drain();
      expect(new Set(told.map((each) => JSON.stringify(each))).size).toBe(1);
      expect(told[0]).toMatchObject({ 'detail-type': 'EvaluationDelayed', detail: { jobName: name(number + 1) } });
    }
    const recovered = context(failed(''));
    await reconcile({ type: 'ReconciliationDue', detail: { project: 'flights' } }, recovered);
    expect(await bus.drain()).toMatchObject([
      { 'detail-type': 'EvaluationRequested', detail: { model: 1, jobName: name(3) } },
    ]);
    // Waiting is not a lost event.
    expect(recovered.recorded).toContainEqual({ project: 'flights', name: 'EventsRecovered', value: 0 });
    for (let repeat = 0; repeat < 5; repeat++)
      await finishEvaluation(evaluationEnded(3), context(failed(internalError)));
    const told = await bus.drain();
    expect(new Set(told.map((each) => JSON.stringify(each))).size).toBe(1);
    expect(told[0]).toMatchObject({ 'detail-type': 'EvaluationFailed', detail: { jobName: name(3) } });
    expect((await lineage.require('model', 'flights', 1)).status).toBe('evaluation-failed');
    // Three jobs of a quarter of an hour, and nothing held back any more.
    expect(await lineage.budget('flights', '2026-11')).toEqual({ hours: 0.75, reserved: 0 });
  });
});

describe('code that is deployed anew between request and start', () => {
  it('has the run requested anew, whatever the policy would say, and counts its rows as not trained', async () => {
    const run = await requestedRun();
    const settings = projectSettings({ code: { sha256: 'd'.repeat(64) } });
    const event = {
      type: 'TrainingRequested' as const,
      detail: { ...run, project: 'flights', at: run.requestedAt },
    };
    for (let repeat = 0; repeat < 5; repeat++) await startTraining(event, context(failed(''), { settings }));
    const told = await bus.drain();
    expect(new Set(told.map((each) => JSON.stringify(each))).size).toBe(1);
    expect(told[0]).toMatchObject({ 'detail-type': 'TrainingDue' });
    expect((await lineage.require('training-run', 'flights', run.runId)).status).toBe('superseded');
    expect(await lineage.budget('flights', '2026-11')).toEqual({ hours: 0, reserved: 0 });
    const state = await lineage.state('flights');
    expect([state.activeRunId, state.rowsTrained]).toEqual([undefined, undefined]);

    const due = { type: 'TrainingDue' as const, detail: { project: 'flights', at, reason: 'r' } };
    for (let repeat = 0; repeat < 5; repeat++) await requestTraining(due, context(failed(''), { settings }));
    const [requested, ...more] = await bus.drain();
    expect(more).toEqual([]);
    // Within the cooldown, by the cause of the first.
    expect(requested).toMatchObject({ 'detail-type': 'TrainingRequested', detail: { trigger: 'upload' } });
    const renewed = await lineage.require('training-run', 'flights', String(requested?.detail.runId));
    expect(renewed).toMatchObject({ cause: run.cause, codeSha256: 'd'.repeat(64), status: 'requested' });
  });
});

describe('a run that cannot be started', () => {
  it('is given up after a day, so that the project can train again', async () => {
    const run = await requestedRun();
    const due = { type: 'ReconciliationDue' as const, detail: { project: 'flights' } };
    await reconcile(due, context(failed(''), { now: later(24 * 3600) }));
    const [again] = await bus.drain();
    const event = { type: 'TrainingRequested' as const, detail: TrainingRequested.detail.parse(again?.detail) };
    await expect(startTraining(event, context(failed(''), { now: later(3600) }))).rejects.toThrow('bucket');
    for (let repeat = 0; repeat < 3; repeat++)
      await startTraining(event, context(failed(''), { now: later(24 * 3600) }));
    const told = await bus.drain();
    expect(new Set(told.map((each) => JSON.stringify(each))).size).toBe(1);
    expect(told[0]).toMatchObject({
      'detail-type': 'TrainingFailed',
      detail: { runId: run.runId, reason: expect.stringMatching(/^no job could be started since 2026-11-24.* bucket/) },
    });
    expect(await lineage.state('flights')).not.toHaveProperty('activeRunId');
    expect((await lineage.budget('flights', '2026-11')).reserved).toBe(0);
  });
});
