/** What happens to runs and evaluations that SageMaker has no instance for, or fails, or whose name is taken. */
import {
  CreateProcessingJobCommand,
  CreateTrainingJobCommand,
  DescribeProcessingJobCommand,
  DescribeTrainingJobCommand,
  SageMakerClient,
  StopProcessingJobCommand,
  StopTrainingJobCommand,
} from '@aws-sdk/client-sagemaker';
import { describe, expect, it, vi } from 'vitest';
import { TrainingDemanded } from '../../lambdas/contract/events.ts';
import { evaluationJobName, modelKey } from '../../lambdas/contract/keys.ts';
import type { ProjectSettings } from '../../lambdas/contract/settings.ts';
import { OVERDUE_SECONDS } from '../../lambdas/handlers/reconcile.ts';
import { publishDemand } from '../../lambdas/steps/operations/demands.ts';
import { consumersOf, type Delivery, type LoopDriver, loopDriver } from '../support/loop-driver.ts';
import { createVersionedBucket, type ReceivedEvent, secretHeaders } from '../support/services.ts';
import { trialCsv, trialSettings } from '../support/trial-data.ts';

const sageMaker = new SageMakerClient({});

/** Types that no other test on this cloud uses: their quotas are the account's. */
function settingsWith(training: Partial<ProjectSettings['training']>): () => ProjectSettings {
  return () => {
    const settings = trialSettings();
    return { ...settings, training: { ...settings.training, spot: false, ...training } };
  };
}

async function order(route: string, body: object): Promise<void> {
  const url = `${process.env.AWS_ENDPOINT_URL_SAGEMAKER}/_flywheel/${route}`;
  const answer = await fetch(url, { method: 'POST', headers: secretHeaders(), body: JSON.stringify(body) });
  expect(answer.status, await answer.text()).toBe(200);
}

const quota = (instanceType: string, usage: string, limit: number | null) =>
  order('quota', { instanceType, usage: `${usage} job usage`, limit });

/** Every event twice: what is told again must be the same to the letter. */
const twice: Delivery = async (batch, driver) => {
  for (const event of batch)
    for (const consumer of consumersOf(driver, event))
      for (let repeat = 0; repeat < 2; repeat++) await consumer.handle(event, driver.events);
};

const upload = (driver: LoopDriver, from = 0) => driver.upload(`${from}.csv.gz`, trialCsv({ from, rows: 2000 }));
const ofType = (events: readonly ReceivedEvent[], type: string) =>
  events.filter((each) => each['detail-type'] === type).map(({ detail }) => detail);
const letters = (events: readonly object[]) => new Set(events.map((each) => JSON.stringify(each)));

/** A processing job that sleeps: an evaluation that is under way, or somebody else's. */
async function sleepingJob(driver: LoopDriver, name: string, instanceType: 'ml.t3.xlarge' | 'ml.t3.medium') {
  const request = {
    ProcessingJobName: name,
    RoleArn: driver.place.roleArn,
    AppSpecification: {
      ImageUri: 'x/sagemaker-xgboost:3.2-0',
      ContainerEntrypoint: ['python3', '-c', 'import time; time.sleep(120)'],
    },
    ProcessingResources: { ClusterConfig: { InstanceCount: 1, InstanceType: instanceType, VolumeSizeInGB: 5 } },
  };
  await sageMaker.send(new CreateProcessingJobCommand(request));
}

/** A training job of somebody else that sleeps. */
async function sleepingTraining(driver: LoopDriver, InstanceType: 'ml.m4.xlarge'): Promise<string> {
  const TrainingJobName = `${driver.place.environment}-other`;
  await sageMaker.send(
    new CreateTrainingJobCommand({
      TrainingJobName,
      RoleArn: driver.place.roleArn,
      AlgorithmSpecification: {
        TrainingImage: 'x/sagemaker-xgboost:3.2-0',
        TrainingInputMode: 'File',
        ContainerEntrypoint: ['python3', '-c', 'import time; time.sleep(120)'],
      },
      OutputDataConfig: { S3OutputPath: `s3://${await createVersionedBucket('other')}/out` },
      ResourceConfig: { InstanceType, InstanceCount: 1, VolumeSizeInGB: 5 },
      StoppingCondition: { MaxRuntimeInSeconds: 300 },
    }),
  );
  return TrainingJobName;
}

async function stopJob(name: string): Promise<void> {
  await sageMaker.send(new StopProcessingJobCommand({ ProcessingJobName: name }));
  await vi.waitFor(async () => {
    const { ProcessingJobStatus } = await sageMaker.send(new DescribeProcessingJobCommand({ ProcessingJobName: name }));
    expect(ProcessingJobStatus).toBe('Stopped');
  }, 20_000);
}

describe('instance types that are not to be had', () => {
  it('are passed over one after the other, for a run by quota and region, for an evaluation by capacity', async () => {
    const driver = await loopDriver(
      settingsWith({
        instances: ['ml.p3.2xlarge', 'ml.p2.xlarge', 'ml.c4.xlarge'],
        evaluationInstances: ['ml.r5.xlarge', 'ml.r5.2xlarge'],
      }),
    );
    await quota('ml.p3.2xlarge', 'training', 0);
    await order('offer', { instanceType: 'ml.p2.xlarge', offer: 'unsupported' });
    await order('capacity', { instanceType: 'ml.r5.xlarge', available: false });
    const events = await driver.runUntil('ModelDeployed', [await upload(driver)], twice);

    const started = ofType(events, 'TrainingStarted');
    expect(letters(started).size).toBe(1);
    // No job came of the first two: the run's first one is the third's.
    expect(started[0]).toMatchObject({ instanceType: 'ml.c4.xlarge', attempt: 1 });
    const { environment, installation } = driver.place;
    const nameOf = (number: number) =>
      evaluationJobName.build(environment, { project: driver.project, model: 1, number, installation });
    expect(letters(ofType(events, 'EvaluationStarted').map(({ jobName }) => ({ jobName })))).toEqual(
      letters([nameOf(1), nameOf(2)].map((jobName) => ({ jobName }))),
    );
    expect(await driver.lineage.require('evaluation', driver.project, nameOf(1))).toMatchObject({
      status: 'failed',
      retriedAs: nameOf(2),
    });
    expect(await driver.lineage.require('evaluation', driver.project, nameOf(2))).toMatchObject({
      status: 'completed',
      instance: 1,
      tries: 1,
    });
    expect(ofType(events, 'EvaluationFailed')).toEqual([]);
  });

  it('end the run with a sentence about each when none is left, and nothing is held back for it', async () => {
    const driver = await loopDriver(settingsWith({ instances: ['ml.p3.8xlarge', 'ml.p3.16xlarge'] }));
    await quota('ml.p3.8xlarge', 'training', 0);
    await order('capacity', { instanceType: 'ml.p3.16xlarge', available: false });
    const events = await driver.runUntil('TrainingFailed', [await upload(driver)], twice);
    const failed = ofType(events, 'TrainingFailed');
    expect(letters(failed).size).toBe(1);
    expect(failed[0]?.reason).toMatch(/ml\.p3\.8xlarge: .* is 0 Instances.*; ml\.p3\.16xlarge: CapacityError/);
    const { activeRunId, rowsTrained } = await driver.lineage.state(driver.project);
    expect([activeRunId, rowsTrained]).toEqual([undefined, undefined]);
    const month = new Date().toISOString().slice(0, 7);
    expect((await driver.lineage.budget(driver.project, month)).reserved).toBeCloseTo(0);
  });
});

describe('a quota that others use', () => {
  it('lets an evaluation wait, visibly, until reconcile asks and it is free', async () => {
    const driver = await loopDriver(settingsWith({ evaluationInstances: ['ml.t3.xlarge', 'ml.t3.2xlarge'] }));
    await quota('ml.t3.xlarge', 'processing', 1);
    const other = `${driver.place.environment}-other`;
    await sleepingJob(driver, other, 'ml.t3.xlarge');
    const events = await driver.runUntil('EvaluationDelayed', [await upload(driver)], twice);
    const delayed = ofType(events, 'EvaluationDelayed');
    expect(letters(delayed).size).toBe(1);
    expect(delayed[0]?.reason).toContain('with current utilization of 1 Instances');
    const { newestEvaluation = '' } = await driver.lineage.require('model', driver.project, 1);
    expect(await driver.lineage.require('evaluation', driver.project, newestEvaluation)).toMatchObject({
      status: 'waiting',
      instance: 0,
    });
    // Asked for again, and still in use.
    const again = await driver.runUntil('EvaluationDelayed', [driver.reconciliation], twice);
    expect(letters(ofType(again, 'EvaluationDelayed'))).toEqual(letters(delayed));
    await stopJob(other);
    const end = await driver.runUntil('ModelDeployed', [driver.reconciliation], twice);
    expect(ofType(end, 'EvaluationStarted')[0]).toMatchObject({ jobName: newestEvaluation });
  });

  it('lets a run wait, and ends it after a day; what has come meanwhile is decided then', async () => {
    const driver = await loopDriver(settingsWith({ instances: ['ml.m4.xlarge', 'ml.m4.2xlarge'] }));
    await quota('ml.m4.xlarge', 'training', 1);
    const other = await sleepingTraining(driver, 'ml.m4.xlarge');
    const events = await driver.runUntil('TrainingDelayed', [await upload(driver)], twice);
    expect(letters(ofType(events, 'TrainingDelayed')).size).toBe(1);
    const { activeRunId: first = '' } = await driver.lineage.state(driver.project);
    expect(await driver.lineage.require('training-run', driver.project, first)).toMatchObject({
      status: 'waiting',
      instance: 0,
    });
    const meanwhile = await driver.runUntil('TrainingSuppressed', [await upload(driver, 5000)], twice);
    expect(letters(ofType(meanwhile, 'TrainingSuppressed')).size).toBe(1);
    expect(ofType(meanwhile, 'TrainingSuppressed')[0]).toMatchObject({ rule: 'in-progress' });

    driver.ahead = 24 * 3600 + 60;
    const after = await driver.runUntil('TrainingDelayed', [driver.reconciliation], twice);
    expect(ofType(after, 'TrainingFailed')[0]).toMatchObject({
      runId: first,
      reason: expect.stringMatching(/^waited since .* with current utilization of 1 Instances/),
    });
    // Its rows count as not trained: the next run is for all of them.
    expect(ofType(after, 'TrainingRequested').at(-1)).toMatchObject({ datasetVersion: 2 });
    await sageMaker.send(new StopTrainingJobCommand({ TrainingJobName: other }));
    await vi.waitFor(async () => {
      const job = await sageMaker.send(new DescribeTrainingJobCommand({ TrainingJobName: other }));
      expect(job.TrainingJobStatus).toBe('Stopped');
    }, 20_000);
    const end = await driver.runUntil('ModelDeployed', [driver.reconciliation], twice);
    expect(ofType(end, 'TrainingStarted')[0]).toMatchObject({ instanceType: 'ml.m4.xlarge', datasetVersion: 2 });
    const runs = await driver.lineage.newest('training-run', driver.project, 5);
    expect(runs.map(({ status }) => status)).toEqual(['trained', 'failed']);
  });
});

describe('an evaluation that was stopped', () => {
  it('is given up, and made again when a person asks to train what has been trained', async () => {
    const driver = await loopDriver(settingsWith({ evaluationInstances: ['ml.c5.2xlarge'] }));
    let stopped = false;
    const untilEvaluation: Delivery = async (batch, same) => {
      for (const event of batch) {
        await twice([event], same);
        if (event['detail-type'] !== 'EvaluationStarted' || stopped) continue;
        stopped = true;
        await sageMaker.send(new StopProcessingJobCommand({ ProcessingJobName: String(event.detail.jobName) }));
      }
    };
    const events = await driver.runUntil('EvaluationFailed', [await upload(driver)], untilEvaluation);
    expect(letters(ofType(events, 'EvaluationFailed')).size).toBe(1);
    expect((await driver.lineage.require('model', driver.project, 1)).status).toBe('evaluation-failed');
    // Nothing asks by itself.
    driver.ahead = OVERDUE_SECONDS + 1;
    await twice([driver.reconciliation], driver);
    const asked = { requestedBy: 'ada', reason: 'again', force: false, demandId: 'd1' };
    const detail = { project: driver.project, at: new Date().toISOString(), ...asked };
    await publishDemand(TrainingDemanded, detail, driver);
    const after = await driver.runUntil('ModelDeployed', [], twice);
    expect(letters(ofType(after, 'EvaluationRequested')).size).toBe(1);
    expect(ofType(after, 'TrainingSuppressed')).toEqual([]);
    expect(await driver.lineage.newest('evaluation', driver.project, 5)).toMatchObject([
      { number: 2, status: 'completed' },
      { number: 1, status: 'failed' },
    ]);
  });
});

describe('a job of an environment that was here before', () => {
  it('is not taken for an evaluation of ours that has the same name: the next name is', async () => {
    const driver = await loopDriver(settingsWith({ evaluationInstances: ['ml.c5.4xlarge'] }));
    const { environment, installation } = driver.place;
    const nameOf = (number: number) =>
      evaluationJobName.build(environment, { project: driver.project, model: 1, number, installation });
    await sleepingJob(driver, nameOf(1), 'ml.t3.medium');
    const events = await driver.runUntil('ModelDeployed', [await upload(driver)], twice);
    expect(ofType(events, 'ModelEvaluated')[0]).toMatchObject({ jobName: nameOf(2) });
    expect((await driver.lineage.require('evaluation', driver.project, nameOf(1))).failure).toContain(
      modelKey.evaluation(driver.project, nameOf(1)),
    );
    await stopJob(nameOf(1));
  });

  it('is left alone when it ends', async () => {
    const driver = await loopDriver(settingsWith({}));
    const { environment } = driver.place;
    const project = driver.project;
    const foreign = {
      ProcessingJobName: evaluationJobName.build(environment, { project, model: 7, number: 1, installation: 'fffff' }),
      TrainingJobName: `flywheel-${environment}-${project}-0123456789ab-a1`,
    };
    const ended = ['Processing', 'Training'].map((kind) => ({
      'detail-type': `SageMaker ${kind} Job State Change`,
      detail: { ...foreign, ProcessingJobStatus: 'Completed', TrainingJobStatus: 'Completed' },
    }));
    await twice(ended, driver);
    expect(await driver.lineage.newest('model', project, 5)).toEqual([]);
  });
});
