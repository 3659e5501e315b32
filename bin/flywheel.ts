/** `cdk synth`, `cdk deploy`: reads flywheel.config.ts (or FLYWHEEL_CONFIG) and synthesizes every environment. */
import { makeApp } from '../lib/app.ts';
import { bundleHandlers } from '../lib/bundle.ts';
import { loadFlywheel } from '../lib/config/load.ts';

try {
  // Not a second time when the process ends, as the CDK would after a mistake.
  const { app } = await makeApp(await loadFlywheel(), await bundleHandlers(), { autoSynth: false });
  app.synth();
} catch (error) {
  // By name: a configuration outside of this repository has a class of its own. Where it was thrown helps nobody.
  if (!(error instanceof Error && error.name === 'ConfigurationError')) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
