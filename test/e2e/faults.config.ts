/** An installation whose projects are there to meet one kind of fault each; an upload replaces the one before. */
import { defineFlywheel, defineProject, seconds } from '../../lib/config/index.ts';
import { trialInput } from './trial.ts';

/** With a bake as long as the test needs to get an alarm into it; without a rollback it waits for all of it. */
const project = (name: string, bake: number, approval: 'automatic' | 'manual' = 'automatic') =>
  defineProject({
    ...trialInput,
    name,
    data: { ...trialInput.data, mode: 'snapshot' },
    gate: { ...trialInput.gate, beatChampionBy: -0.2, approval },
    serving: { canary: { percent: 50, bake: seconds(bake) } },
  });

export default defineFlywheel({
  environments: {
    local: { account: '000000000000', region: 'us-east-1', deployWith: 'command-line', driftMinutes: 60 },
  },
  projects: [
    project('steady', 0),
    project('newcomer', 0),
    project('canary', 60),
    project('reviewed', 0, 'manual'),
    project('lossy', 0),
  ],
});
