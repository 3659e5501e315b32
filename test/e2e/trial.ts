/** A project whose data a test can make: who of two carriers' flights is late, by its delay and the wind. */
import { defineProject, feature, id, label, type ProjectInput, seconds, xgboost } from '../../lib/config/index.ts';

export const PROJECT = 'trial';

export const trialInput = {
  name: PROJECT,
  problem: { objective: 'binary', decision: 'nothing: this project is a test' },
  data: {
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
  gate: { limits: { auc: 0.7 }, beatChampionBy: -0.02 },
  serving: { canary: { percent: 50, bake: seconds(20) } },
  monitoring: { psi: 0.2, minimumRows: 200 },
} satisfies ProjectInput;

export const trial = defineProject(trialInput);

export { trialCsv, trialRows } from '../support/trial-data.ts';
