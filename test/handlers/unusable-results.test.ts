/** A job that completes and leaves files that cannot be used: its evaluation fails, once and for all. */
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { beforeEach, describe, expect, it } from 'vitest';
import { evaluationJobName, modelKey } from '../../lambdas/contract/keys.ts';
import { captureLimits, recordLimits } from '../../lambdas/contract/limits.ts';
import { finishEvaluation } from '../../lambdas/handlers/finish-evaluation.ts';
import { eventPublisher } from '../../lambdas/stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { modelStore } from '../../lambdas/stores/model-store.ts';
import { trainingGateway } from '../../lambdas/stores/training-gateway.ts';
import { handlerContext } from '../support/context.ts';
import { baselineOf, evaluationOf } from '../support/evaluation.ts';
import { environmentSettings, projectSettings } from '../support/project.ts';
import { createsEvaluation, createsModel } from '../support/records.ts';
import { createBus, createLineageTable, createVersionedBucket, type TestBus } from '../support/services.ts';

const at = '2026-11-24T12:00:00.000Z';
const jobName = evaluationJobName.build('local', { project: 'flights', model: 1, number: 1, installation: 'aaaaa' });
const ended = {
  type: 'SageMaker Processing Job State Change' as const,
  detail: { ProcessingJobName: jobName, ProcessingJobStatus: 'Completed' },
};

let lineage: LineageStore;
let bus: TestBus;
let bucket: string;

/** SageMaker says that the job is done; the stores are real. */
function context(models = modelStore(bucket)) {
  const processingJobEnd = async () => ({ outcome: 'completed' as const, endedAt: new Date(at), seconds: 900 });
  const services = {
    lineage,
    events: eventPublisher(bus.name),
    models,
    sageMaker: { ...trainingGateway(), processingJobEnd },
    installation: 'aaaaa',
  };
  return handlerContext(services, { settings: environmentSettings([projectSettings()]), now: new Date(at) });
}

async function left(files: { readonly evaluation?: string; readonly baseline?: string }): Promise<void> {
  const s3 = new S3Client({});
  const put = (Key: string, Body: string | undefined) =>
    Body === undefined ? undefined : s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body }));
  await put(modelKey.evaluationFile('flights', jobName), files.evaluation);
  await put(modelKey.baselineFile('flights', jobName), files.baseline);
}

beforeEach(async () => {
  lineage = lineageStore(await createLineageTable());
  bus = await createBus();
  bucket = await createVersionedBucket('results');
  await lineage.write([
    createsModel({ newestEvaluation: jobName }),
    createsEvaluation(jobName, { reservation: { month: '2026-11', hours: 1 } }),
    { kind: 'hours', project: 'flights', month: '2026-11', hours: 0, reserved: 1 },
  ]);
});

const good = { evaluation: JSON.stringify(evaluationOf(0.8, null)), baseline: JSON.stringify(baselineOf()) };
const [delay, carrier] = baselineOf().features;
const forged = (name: string) => ({ ...delay, name });
const withFeatures = (features: readonly unknown[]) => JSON.stringify({ ...baselineOf(), features });
const names = (count: number) => Array.from({ length: count }, (_, index) => `metric${index}`);
const estimates = (metrics: readonly string[]) =>
  JSON.stringify({
    ...evaluationOf(0.8, null),
    candidate: {
      metrics: Object.fromEntries(metrics.map((name) => [name, { value: 1, low: 0, high: 1 }])),
      calibration: [],
    },
  });

describe('an evaluation', () => {
  it.each([
    ['no evaluation.json', { baseline: good.baseline }, 'evaluation.json is not there'],
    ['no JSON', { ...good, evaluation: '{"schemaVersion": CapacityError' }, 'evaluation.json is no JSON'],
    ['another shape', { ...good, evaluation: '{"schemaVersion":1}' }, 'evaluation.json: objective: '],
    [
      'too much',
      { ...good, evaluation: JSON.stringify({ padding: 'x'.repeat(recordLimits.evaluationBytes) }) },
      `expected at most ${recordLimits.evaluationBytes}`,
    ],
    ['too many metrics', { ...good, evaluation: estimates(names(recordLimits.metrics + 1)) }, 'candidate.metrics: '],
    ['a metric with a long name', { ...good, evaluation: estimates(['m'.repeat(101)]) }, 'candidate.metrics.'],
    ['no baseline.json', { evaluation: good.evaluation }, 'baseline.json is not there'],
    ['a baseline of another shape', { ...good, baseline: '[]' }, 'baseline.json: '],
    [
      'a baseline of too many bins',
      { ...good, baseline: withFeatures([{ ...delay, counts: Array(captureLimits.baselineBins + 1).fill(1) }]) },
      `expected at most ${captureLimits.baselineBins}`,
    ],
    ['a feature that is no column', { ...good, baseline: withFeatures([delay, forged('forged')]) }, 'forged'],
    ['a feature twice', { ...good, baseline: withFeatures([delay, carrier, delay]) }, 'delay'],
    [
      'a prediction of another name',
      { ...good, baseline: JSON.stringify({ ...baselineOf(), prediction: { ...baselineOf().prediction, name: 'x' } }) },
      'prediction',
    ],
  ])('whose job leaves %s fails for good, with the reason, and holds nothing back', async (_, files, reason) => {
    await left(files);
    const first = context();
    for (const each of [first, context(), context()]) await finishEvaluation(ended, each);
    const told = await bus.drain();
    expect(new Set(told.map((each) => JSON.stringify(each))).size).toBe(1);
    expect(told[0]).toMatchObject({
      'detail-type': 'EvaluationFailed',
      detail: { model: 1, jobName, reason: expect.stringContaining(reason) },
    });
    expect(String(told[0]?.detail.reason).length).toBeLessThan(1000);
    expect((await lineage.require('evaluation', 'flights', jobName)).status).toBe('failed');
    expect((await lineage.require('model', 'flights', 1)).status).toBe('evaluation-failed');
    expect(await lineage.budget('flights', '2026-11')).toEqual({ hours: 0.25, reserved: 0 });
    expect(first.recorded).toEqual([{ project: 'flights', name: 'TrainingFailed', value: 1 }]);
  });

  it('whose job leaves what is expected completes', async () => {
    await left(good);
    await finishEvaluation(ended, context());
    expect((await lineage.require('evaluation', 'flights', jobName)).status).toBe('completed');
    expect((await bus.drain()).map((each) => each['detail-type'])).toEqual(['ModelEvaluated']);
  });

  it('waits for S3 when it is S3 that fails', async () => {
    await left(good);
    await expect(finishEvaluation(ended, context(modelStore('no-such-bucket-of-ours')))).rejects.toThrow('bucket');
    expect((await lineage.require('evaluation', 'flights', jobName)).status).toBe('started');
  });
});
