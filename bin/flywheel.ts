/** `cdk synth`, `cdk deploy`: reads flywheel.config.ts and synthesizes every environment. */
import flywheel from '../flywheel.config.ts';
import { makeApp } from '../lib/app.ts';
import { bundleHandlers } from '../lib/bundle.ts';

const { app } = await makeApp(flywheel, await bundleHandlers());
app.synth();
