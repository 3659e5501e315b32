/** What must not reach the clients is kept out, told with its reason, and the model in service goes on serving. */
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Deployed, type DeployedProject, deployed } from './deployed.ts';
import { answer, imagesThatMayBeSick, LOOP_MS, makeSick, rings, serving, status } from './observed.ts';
import { trialCsv } from './trial.ts';

let flywheel: Deployed;
let steady: DeployedProject;
beforeAll(async () => {
  flywheel = await deployed('kept-out', 'faults.config.ts', imagesThatMayBeSick);
  steady = flywheel.project('steady');
});
afterAll(async () => {
  await flywheel.stop();
});

describe('a first model whose server never becomes healthy', () => {
  it('leaves the project without a model in service, says why, and serves once it is approved again', async () => {
    const newcomer = flywheel.project('newcomer');
    const heal = makeSick(flywheel, 'newcomer/1');
    await newcomer.upload('first.csv.gz', trialCsv({ from: 0, rows: 2000 }));
    const { reason } = await newcomer.event('DeploymentRolledBack', { model: 1, inService: null }, LOOP_MS);
    expect(reason).toMatch(/ping health check/);
    expect((await flywheel.lineage.state('newcomer')).champion).toBeUndefined();
    expect(await serving(flywheel, 'newcomer')).toBe(503);
    const shown = await flywheel.flywheel('status', 'newcomer');
    expect(shown).toMatch(/^newcomer +no model in service$/m);
    expect(shown).toContain(reason);
    expect((await status(flywheel, 'newcomer')).failures[0]).toMatchObject({ type: 'DeploymentRolledBack' });
    await rings(flywheel, 'deployment-rolled-back', 'newcomer');

    heal();
    const again = ['approve', 'newcomer/1', '--reason', 'the image is right again'];
    expect(await answer(flywheel, ...again)).toMatchObject({ type: 'ModelApproved', model: 1 });
    await newcomer.event('ModelDeployed', { model: 1 }, LOOP_MS);
    expect(await serving(flywheel, 'newcomer')).toBe('newcomer/1');
    expect(await flywheel.flywheel('status', 'newcomer')).toMatch(/^ +deployment +newcomer\/1 .*deployed$/m);
    expect((await status(flywheel, 'newcomer')).deadLetters).toEqual([]);
  });
});

describe('a broken file', () => {
  it('is quarantined with a report that names line, column and rule', async () => {
    await steady.upload('first.csv.gz', trialCsv({ from: 0, rows: 3000 }));
    await steady.event('ModelDeployed', { model: 1 }, LOOP_MS);
    await steady.upload('broken.csv', 'row_id,delay,wind,carrier,late\nx1,5,3,UA,true\nx2,soon,3,UA,true\n');

    const { reason, report } = await steady.event('DatasetRejected', {}, LOOP_MS);
    const shown = await flywheel.flywheel('status', 'steady');
    expect(shown).toContain(`steady/broken.csv quarantined: ${reason}`);
    expect((await status(flywheel, 'steady')).failures).toMatchObject([
      { type: 'DatasetRejected', detail: { reason } },
    ]);
    const { Body } = await new S3Client({}).send(
      new GetObjectCommand({ Bucket: flywheel.outputs.DatasetBucket, Key: `${report}` }),
    );
    expect(JSON.parse((await Body?.transformToString()) ?? '')).toMatchObject({
      violations: [{ line: 3, column: 'delay', rule: 'type' }],
    });
    expect(await flywheel.lineage.state('steady')).toMatchObject({ datasetVersion: 1, champion: 1 });
    expect(await serving(flywheel, 'steady')).toBe('steady/1');
    await rings(flywheel, 'dataset-rejected', 'steady');
  });
});

describe('a candidate that learned nothing', () => {
  it('is rejected by the gate with the metric and the limit that it missed', async () => {
    await steady.upload('noise.csv.gz', trialCsv({ from: 10_000, rows: 3000, randomLabels: true }));
    const { reasons, decidedBy } = await steady.event('ModelRejected', { model: 2 }, LOOP_MS);
    expect(decidedBy).toBe('gate');
    expect(String(reasons)).toMatch(/auc.* 0\.7/);
    expect(await flywheel.flywheel('status', 'steady')).toContain(`${[reasons].flat()[0]}`);
    expect((await status(flywheel, 'steady')).failures[0]).toMatchObject({
      type: 'ModelRejected',
      detail: { reasons },
    });
    expect(await steady.events()).not.toContain('DeploymentRolledBack');
    expect(await serving(flywheel, 'steady')).toBe('steady/1');
    await rings(flywheel, 'candidate-rejected', 'steady');
  });
});

describe('a candidate that a person rejects', () => {
  it('stays out, and the decision names who and why', async () => {
    const reviewed = flywheel.project('reviewed');
    await reviewed.upload('first.csv.gz', trialCsv({ from: 0, rows: 2000 }));
    await reviewed.event('ApprovalRequested', { model: 1 }, LOOP_MS);
    await answer(flywheel, 'approve', 'reviewed/1', '--reason', 'seen by operations');
    await reviewed.event('ModelDeployed', { model: 1 }, LOOP_MS);

    await reviewed.upload('second.csv.gz', trialCsv({ from: 10_000, rows: 2000 }));
    await reviewed.event('ApprovalRequested', { model: 2 }, LOOP_MS);
    const why = 'the winter is not in these rows';
    const told = await answer(flywheel, 'reject', 'reviewed/2', '--reason', why);
    expect(told).toMatchObject({ type: 'ModelRejected', model: 2, reasons: [why] });
    expect(await flywheel.lineage.require('decision', 'reviewed', '2-approval')).toMatchObject({
      decision: 'reject',
      decidedBy: expect.stringMatching(/^arn:aws:iam::\d{12}:/),
      reasons: [why],
    });
    expect(await flywheel.flywheel('status', 'reviewed')).toContain(why);
    expect(await flywheel.lineage.get('deployment', 'reviewed', 2)).toBeUndefined();
    expect(await serving(flywheel, 'reviewed')).toBe('reviewed/1');
    await rings(flywheel, 'candidate-rejected', 'reviewed');
    // A decision is made once: what was rejected is not let in afterwards.
    const late = flywheel.flywheel('approve', 'reviewed/2', '--reason', 'after all');
    await expect(late).rejects.toThrow('reviewed/2 awaits no approval: it is rejected');
  });
});
