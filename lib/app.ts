/** The CDK app: a stage for each environment, checked by cdk-nag at synth. */
import { App, type AppProps, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { type BundledCode, writeBundles } from './bundle.ts';
import type { Flywheel } from './config/index.ts';
import { FlywheelStage } from './stage.ts';

export interface FlywheelApp {
  readonly app: App;
  readonly stages: readonly FlywheelStage[];
}

export async function makeApp(flywheel: Flywheel, code: BundledCode, props: AppProps = {}): Promise<FlywheelApp> {
  const app = new App(props);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const stages: FlywheelStage[] = [];
  for (const environment of flywheel.environments)
    stages.push(new FlywheelStage(app, { environment, bundles: await writeBundles(code, environment) }));
  return { app, stages };
}
