/** One environment: four stacks, deployed together by `cdk deploy '<environment>/**'`. */
import {
  CliCredentialsStackSynthesizer,
  DefaultStackSynthesizer,
  type IStackSynthesizer,
  Stage,
  Tags,
} from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { FunctionBundles } from './bundle.ts';
import type { Environment } from './config/index.ts';
import type { EventFunction } from './constructs/event-function.ts';
import { MonitoringStack } from './stacks/monitoring-stack.ts';
import { PipelineStack } from './stacks/pipeline-stack.ts';
import { ServingStack } from './stacks/serving-stack.ts';
import { StateStack } from './stacks/state-stack.ts';

export interface FlywheelStageProps {
  readonly environment: Environment;
  readonly bundles: FunctionBundles;
}

export class FlywheelStage extends Stage {
  readonly functions: readonly EventFunction[];

  constructor(scope: Construct, { environment, bundles }: FlywheelStageProps) {
    const { name, account, region } = environment;
    super(scope, name, { env: { ...(account && { account }), ...(region && { region }) } });
    const stack = (content: string) => ({
      description: `Flywheel ${name}: ${content}`,
      synthesizer: synthesizerOf(environment),
    });
    const { platform } = new StateStack(this, 'State', {
      ...stack('key, buckets, lineage table, event bus'),
      environment,
      bundles,
    });
    const pipeline = new PipelineStack(this, 'Pipeline', {
      ...stack('dataset versions, training, evaluation'),
      platform,
    });
    const serving = new ServingStack(this, 'Serving', {
      ...stack('deployments, HTTP API'),
      platform,
      roles: pipeline.roles,
    });
    const monitoring = new MonitoringStack(this, 'Monitoring', {
      ...stack('drift, reconciliation, dashboard'),
      platform,
      api: serving.api,
      functions: [...pipeline.functions, ...serving.functions],
    });
    this.functions = monitoring.functions;
    Tags.of(this).add('flywheel:environment', name);
    Tags.of(this).add('flywheel:part', 'platform');
  }
}

function synthesizerOf({ deployWith }: Environment): IStackSynthesizer {
  const synthesizer =
    deployWith === 'command-line' ? new CliCredentialsStackSynthesizer() : new DefaultStackSynthesizer();
  // The classes of aws-cdk-lib implement the interface, but not under exactOptionalPropertyTypes.
  return synthesizer as IStackSynthesizer;
}
