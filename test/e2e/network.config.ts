/** The trial project, trained with a network that is small enough for a test. */
import { defineFlywheel, defineProject, tabular } from '../../lib/config/index.ts';
import { environments } from './loop.config.ts';
import { trialInput } from './trial.ts';

const algorithm = tabular({ epochs: 3, width: 32, members: 4 });

export default defineFlywheel({
  environments,
  projects: [defineProject({ ...trialInput, training: { ...trialInput.training, algorithm } })],
});
