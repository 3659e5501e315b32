import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ImageContainer } from './support/container.ts';
import { ask, evaluate, serve, startTraining, type Trial, trial } from './support/jobs.ts';

const containers: ImageContainer[] = [];
const container = () => {
  const made = ImageContainer.xgboost();
  containers.push(made);
  return made;
};
afterAll(() => {
  for (const each of containers) each.remove();
});

const ROW = { delay: 12, wind: 3.5, carrier: 'UA' };

describe("AWS's XGBoost image, without network", () => {
  let project: Trial;
  let model: Buffer;

  beforeAll(async () => {
    project = await trial();
    const training = container();
    const { code, output } = await startTraining(training, project).ended;
    expect(code, `${output}\nfailure: ${training.read('output/failure')}`).toBe(0);
    model = training.modelArchive();
  });

  it('serves what it trained, and answers a bad request with 400 and our text', async () => {
    const server = await serve(container(), project, model);
    const good = await ask(server.url, [ROW, { ...ROW, delay: -10 }]);
    const bad = await ask(server.url, [ROW, { ...ROW, delay: 'late' }]);
    server.stop();
    await server.ended;
    expect(good.status, server.output()).toBe(200);
    expect(good.body).toMatchObject({ predictions: [expect.any(Number), expect.any(Number)], modelVersion: 'trial/2' });
    expect(bad).toEqual({
      status: 400,
      body: { error: "row 2, column 'delay': expected a finite number, got JSON string" },
    });
  });

  it('evaluates it', async () => {
    const evaluation = container();
    const { code, output } = await evaluate(evaluation, project, model, model);
    expect(code, output).toBe(0);
    expect(JSON.parse(evaluation.read('processing/output/evaluation.json') ?? '')).toMatchObject({
      rows: expect.any(Number),
    });
  });
});
