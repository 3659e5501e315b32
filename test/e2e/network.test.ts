/**
 * A network through the loop, and either algorithm judged against the other, on the laptop cloud: `npm run test:models`, as it
 * needs PyTorch.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { predictionAnswer, routes } from '../../lambdas/contract/http.ts';
import { type Deployed, type DeployedProject, deployed } from './deployed.ts';
import { LOOP_MS, serving } from './observed.ts';
import { PROJECT, trialCsv } from './trial.ts';

let flywheel: Deployed;
let trial: DeployedProject;
beforeAll(async () => {
  flywheel = await deployed('network', 'network.config.ts');
  trial = flywheel.project(PROJECT);
});
afterAll(async () => {
  await flywheel.stop();
});

const node = <Type extends 'model' | 'training-run' | 'evaluation'>(type: Type) =>
  flywheel.lineage.newest(type, PROJECT, 10);
const evaluationOf = async (model: number) => (await node('evaluation')).find((each) => each.model === model);

async function goOverTo(configuration: string) {
  process.env.FLYWHEEL_CONFIG = join(import.meta.dirname, configuration);
  await flywheel.flywheel('deploy');
}

/** In the order of a project's life: each step builds on the one before. */
describe('a project with a network', () => {
  it('is trained on the PyTorch image and served by the XGBoost image', async () => {
    await trial.upload('first.csv.gz', trialCsv({ from: 0, rows: 3000 }));
    await trial.event('ModelDeployed', { model: 1 }, LOOP_MS);
    expect(await node('training-run')).toMatchObject([
      {
        image: expect.stringMatching(/^pytorch:/),
        servingImage: expect.stringMatching(/^sagemaker-xgboost:/),
        hyperparameters: { epochs: '3', width: '32', members: '4' },
      },
    ]);
    expect(await node('model')).toMatchObject([
      { image: expect.stringMatching(/^683313688378\.dkr\.ecr\.us-east-1\.[^/]+\/sagemaker-xgboost:/) },
    ]);
  });

  it('predicts what it learned: a flight that left late arrives late', async () => {
    const rows = [-15, 55].map((delay) => ({ delay, wind: 10, carrier: 'UA' }));
    const text = JSON.stringify({ rows });
    const { body } = await flywheel.api.request(routes.predict, PROJECT, { text, type: 'application/json' });
    const { modelVersion, predictions } = predictionAnswer.parse(body);
    expect(modelVersion).toBe('trial/1');
    const [early, late] = predictions.map((each) => Number(each.prediction));
    expect(early).toBeLessThan(0.3);
    expect(late).toBeGreaterThan(0.7);
  });

  it('may go over to XGBoost, whose candidate is judged against the network on the same rows', async () => {
    await goOverTo('loop.config.ts');
    await trial.upload('second.csv.gz', trialCsv({ from: 10_000, rows: 3000 }));
    await trial.event('ModelDeployed', { model: 2 }, LOOP_MS);
    const evaluation = await evaluationOf(2);
    expect(evaluation).toMatchObject({
      champion: 1,
      status: 'completed',
      evaluation: { champion: { metrics: { auc: { value: expect.any(Number) } } } },
    });
    // The network's own metrics of the first evaluation and of this one are of the same kind of rows.
    expect(evaluation?.evaluation?.champion?.metrics.auc?.value).toBeGreaterThan(0.85);
    expect(evaluation?.evaluation?.difference?.auc?.value).toBeGreaterThan(-0.05);
    expect((await node('training-run')).map(({ image }) => image.split(':')[0]).sort()).toEqual([
      'pytorch',
      'sagemaker-xgboost',
    ]);
    expect(await serving(flywheel, PROJECT)).toBe('trial/2');
  });

  it('may come back to a network, which is judged against XGBoost', async () => {
    await goOverTo('network.config.ts');
    await trial.upload('third.csv.gz', trialCsv({ from: 20_000, rows: 3000 }));
    await trial.event('ModelEvaluated', { model: 3 }, LOOP_MS);
    const evaluation = await evaluationOf(3);
    expect(evaluation).toMatchObject({ champion: 2, status: 'completed' });
    expect(evaluation?.evaluation?.champion?.metrics.auc?.value).toBeGreaterThan(0.85);
    expect(evaluation?.evaluation?.difference?.auc?.value).toBeGreaterThan(-0.05);
  });
});
