/** The product's own stacks with the trial project: what the e2e tests deploy. */
import { makeApp } from '../../lib/app.ts';
import { bundleHandlers } from '../../lib/bundle.ts';
import { defineFlywheel } from '../../lib/config/index.ts';
import { trial } from './trial.ts';

const flywheel = defineFlywheel({
  environments: {
    local: { account: '000000000000', region: 'us-east-1', deployWith: 'command-line', driftMinutes: 60 },
  },
  projects: [trial],
});

const { app } = await makeApp(flywheel, await bundleHandlers());
app.synth();
