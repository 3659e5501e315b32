import { expect, test } from 'vitest';
import { resolveId } from '../../../cli/commands/lineage.ts';
import { withPrediction } from '../../../cli/lineage/prediction.ts';
import { type LineageSource, walk } from '../../../cli/lineage/walk.ts';
import { predictionId } from '../../../lambdas/contract/keys.ts';

const id = predictionId.build({
  project: 'flights',
  model: 3,
  minute: '20130701T0915',
  inferenceId: '0a1b2c3d-0000-4000-8000-000000000000',
  row: 2,
});
const empty: LineageSource = { getNode: async () => undefined, edgesFrom: async () => [], edgesTo: async () => [] };

test.each([
  [id, `prediction/flights/${id}`],
  ['flights/3', 'model/flights/3'],
  ['flights@12', 'dataset-version/flights/12'],
  ['training-run/flights/0123456789ab', 'training-run/flights/0123456789ab'],
  ['flights', undefined],
  ['unknown/flights/3', undefined],
])('%s means the node %s', (text, node) => {
  expect(resolveId(text)).toBe(node);
});

test('a prediction came from the deployment of its model, with no record of its own', async () => {
  const graph = await walk(withPrediction(empty, id, undefined), `prediction/flights/${id}`, 'up');
  expect(graph.edges.map(({ relation, to }) => [relation, to])).toEqual([
    ['wasGeneratedBy', 'deployment/flights/3'],
    ['wasDerivedFrom', 'model/flights/3'],
  ]);
  expect([...graph.nodes.values()][0]?.fields).toMatchObject({ predictionId: id, row: 2 });
});

test('a captured request is part of the prediction', async () => {
  const captured = { key: 'capture/flights/x.jsonl', line: 7, row: { temp: 70 }, prediction: 0.25 };
  const graph = await walk(withPrediction(empty, id, captured), `prediction/flights/${id}`, 'up');
  expect([...graph.nodes.values()][0]?.fields).toMatchObject({
    captured: 'capture/flights/x.jsonl line 7',
    prediction: 0.25,
    input: { temp: 70 },
  });
});
