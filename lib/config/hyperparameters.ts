/**
 * The hyperparameters of each algorithm, so that a wrong one ends the synthesis and not a training job. The same names as in
 * `models/<algorithm>/options.py`; test/config/hyperparameters.test.ts compares the two.
 */
import type { ProjectSettings } from '../../lambdas/contract/settings.ts';
import { show } from './problems.ts';
import type { TabularHyperparameters } from './training.ts';

type Algorithm = ProjectSettings['training']['algorithm'];
/** What Python makes of the text; a list holds the only values allowed. `any`: XGBoost decides. */
type Kind = 'whole number' | 'number' | 'any' | readonly string[];

const tabular: Readonly<Record<keyof TabularHyperparameters, Kind>> = {
  epochs: 'whole number',
  patience: 'whole number',
  validation_share: 'number',
  batch_size: 'whole number',
  learning_rate: 'number',
  weight_decay: 'number',
  members: 'whole number',
  width: 'whole number',
  depth: 'whole number',
  embedding: 'whole number',
  bins: 'whole number',
  dropout: 'number',
  class_weights: ['none', 'balanced'],
};

const boosterParameters = `alpha base_score booster colsample_bylevel colsample_bynode colsample_bytree device eta
  eval_metric gamma grow_policy huber_slope interaction_constraints lambda learning_rate max_bin max_cat_threshold
  max_cat_to_onehot max_delta_step max_depth max_leaves min_child_weight min_split_loss monotone_constraints nthread
  num_parallel_tree objective quantile_alpha reg_alpha reg_lambda sampling_method scale_pos_weight subsample tree_method
  tweedie_variance_power verbosity`.split(/\s+/);

const xgboost: Readonly<Record<string, Kind>> = {
  rounds: 'whole number',
  num_round: 'whole number',
  early_stopping_rounds: 'whole number',
  validation_share: 'number',
  checkpoint_seconds: 'number',
  external_memory: ['auto', 'true', 'false'],
  workers: 'whole number',
  ...Object.fromEntries(boosterParameters.map((name): [string, Kind] => [name, 'any'])),
};

export const hyperparameters: Readonly<Record<Algorithm['name'], Readonly<Record<string, Kind>>>> = {
  xgboost,
  tabular,
};

/** What is wrong with the hyperparameters of an algorithm whose scripts are those of `models/`. */
export function checkHyperparameters({ name: algorithm, hyperparameters: given }: Algorithm) {
  const known = new Map(Object.entries(hyperparameters[algorithm]));
  return Object.entries(given).flatMap(([name, text]) => {
    const path = `training.algorithm.hyperparameters.${name}`;
    const kind = known.get(name);
    if (name === 'seed') return [{ path, message: `got ${show(text)}, expected none: the seed is training.seed` }];
    if (kind === undefined)
      return [
        {
          path,
          message: `got a hyperparameter that ${algorithm}() does not have, expected one of: ${[...known.keys()].sort().join(', ')}`,
        },
      ];
    if (suits(text, kind)) return [];
    const expectation = typeof kind === 'string' ? `a ${kind}` : kind.map(show).join(' or ');
    return [{ path, message: `got ${show(text)}, expected ${expectation}` }];
  });
}

function suits(text: string, kind: Kind): boolean {
  switch (kind) {
    case 'any':
      return true;
    case 'whole number':
      return /^-?\d+$/.test(text);
    case 'number':
      return text.trim() !== '' && Number.isFinite(Number(text));
    default:
      return kind.includes(text);
  }
}
