/** `cdk synth`, `cdk deploy`: reads flywheel.config.ts (or FLYWHEEL_CONFIG) and synthesizes every environment. */
import { makeApp } from '../lib/app.ts';
import { bundleHandlers } from '../lib/bundle.ts';
import { loadFlywheel } from '../lib/config/load.ts';

const { app } = await makeApp(await loadFlywheel(), await bundleHandlers());
app.synth();
