import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { renderDot, renderJson, renderTree } from '../../../cli/lineage/render.ts';
import { type LineageSource, walk } from '../../../cli/lineage/walk.ts';
import { type Relation, relations } from '../../../lambdas/contract/keys.ts';
import type { GraphEdge } from '../../../lambdas/stores/lineage-store.ts';

const id = (number: number) => `model/flights/${number}`;

/** A table of nodes and edges that counts how often it is read. */
function tableOf(size: number, edges: readonly GraphEdge[]) {
  const reads: string[] = [];
  const source: LineageSource = {
    getNode: async (node) => {
      reads.push(node);
      return { id: node, type: 'model', fields: { at: '2013-01-01T00:00:00Z', model: Number(node.split('/')[2]) } };
    },
    edgesFrom: async (node) => edges.filter((edge) => edge.from === node),
    edgesTo: async (node) => edges.filter((edge) => edge.to === node),
  };
  return { source, reads, size };
}

/** Effects have higher numbers than their causes, so there is no circle, as in any record of what happened. */
const history = fc.integer({ min: 2, max: 12 }).chain((size) =>
  fc
    .array(
      fc.tuple(fc.nat(size - 1), fc.nat(size - 1), fc.constantFrom(...relations)).filter(([from, to]) => from > to),
      { maxLength: 30 },
    )
    .map((links) => ({
      size,
      edges: links.map(([from, to, relation]): GraphEdge => ({ from: id(from), relation, to: id(to) })),
    })),
);

function reachable(root: string, edges: readonly GraphEdge[], direction: 'up' | 'down'): Set<string> {
  const reached = new Set([root]);
  for (let before = -1; before !== reached.size; ) {
    before = reached.size;
    for (const { from, to } of edges) {
      if (direction === 'up' && reached.has(from)) reached.add(to);
      if (direction === 'down' && reached.has(to)) reached.add(from);
    }
  }
  return reached;
}

test('a walk finds all that is reachable and nothing else, and reads each node once', async () => {
  await fc.assert(
    fc.asyncProperty(
      history,
      fc.constantFrom('up' as const, 'down' as const),
      fc.nat(11),
      async (given, direction, pick) => {
        const root = id(pick % given.size);
        const { source, reads } = tableOf(given.size, given.edges);
        const graph = await walk(source, root, direction);
        const expected = reachable(root, given.edges, direction);
        expect(new Set(graph.nodes.keys())).toEqual(expected);
        expect(reads.toSorted()).toEqual([...expected].toSorted());
        expect(graph.truncated).toBe(false);
      },
    ),
  );
});

test('up from an effect meets its cause exactly when down from the cause meets the effect', async () => {
  await fc.assert(
    fc.asyncProperty(history, async ({ size, edges }) => {
      const { source } = tableOf(size, edges);
      const [first, last] = [id(0), id(size - 1)];
      const up = await walk(source, last, 'up');
      const down = await walk(source, first, 'down');
      expect(up.nodes.has(first)).toBe(down.nodes.has(last));
    }),
  );
});

test('the tree tells of each node once in full and of each edge once', async () => {
  await fc.assert(
    fc.asyncProperty(history, async ({ size, edges }) => {
      const { source } = tableOf(size, edges);
      const graph = await walk(source, id(size - 1), 'up');
      const lines = renderTree(graph).split('\n');
      for (const node of graph.nodes.keys()) {
        expect(lines.filter((line) => line.endsWith(`model: ${node.split('/')[2]}`))).toHaveLength(1);
      }
      const branches = lines.filter((line) => /model\/flights\/\d+( \(above\))?$/.test(line));
      expect(branches).toHaveLength(graph.edges.length + 1);
    }),
  );
});

test('a limit ends the walk and says so', async () => {
  const edges = Array.from(
    { length: 20 },
    (_, number): GraphEdge => ({ from: id(number + 1), relation: 'used', to: id(0) }),
  );
  const { source, reads } = tableOf(21, edges);
  const graph = await walk(source, id(0), 'down', 5);
  expect(graph.truncated).toBe(true);
  expect(reads).toHaveLength(5);
  expect(renderTree(graph)).toContain('more than 5 nodes');
});

test('a node that is only mentioned is shown as not recorded', async () => {
  const edge: GraphEdge = { from: id(1), relation: 'used', to: id(0) };
  const { source } = tableOf(2, [edge]);
  const graph = await walk(
    { ...source, getNode: async (node) => (node === id(0) ? undefined : source.getNode(node)) },
    id(1),
    'up',
  );
  expect(renderTree(graph)).toMatch(/used model\/flights\/0\n +not recorded/);
  expect(renderJson(graph).nodes.map((node) => node.id)).toEqual([id(1)]);
});

test('Graphviz gets every edge, with names quoted', async () => {
  const relation: Relation = 'wasAssociatedWith';
  const agent = 'agent/flights/a"b';
  const { source } = tableOf(2, [{ from: id(1), relation, to: agent }]);
  const dot = renderDot(await walk(source, id(1), 'up'));
  expect(dot).toContain('"model/flights/1" -> "agent/flights/a\\"b" [label=wasAssociatedWith];');
  expect(dot).toContain('"agent/flights/a\\"b" [shape=house];');
});
