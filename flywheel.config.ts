/** The environments of this installation. Its projects are the folders under `projects/`. */
import { defineFlywheel, discoverProjects, seconds } from './lib/config/index.ts';

export default defineFlywheel({
  environments: {
    /** The laptop cloud (`flywheel local up`): account and region are those that it answers with. */
    local: {
      account: '000000000000',
      region: 'us-east-1',
      deployWith: 'command-line',
      logRetentionDays: 7,
      driftMinutes: 1,
      canaryBake: seconds(3),
    },
    dev: { logRetentionDays: 30 },
    staging: {},
    prod: { approval: 'manual', logRetentionDays: 365 },
  },
  projects: await discoverProjects(new URL('./projects/', import.meta.url)),
});
