/** An installation whose data may go. */
import { defineFlywheel } from '../../lib/config/index.ts';
import { environments } from './loop.config.ts';
import { trial } from './trial.ts';

export default defineFlywheel({
  environments: { local: { ...environments.local, removal: 'destroy' } },
  projects: [trial],
});
