/** The CDK app: a stage for each environment, checked by cdk-nag at synth. */
import { App, type AppProps, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { type BundledCode, writeBundles } from './bundle.ts';
import type { Environment, Flywheel } from './config/index.ts';
import { FlywheelStage } from './stage.ts';

export interface FlywheelApp {
  readonly app: App;
  readonly stages: readonly FlywheelStage[];
}

/** Context key: the one environment to synthesize, `-c environment=local`; all without it. */
const ONLY = 'environment';

export async function makeApp(flywheel: Flywheel, code: BundledCode, props: AppProps = {}): Promise<FlywheelApp> {
  const app = new App(props);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const stages: FlywheelStage[] = [];
  for (const environment of selected(app, flywheel.environments)) {
    const bundles = await writeBundles(code, environment);
    try {
      stages.push(new FlywheelStage(app, { environment, bundles }));
    } finally {
      // Assets are copied when their constructs are made.
      bundles.remove();
    }
  }
  return { app, stages };
}

/** @throws for an environment that flywheel.config.ts does not have */
function selected(app: App, environments: readonly Environment[]): readonly Environment[] {
  const only: unknown = app.node.tryGetContext(ONLY);
  if (only === undefined) return environments;
  const found = environments.filter((environment) => environment.name === only);
  if (found.length > 0) return found;
  const names = environments.map((environment) => environment.name).join(', ');
  throw new Error(`got -c ${ONLY}=${only}, expected one of: ${names}`);
}
