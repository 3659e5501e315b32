/**
 * A fault in each step, on the real stacks: the old model goes on serving, the reason is in `flywheel status`, an alarm
 * rings. What must not reach the clients for what it is (broken file, bad candidate) is in kept-out.test.ts.
 */
import { DescribeTrainingJobCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { endpointName } from '../../lambdas/contract/keys.ts';
import { type Deployed, type DeployedProject, deployed } from './deployed.ts';
import { answer, imagesThatMayBeSick, LOOP_MS, makeSick, rings, serving, status, WAIT } from './observed.ts';
import {
  alarmsOf,
  canaryOf,
  errorsOf,
  loseEvents,
  makeOverdue,
  reconcileNow,
  setCapacity,
  takeAway,
} from './ordered-faults.ts';
import { trialCsv, trialRows } from './trial.ts';

let flywheel: Deployed;
let steady: DeployedProject;
let canary: DeployedProject;
beforeAll(async () => {
  flywheel = await deployed('faults', 'faults.config.ts', imagesThatMayBeSick);
  steady = flywheel.project('steady');
  canary = flywheel.project('canary');
  const withModel = [steady, canary];
  await Promise.all(withModel.map((project) => project.upload('first.csv.gz', trialCsv({ from: 0, rows: 3000 }))));
  await Promise.all(withModel.map((project) => project.event('ModelDeployed', { model: 1 }, LOOP_MS)));
});
afterAll(async () => {
  await flywheel.stop();
});

/** In the order of a project's life: each fault meets the model that came out of the one before. */
describe('a permission that is taken away', () => {
  it('fails the step with the words of AWS in the status; given back, a redrive finishes the loop', async () => {
    const giveBack = await takeAway(flywheel, 'sagemaker:CreateProcessingJob', 'start-evaluation');
    await steady.upload('second.csv.gz', trialCsv({ from: 10_000, rows: 3000 }));
    await steady.event('ModelTrained', { model: 2 }, LOOP_MS);
    await rings(flywheel, 'dead-letters', 'start-evaluation');
    const { deadLetters } = await status(flywheel, 'steady');
    expect(deadLetters).toMatchObject([{ handler: 'start-evaluation' }]);
    const [reason = ''] = deadLetters[0]?.reasons ?? [];
    expect(reason).toMatch(/assumed-role\/\S+ is not authorized to perform: sagemaker:CreateProcessingJob/);
    expect(await flywheel.flywheel('status', 'steady')).toContain(reason);
    expect(await serving(flywheel, 'steady')).toBe('steady/1');

    await giveBack();
    const given = await answer(flywheel, 'redrive', 'start-evaluation');
    expect(given).toEqual([{ handler: 'start-evaluation', messages: 1 }]);
    await steady.event('ModelDeployed', { model: 2, replaces: 1 }, LOOP_MS);
    expect(await serving(flywheel, 'steady')).toBe('steady/2');
    expect((await status(flywheel, 'steady')).deadLetters).toEqual([]);
    expect(await flywheel.lineage.newest('evaluation', 'steady', 10)).toHaveLength(2);
  });
});

describe('a training script that fails', () => {
  it('is told in the words of the script', async () => {
    const onTime = trialRows({ from: 20_000, rows: 1000 }).filter((row) => !row.late);
    const lines = onTime.map((row) => `${row.row_id},${row.delay},${row.wind},${row.carrier},${row.late}`);
    await steady.upload('on-time.csv', `${['row_id,delay,wind,carrier,late', ...lines].join('\n')}\n`);
    const { reason } = await steady.event('TrainingFailed', {}, LOOP_MS);
    expect(reason).toMatch(/^AlgorithmError/);
    expect(reason).toContain("got 1 classes of label 'late' in the training rows, expected two");
    expect((await status(flywheel, 'steady')).failures).toMatchObject([{ type: 'TrainingFailed', detail: { reason } }]);
    expect(await flywheel.flywheel('status', 'steady')).toContain(reason);
    expect(await serving(flywheel, 'steady')).toBe('steady/2');
    await rings(flywheel, 'training-failed', 'steady');
  });
});

describe('an update whose model server never becomes healthy', () => {
  it('is rolled back', async () => {
    const heal = makeSick(flywheel, 'steady/3');
    await steady.upload('third.csv.gz', trialCsv({ from: 30_000, rows: 3000 }));
    const { reason } = await steady.event('DeploymentRolledBack', { model: 3, inService: 2 }, LOOP_MS);
    heal();
    expect(reason).toMatch(/ping health check/);
    const { failures } = await status(flywheel, 'steady');
    expect(failures[0]).toMatchObject({ type: 'DeploymentRolledBack', detail: { reason } });
    expect(await flywheel.flywheel('status', 'steady')).toContain(reason);
    expect(await flywheel.lineage.state('steady')).toMatchObject({ champion: 2 });
    expect(await serving(flywheel, 'steady')).toBe('steady/2');
    await rings(flywheel, 'deployment-rolled-back', 'steady');
  });
});

describe('a canary', () => {
  it('is rolled back by errors of its own, which the reason names, and not by those of the model that it replaces', async () => {
    await canary.upload('second.csv.gz', trialCsv({ from: 10_000, rows: 3000 }));
    await canary.event('DeploymentStarted', { model: 2, replaces: 1 }, LOOP_MS);
    const endpoint = endpointName.build('local', 'canary');
    const fleets = await canaryOf(endpoint);
    expect(await alarmsOf(fleets.newConfig)).toEqual([`${fleets.newConfig}-errors`, `${fleets.newConfig}-latency`]);

    await errorsOf(fleets, fleets.oldConfig);
    await rings(flywheel, 'endpoint-errors', 'endpoint of canary');
    // SageMaker local looks at the alarms several times in this.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(await canaryOf(endpoint)).toEqual(fleets);

    await errorsOf(fleets, fleets.newConfig);
    const { reason } = await canary.event('DeploymentRolledBack', { model: 2, inService: 1 }, LOOP_MS);
    expect(reason).toContain(`${fleets.newConfig}-errors`);
    expect((await status(flywheel, 'canary')).failures).toMatchObject([
      { type: 'DeploymentRolledBack', detail: { reason } },
    ]);
    expect(await flywheel.flywheel('status', 'canary')).toContain(reason);
    expect(await flywheel.lineage.state('canary')).toMatchObject({ champion: 1 });
    expect(await serving(flywheel, 'canary')).toBe('canary/1');
    await rings(flywheel, 'deployment-rolled-back', 'canary');
    expect(await alarmsOf(fleets.newConfig)).toEqual([]);
  });
});

describe('an instance type that is not to be had', () => {
  it('is followed by the next of the list', async () => {
    await setCapacity(flywheel, 'ml.g5.xlarge', false);
    await steady.upload('fourth.csv.gz', trialCsv({ from: 40_000, rows: 3000 }));
    const { jobName } = await steady.event('TrainingStarted', { attempt: 2, instanceType: 'ml.m5.xlarge' }, LOOP_MS);
    await setCapacity(flywheel, 'ml.g5.xlarge', true);
    await steady.event('ModelDeployed', { model: 4, replaces: 2 }, LOOP_MS);
    const job = await new SageMakerClient({}).send(new DescribeTrainingJobCommand({ TrainingJobName: `${jobName}` }));
    expect(job).toMatchObject({ TrainingJobStatus: 'Completed', ResourceConfig: { InstanceType: 'ml.m5.xlarge' } });
    expect(await serving(flywheel, 'steady')).toBe('steady/4');
  });
});

describe('an event of SageMaker that is lost', () => {
  it('is found by reconcile once the step is overdue, and the loop ends', async () => {
    const find = await loseEvents('SageMaker Training Job State Change');
    await steady.upload('fifth.csv.gz', trialCsv({ from: 50_000, rows: 3000 }));
    const { datasetVersion } = await flywheel.lineage.require('model', 'steady', 4);
    const { jobName } = await steady.event('TrainingStarted', { datasetVersion: datasetVersion + 1 }, LOOP_MS);
    const sageMaker = new SageMakerClient({});
    await vi.waitFor(async () => {
      const job = await sageMaker.send(new DescribeTrainingJobCommand({ TrainingJobName: `${jobName}` }));
      expect(job.TrainingJobStatus).toBe('Completed');
    }, WAIT);
    await reconcileNow(flywheel, 'steady');
    expect(await steady.events()).not.toContain('StepOverdue');
    expect(await serving(flywheel, 'steady')).toBe('steady/4');

    await makeOverdue(flywheel, 'steady');
    await reconcileNow(flywheel, 'steady');
    await steady.event('StepOverdue', { kind: 'training', name: jobName });
    await find();
    await steady.event('ModelDeployed', { model: 5, replaces: 4 }, LOOP_MS);
    expect(await serving(flywheel, 'steady')).toBe('steady/5');
    expect(await flywheel.flywheel('status', 'steady')).toContain(
      `training ${jobName} has ended, and its event never came`,
    );
    await rings(flywheel, 'events-recovered', 'steady');
  });
});
