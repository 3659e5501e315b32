/** The network: trained on `pytorch:2.13-cu133-amzn2023-sagemaker`, evaluated and served on `sagemaker-xgboost:3.2-0`. */
import { beforeAll, describe, expect, it } from 'vitest';
import { inScriptMode } from '../../lambdas/domain/training-run.ts';
import { tabular } from '../../lib/config/index.ts';
import { containersOfFile, ImageContainer } from './support/container.ts';
import { evaluate, expectAnswers, startTraining, type Trial, trainingRequest, trial } from './support/jobs.ts';

const keep = containersOfFile();

let network: Trial;
let trained: ImageContainer;
beforeAll(async () => {
  network = await trial(tabular({ epochs: 2, members: 2, width: 16, depth: 1 }));
  trained = keep(ImageContainer.pytorch());
  const { code, output } = await startTraining(trained, network).ended;
  expect(code, output).toBe(0);
});

it("is evaluated on XGBoost's image, without PyTorch, against a champion of the same kind", async () => {
  const evaluation = keep(ImageContainer.xgboost());
  const { code, output } = await evaluate(evaluation, network, trained.modelArchive(), trained.modelArchive());
  expect(code, output).toBe(0);
  expect(JSON.parse(evaluation.read('processing/output/evaluation.json') ?? '')).toMatchObject({
    rows: expect.any(Number),
    champion: expect.any(Object),
  });
});

it("answers on XGBoost's image, and refuses with 400 and why", async () => {
  await expectAnswers(keep(ImageContainer.xgboost()), network, trained.modelArchive());
});

describe("PyTorch's toolkit", () => {
  it('trains the network, too, where SageMaker takes no entrypoint', async () => {
    const training = keep(ImageContainer.pytorch());
    const { code, output } = await startTraining(training, network, inScriptMode(trainingRequest(network))).ended;
    expect(code, output).toBe(0);
    expect(training.has('model/tabular-model')).toBe(true);
    expect(training.has('model/code/pyproject.toml')).toBe(true);
  });
});
