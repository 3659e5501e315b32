/** XGBoost on `sagemaker-xgboost:3.2-0`: as this platform asks for it, and by the toolkits whose place that takes. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { inScriptMode } from '../../lambdas/domain/training-run.ts';
import { containersOfFile, ImageContainer } from './support/container.ts';
import {
  BAD,
  evaluate,
  expectAnswers,
  GOOD,
  REFUSED,
  startTraining,
  type Trial,
  trainingRequest,
  trial,
  unpackModel,
} from './support/jobs.ts';

const keep = containersOfFile();
const container = () => keep(ImageContainer.xgboost());

let project: Trial;
/** model.tar.gz of a training job. */
let model: Buffer;
beforeAll(async () => {
  project = await trial();
  const training = container();
  const { code, output } = await startTraining(training, project).ended;
  expect(code, output).toBe(0);
  model = training.modelArchive();
});

describe('a training job', () => {
  it('says why it failed where SageMaker reads it', async () => {
    const training = container();
    const request = trainingRequest(project);
    const HyperParameters = { ...request.HyperParameters, depth: '3' };
    const { code } = await startTraining(training, project, { ...request, HyperParameters }).ended;
    expect(code).toBe(1);
    expect(training.read('output/failure')).toMatch(/^got the unknown hyperparameter 'depth'/);
  });

  it('gets SIGTERM, as the first process of its container, and leaves a checkpoint', async () => {
    const training = container();
    const request = trainingRequest(project);
    const endless = { num_round: '100000', early_stopping_rounds: '100000', checkpoint_seconds: '0' };
    const HyperParameters = { ...request.HyperParameters, ...endless };
    const running = startTraining(training, project, { ...request, HyperParameters });
    const checkpoint = () => training.has('checkpoints/xgboost-checkpoint');
    await vi.waitUntil(checkpoint, { timeout: 60_000 });
    running.stop();
    const { code, output } = await running.ended;
    expect(code, output).toBe(143);
    expect(training.has('model/xgboost-model')).toBe(false);
  });
});

describe('script mode of the image, which a job without entrypoint would run in', () => {
  it('trains: the archive installs itself, without network', async () => {
    const training = container();
    const { code, output } = await startTraining(training, project, inScriptMode(trainingRequest(project))).ended;
    expect(code, output).toBe(0);
    // What the toolkit made to install the code is no part of the model.
    expect(training.has('code/setup.py')).toBe(true);
    expect(training.has('model/code/setup.py')).toBe(false);
    expect(training.has('model/code/common/wire.py')).toBe(true);
  });

  it('fails with code that pip has to build with what it fetches', async () => {
    const training = container();
    const running = startTraining(
      training,
      { ...project, code: container().archive({ 'train.py': 'pass\n' }) },
      inScriptMode(trainingRequest(project)),
    );
    expect((await running.ended).code).toBe(1);
    expect(training.read('output/failure')).toMatch(/^InstallModuleError/);
  });
});

describe('an endpoint', () => {
  it('answers with predictions and the version, and a request that it refuses with 400 and why', async () => {
    await expectAnswers(container(), project, model);
  });

  it('with several models does so, too, by the other toolkit of the image', async () => {
    const serving = container();
    unpackModel(serving, model);
    const transformed = z.object({ status: z.number(), answer: z.string() });
    const environment = { SAGEMAKER_PROGRAM: 'inference.py', PYTHONPATH: '/opt/ml/model/code' };
    const transform = async (instances: readonly object[]) => {
      const script = join(import.meta.dirname, 'multi_model.py');
      const words = ['python3', script, JSON.stringify({ instances }), '/opt/ml/model'];
      const { code, output } = await serving.run(words, environment);
      expect(code, output).toBe(0);
      return transformed.parse(JSON.parse(output.split('\n').at(-1) ?? ''));
    };
    expect(await transform(GOOD)).toMatchObject({ status: 200, answer: expect.stringContaining('"predictions":[') });
    expect(await transform(BAD)).toMatchObject({ status: 400, answer: expect.stringContaining(REFUSED) });
  });
});

describe('an evaluation', () => {
  it('scores candidate and champion', async () => {
    const evaluation = container();
    const { code, output } = await evaluate(evaluation, project, model, model);
    expect(code, output).toBe(0);
    expect(JSON.parse(evaluation.read('processing/output/evaluation.json') ?? '')).toMatchObject({
      rows: expect.any(Number),
      champion: expect.any(Object),
    });
  });

  it('says why it failed where SageMaker reads it', async () => {
    const evaluation = container();
    const { code } = await evaluate(evaluation, project, container().archive({ 'encoder.json': '{}' }));
    expect(code).toBe(1);
    expect(evaluation.read('output/message')).toMatch(/\S/);
  });
});
