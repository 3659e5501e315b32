/** One environment: four stacks, deployed together by `cdk deploy '<environment>/**'`. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  App,
  CliCredentialsStackSynthesizer,
  DefaultStackSynthesizer,
  type IStackSynthesizer,
  Stage,
  type StageSynthesisOptions,
  Tags,
} from 'aws-cdk-lib';
import type { CloudAssembly } from 'aws-cdk-lib/cx-api';
import type { Construct } from 'constructs';
import type { FunctionBundles } from './bundle.ts';
import type { Environment } from './config/index.ts';
import { ConfigurationError } from './config/problems.ts';
import type { EventFunction } from './constructs/event-function.ts';
import { quotaProblems } from './quotas/check.ts';
import { DeployedValues, deployedStacks } from './quotas/deployed-values.ts';
import { type Measurement, measure } from './quotas/measure.ts';
import { stackIds } from './stack-names.ts';
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
  readonly #environment: Environment;

  constructor(scope: Construct, { environment, bundles }: FlywheelStageProps) {
    const { name, account, region } = environment;
    super(scope, name, { env: { ...(account && { account }), ...(region && { region }) } });
    this.#environment = environment;
    // synth() below counts resources among other things, and says what to do.
    this.node.setContext('@aws-cdk/core:stackResourceLimit', 0);
    const stack = (content: string) => ({
      description: `Flywheel ${name}: ${content}`,
      synthesizer: synthesizerOf(environment),
    });
    const { platform } = new StateStack(this, stackIds.state, {
      ...stack('key, buckets, lineage table, event bus'),
      environment,
      bundles,
    });
    const pipeline = new PipelineStack(this, stackIds.pipeline, {
      ...stack('dataset versions, training, evaluation'),
      platform,
    });
    const serving = new ServingStack(this, stackIds.serving, {
      ...stack('deployments, HTTP API'),
      platform,
      roles: pipeline.roles,
    });
    const monitoring = new MonitoringStack(this, stackIds.monitoring, {
      ...stack('drift, reconciliation, dashboard'),
      platform,
      api: serving.api,
      functions: [...pipeline.functions, ...serving.functions],
    });
    this.functions = monitoring.functions;
    Tags.of(this).add('flywheel:environment', name);
    Tags.of(this).add('flywheel:part', 'platform');
  }

  /** @throws ConfigurationError when the templates exceed a quota of AWS */
  override synth(options?: StageSynthesisOptions): CloudAssembly {
    const assembly = super.synth(options);
    const { name, projects } = this.#environment;
    const problems = quotaProblems({
      environment: name,
      projects: projects.length,
      measured: measured(name, assembly),
      measuredWithoutProjects: () => this.#measuredWithoutProjects(),
    });
    if (problems.length > 0) throw new ConfigurationError(problems);
    return assembly;
  }

  #measuredWithoutProjects(): readonly Measurement[] {
    const outdir = mkdtempSync(join(tmpdir(), 'flywheel-without-projects-'));
    try {
      const app = new App({ outdir, context: this.node.root.node.getAllContext(), autoSynth: false });
      const environment = { ...this.#environment, projects: [] };
      // What the code is does not matter for what is counted.
      const bundles = { folderOf: () => import.meta.dirname, remove: () => undefined };
      return measured(environment.name, new FlywheelStage(app, { environment, bundles }).synth());
    } finally {
      rmSync(outdir, { recursive: true });
    }
  }
}

function measured(environment: string, assembly: CloudAssembly): readonly Measurement[] {
  const files = new Map(assembly.stacks.map((stack) => [stack.stackName, stack.templateFullPath]));
  const deployed = deployedStacks(assembly);
  return measure(
    environment,
    deployed,
    new DeployedValues(deployed),
    ({ name }) => statSync(files.get(name) ?? '').size,
  );
}

function synthesizerOf({ deployWith }: Environment): IStackSynthesizer {
  const synthesizer =
    deployWith === 'command-line' ? new CliCredentialsStackSynthesizer() : new DefaultStackSynthesizer();
  // The classes of aws-cdk-lib implement the interface, but not under exactOptionalPropertyTypes.
  return synthesizer as IStackSynthesizer;
}
