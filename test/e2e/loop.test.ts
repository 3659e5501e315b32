/** The loop on the laptop cloud: every function and job with its own role, IAM enforced. */
import { createHash } from 'node:crypto';
import { CopyObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demand } from '../../cli/api.ts';
import { predictionNode, withPrediction } from '../../cli/lineage/prediction.ts';
import { walk } from '../../cli/lineage/walk.ts';
import { predictionAnswer, routes } from '../../lambdas/contract/http.ts';
import { predictionId } from '../../lambdas/contract/keys.ts';
import { type Deployed, type DeployedProject, deployed } from './deployed.ts';
import { PROJECT, trialCsv, trialRows } from './trial.ts';

let flywheel: Deployed;
let trial: DeployedProject;
beforeAll(async () => {
  flywheel = await deployed('loop', 'loop.config.ts');
  trial = flywheel.project(PROJECT);
});
afterAll(async () => {
  await flywheel.stop();
});

async function predict(rows: readonly object[]) {
  const text = JSON.stringify({ rows });
  return flywheel.api.request(routes.predict, PROJECT, { text, type: 'application/json' });
}
const features = ({ delay, wind, carrier }: { delay: number; wind: number; carrier: string }) => ({
  delay,
  wind,
  carrier,
});

function fail(message: string): never {
  throw new Error(message);
}

/** In the order of a project's life: each step builds on the one before. */
describe('the loop', () => {
  it('answers 503 with Retry-After before the first model, and 404 for a project that is not there', async () => {
    const early = await predict(trialRows({ from: 0, rows: 1 }).map(features));
    expect(early).toMatchObject({ status: 503, retryAfter: '30', body: { error: 'NotReady' } });
    const stray = await flywheel.api.request(routes.describe, 'no-such-project');
    expect(stray.status).toBe(404);
  });

  it('takes an upload to a model in service', async () => {
    await trial.upload('first.csv.gz', trialCsv({ from: 0, rows: 3000 }));
    await trial.event('ModelDeployed', { model: 1 }, 120_000);
    expect(await trial.events()).toEqual(
      expect.arrayContaining([
        'DatasetVersionRegistered',
        'TrainingRequested',
        'TrainingStarted',
        'ModelTrained',
        'EvaluationStarted',
        'ModelEvaluated',
        'ModelApproved',
        'DeploymentStarted',
      ]),
    );
  });

  it('predicts, with the model version and an id for each row', async () => {
    const { status, body } = await predict(trialRows({ from: 90_000, rows: 50 }).map(features));
    expect(status).toBe(200);
    const answer = predictionAnswer.parse(body);
    expect(answer.modelVersion).toBe('trial/1');
    expect(answer.predictions).toHaveLength(50);
    expect(new Set(answer.predictions.map((each) => each.predictionId)).size).toBe(50);
    expect(predictionId.parse(answer.predictions[0]?.predictionId ?? '')).toMatchObject({ project: PROJECT, model: 1 });
  });

  it('tells what serves, and takes the labels that come later', async () => {
    const { body } = await flywheel.api.request(routes.describe, PROJECT);
    expect(body).toMatchObject({ inService: { modelVersion: 'trial/1' }, drifting: false });
    const answer = predictionAnswer.parse((await predict(trialRows({ from: 3, rows: 1 }).map(features))).body);
    const labels = answer.predictions.map((each) => ({ predictionId: each.predictionId, label: true }));
    const post = (json: object) =>
      flywheel.api.request(routes.groundTruth, PROJECT, { text: JSON.stringify(json), type: 'application/json' });
    expect(await post({ labels })).toMatchObject({ status: 202, body: { accepted: 1 } });
    expect(await post({ labels: [{ predictionId: 'other.1.x', label: true }] })).toMatchObject({ status: 400 });
  });

  it('leads from a prediction to the very bytes, and from the bytes to what uses them', async () => {
    const answer = predictionAnswer.parse((await predict(trialRows({ from: 4, rows: 1 }).map(features))).body);
    const id = answer.predictions[0]?.predictionId ?? '';
    const origin = predictionId.parse(id);
    const source = withPrediction(flywheel.lineage, id, undefined);
    const { nodes } = await walk(source, predictionNode(id, origin ?? fail('not a prediction id')), 'up');
    const of = (type: string) => [...nodes.values()].filter((node) => node.type === type);
    const sha256 = createHash('sha256')
      .update(trialCsv({ from: 0, rows: 3000 }))
      .digest('hex');
    expect(of('dataset-object')).toMatchObject([{ fields: { sha256 } }]);
    expect(of('upload')).toMatchObject([{ fields: { key: 'trial/first.csv.gz' } }]);
    expect(of('training-run')).toMatchObject([{ fields: { hyperparameters: { num_round: '20' } } }]);
    expect(of('code')[0]?.fields.image).toContain('sagemaker-xgboost');
    expect(of('agent').length).toBeGreaterThan(0);
    const down = await walk(flywheel.lineage, `dataset-object/trial/${sha256}`, 'down');
    expect([...down.nodes.keys()]).toEqual(
      expect.arrayContaining(['model/trial/1', 'endpoint/trial/flywheel-local-trial']),
    );
  });

  it('names the row, the column and the rule of a bad request', async () => {
    const [row] = trialRows({ from: 0, rows: 1 }).map(features);
    const refused = await predict([row ?? {}, { ...row, delay: 'soon' }]);
    expect(refused).toMatchObject({ status: 400, body: { violations: [{ row: 1, column: 'delay' }] } });
  });

  it('quarantines a broken file with line, column and rule, and goes on serving', async () => {
    await trial.upload('broken.csv', 'row_id,delay,wind,carrier,late\nx1,soon,3,UA,true\n');
    const { reason } = await trial.event('DatasetRejected');
    expect(reason).toMatch(/column rule/);
    expect(
      (await predict([features(trialRows({ from: 1, rows: 1 })[0] ?? { delay: 0, wind: 0, carrier: 'UA' })])).status,
    ).toBe(200);
  });

  it('starts nothing when the same content is uploaded again', async () => {
    const s3 = new S3Client({});
    const Bucket = flywheel.outputs.RawBucket;
    const copy = { Bucket, Key: `${PROJECT}/again.csv.gz`, CopySource: `${Bucket}/${PROJECT}/first.csv.gz` };
    await s3.send(new CopyObjectCommand(copy));
    const asked = await demand(flywheel.api, routes.requestTraining, PROJECT, { reason: 'same again' });
    expect(asked.requestedBy).toMatch(/^arn:aws:iam::\d{12}:/);
    expect(await trial.event('TrainingDemanded', { demandId: asked.demandId })).toMatchObject(asked);
    expect((await trial.event('TrainingSuppressed', { rule: 'same-run' })).reason).toMatch(/newer data/);
    expect(await flywheel.lineage.newest('dataset-version', PROJECT, 10)).toHaveLength(1);
    expect(await flywheel.lineage.newest('training-run', PROJECT, 10)).toHaveLength(1);
  });

  it('rejects a candidate that learned from noise, with the reason; the champion stays', async () => {
    await trial.upload('noise.csv.gz', trialCsv({ from: 10_000, rows: 9000, randomLabels: true }));
    const { reasons } = await trial.event('ModelRejected', { model: 2 }, 120_000);
    expect(String(reasons)).toMatch(/auc/);
    expect((await flywheel.lineage.state(PROJECT)).champion).toBe(1);
    // The correction replaces the noise: same key, newer object.
    await trial.upload('noise.csv.gz', trialCsv({ from: 10_000, rows: 9000 }));
    await trial.event('ModelDeployed', { model: 3 }, 180_000);
    expect((await flywheel.lineage.state(PROJECT)).champion).toBe(3);
  });

  it('finds the drift of what is asked, and retrains on the newer data when it comes', async () => {
    // Drift is declared by the second measurement in a row that finds it, and only new traffic is new evidence.
    // Capture reaches the bucket a few seconds later; a measurement before that finds too few rows.
    for (let attempt = 0; attempt < 10 && !(await trial.events()).includes('DriftDetected'); attempt++) {
      const windy = trialRows({ from: 200_000 + attempt * 400, rows: 400, windShift: 25 });
      expect((await predict(windy.map(features))).status).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, 3000));
      await demand(flywheel.api, routes.requestDriftCheck, PROJECT, {});
    }
    const drift = await trial.event('DriftDetected', { model: 3 });
    expect(JSON.stringify(drift.features)).toContain('wind');
    await trial.event('TrainingSuppressed', { trigger: 'drift', rule: 'same-run' });
    await trial.upload('windy.csv.gz', trialCsv({ from: 300_000, rows: 3000, windShift: 25 }));
    await trial.event('TrainingRequested', { trigger: 'drift' });
    await trial.event('ModelDeployed', { model: 4 }, 180_000);
  });
});
