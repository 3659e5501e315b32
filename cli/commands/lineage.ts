/** `flywheel lineage`: where something came from, or what came of it. */
import { S3Client } from '@aws-sdk/client-s3';
import { Option } from 'commander';
import { modelVersionName, nodeId, nodeTypes, predictionId } from '../../lambdas/contract/keys.ts';
import { captureStore } from '../../lambdas/stores/capture-store.ts';
import { type CommonOptions, environmentCommand, open, type Session } from '../command.ts';
import { CommandFailed, exitCodes } from '../failure.ts';
import { findCaptured, predictionNode, withPrediction } from '../lineage/prediction.ts';
import { renderDot, renderJson, renderTree } from '../lineage/render.ts';
import { type LineageGraph, walk } from '../lineage/walk.ts';
import { paint } from '../output.ts';

interface Options extends CommonOptions {
  readonly down: boolean;
  readonly format: 'tree' | 'json' | 'dot';
}

export const lineageCommand = environmentCommand('lineage', 'what something came from, or (--down) what came of it')
  .argument(
    '<id>',
    'prediction id, model version (flights/3), dataset version (flights@12), or node id (model/flights/3)',
  )
  .option('--down', 'effects instead of causes', false)
  .addOption(
    new Option('--format <format>', 'tree, json, or dot (Graphviz)').choices(['tree', 'json', 'dot']).default('tree'),
  )
  .action(async (id: string, options: Options) => {
    const root = resolveId(id);
    if (!root) {
      const types = Object.keys(nodeTypes).join(', ');
      throw new CommandFailed(
        `Got ${id}, expected a prediction id, a model version (flights/3), a dataset version (flights@12), ` +
          `or <type>/<project>/<name> with one of the types ${types}.`,
        exitCodes.usage,
      );
    }
    const session = await open({ ...options, json: options.json || options.format === 'json' });
    const graph = await lineageOf(session, id, options.down ? 'down' : 'up');
    if (graph.nodes.size === 0 && graph.edges.length === 0)
      throw new CommandFailed(`${root} is not in the lineage of environment ${options.env}.`, exitCodes.notFound);
    session.output.answer(renderJson(graph), () =>
      options.format === 'dot' ? renderDot(graph) : renderTree(graph, paint),
    );
  });

/** The graph of anything that `resolveId` knows. For a prediction the captured request is looked up, too. */
export async function lineageOf(
  { environment, outputs, store }: Pick<Session, 'environment' | 'outputs' | 'store'>,
  id: string,
  direction: 'up' | 'down',
): Promise<LineageGraph> {
  const prediction = predictionId.parse(id);
  const captured =
    prediction &&
    (await findCaptured(
      new S3Client({}),
      outputs.CaptureBucket,
      captureStore(outputs.CaptureBucket),
      environment.name,
      prediction,
    ));
  return walk(withPrediction(store, id, captured), resolveId(id) ?? id, direction);
}

/** From what people write to a node's id; undefined for anything else. */
export function resolveId(id: string): string | undefined {
  const prediction = predictionId.parse(id);
  if (prediction) return predictionNode(id, prediction);
  const model = modelVersionName.parse(id);
  if (model) return nodeId.build('model', model.project, model.model);
  const [, project, version] = /^([a-z0-9-]+)@(\d+)$/.exec(id) ?? [];
  if (project && version) return nodeId.build('dataset-version', project, Number(version));
  return nodeId.parse(id) ? id : undefined;
}
