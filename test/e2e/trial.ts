/** Projects whose data a test can make: who of two carriers' flights is late, by its delay and the wind. */
import { defineProject, feature, id, label, seconds, xgboost } from '../../lib/config/index.ts';

export const PROJECT = 'trial';
/** Each upload replaces the data. */
export const SNAPSHOT = 'snapshot';
/** A person lets each model into service. */
export const REVIEWED = 'reviewed';
/** Like the first; for a fault that needs a project without a past. */
export const FORGOTTEN = 'forgotten';

interface Differences {
  readonly mode?: 'append' | 'snapshot';
  readonly approval?: 'automatic' | 'manual';
  readonly bakeSeconds: number;
}

function trialProject(name: string, { mode = 'append', approval = 'automatic', bakeSeconds }: Differences) {
  return defineProject({
    name,
    problem: { objective: 'binary', decision: 'nothing: this project is a test' },
    data: {
      mode,
      columns: {
        row_id: id.text(),
        delay: feature.number({ min: -100, max: 1000 }),
        wind: feature.number({ nullable: true }),
        carrier: feature.category(),
        late: label.boolean(),
      },
    },
    training: {
      algorithm: xgboost({ num_round: 20, max_depth: 3, eta: 0.3 }),
      instances: ['ml.g5.xlarge', 'ml.m5.xlarge'],
    },
    gate: { limits: { auc: 0.7 }, beatChampionBy: -0.02, approval },
    serving: { canary: { percent: 50, bake: seconds(bakeSeconds) } },
    monitoring: { psi: 0.2, minimumRows: 200 },
  });
}

export const trialProjects = [
  trialProject(PROJECT, { bakeSeconds: 20 }),
  trialProject(SNAPSHOT, { mode: 'snapshot', bakeSeconds: 3 }),
  trialProject(REVIEWED, { approval: 'manual', bakeSeconds: 3 }),
  trialProject(FORGOTTEN, { bakeSeconds: 3 }),
];

export { trialCsv, trialRows } from '../support/trial-data.ts';
