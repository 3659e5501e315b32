/** An installation whose data may go. */
import { defineFlywheel, defineProject } from '../../lib/config/index.ts';
import { environments } from './loop.config.ts';
import { trial, trialInput } from './trial.ts';

/** The one that is in training when the environment goes. */
const slow = defineProject({ ...trialInput, name: 'slow' });

export default defineFlywheel({
  environments: { local: { ...environments.local, removal: 'destroy' } },
  projects: [trial, slow],
});
