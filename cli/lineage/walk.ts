/**
 * Walks the PROV graph from one node, towards its causes or its effects. Two reads a node of the answer (the node, its
 * edges), all nodes of one distance at once, so cost grows with the answer and not with the table.
 */
import type { GraphEdge, GraphNode } from '../../lambdas/stores/lineage-store.ts';

export interface LineageSource {
  getNode(id: string): Promise<GraphNode | undefined>;
  /** What a node came from. */
  edgesFrom(id: string): Promise<GraphEdge[]>;
  /** What came of a node. */
  edgesTo(id: string): Promise<GraphEdge[]>;
}

/** up: what it came from; down: what came of it. */
export type Direction = 'up' | 'down';

export interface LineageGraph {
  readonly root: string;
  readonly direction: Direction;
  /** In order of distance from the root. A node that is mentioned and not recorded is absent. */
  readonly nodes: ReadonlyMap<string, GraphNode>;
  readonly edges: readonly GraphEdge[];
  /** The limit was reached: there is more than this. */
  readonly truncated: boolean;
}

/**
 * @param limit nodes at most; an agent's effects, for one, are everything that the agent ever did
 */
export async function walk(
  source: LineageSource,
  root: string,
  direction: Direction,
  limit = 1000,
): Promise<LineageGraph> {
  const nodes = new Map<string, GraphNode>();
  const edges = new Map<string, GraphEdge>();
  const reached = new Set([root]);
  let frontier = [root];
  let truncated = false;
  while (frontier.length > 0) {
    const read = await Promise.all(
      frontier.map(async (id) => ({
        node: await source.getNode(id),
        edges: await (direction === 'up' ? source.edgesFrom(id) : source.edgesTo(id)),
      })),
    );
    const next: string[] = [];
    for (const { node, edges: found } of read) {
      if (node) nodes.set(node.id, node);
      for (const edge of found) {
        const other = direction === 'up' ? edge.to : edge.from;
        if (!reached.has(other)) {
          if (reached.size >= limit) {
            truncated = true;
            continue;
          }
          reached.add(other);
          next.push(other);
        }
        edges.set(`${edge.from} ${edge.relation} ${edge.to}`, edge);
      }
    }
    frontier = next;
  }
  return { root, direction, nodes, edges: [...edges.values()], truncated };
}
