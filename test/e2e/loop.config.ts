/** An installation with the trial project alone. */
import { defineFlywheel } from '../../lib/config/index.ts';
import { trial } from './trial.ts';

export const environments = {
  local: { account: '000000000000', region: 'us-east-1', deployWith: 'command-line', driftMinutes: 60 },
} as const;

export default defineFlywheel({ environments, projects: [trial] });
