/** An installation whose project trains only when a person asks: what an upload costs by itself. */
import { defineFlywheel, defineProject, onDemand } from '../../lib/config/index.ts';
import { environments } from './loop.config.ts';
import { trialInput } from './trial.ts';

const backfilled = defineProject({
  ...trialInput,
  name: 'backfilled',
  training: { ...trialInput.training, triggers: [onDemand()] },
  monitoring: { ...trialInput.monitoring, onDrift: 'alarm' },
});

export default defineFlywheel({ environments, projects: [backfilled] });
