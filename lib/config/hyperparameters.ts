/**
 * The hyperparameters of each algorithm, so that a wrong one ends the synthesis and not a training job. The same names as in
 * `models/<algorithm>/options.py`; test/config/hyperparameters.test.ts compares the two.
 */
import type { ProjectSettings } from '../../lambdas/contract/settings.ts';
import { show } from './problems.ts';
import type { TabularHyperparameters } from './training.ts';

type Algorithm = ProjectSettings['training']['algorithm'];
/** A number that is `least` or more, and less than `below`, which may be infinite. */
interface Bounded {
  readonly kind: 'whole number' | 'number';
  readonly least: number;
  readonly below: number;
}
/** What Python makes of the text; a list holds the only values allowed. */
type Checked = Bounded | readonly string[];
/** `any`: XGBoost decides. */
type Kind = Checked | 'any';

const whole = (least: number): Bounded => ({ kind: 'whole number', least, below: Number.POSITIVE_INFINITY });
const number = (least: number, below = Number.POSITIVE_INFINITY): Bounded => ({ kind: 'number', least, below });

const tabular: Readonly<Record<keyof TabularHyperparameters, Kind>> = {
  epochs: whole(1),
  patience: whole(1),
  validation_share: number(0, 1),
  batch_size: whole(0),
  learning_rate: number(0),
  weight_decay: number(0),
  members: whole(1),
  width: whole(1),
  depth: whole(1),
  embedding: whole(1),
  bins: whole(2),
  dropout: number(0, 1),
  class_weights: ['none', 'balanced'],
};

const boosterParameters = `alpha base_score booster colsample_bylevel colsample_bynode colsample_bytree device eta
  eval_metric gamma grow_policy huber_slope interaction_constraints lambda learning_rate max_bin max_cat_threshold
  max_cat_to_onehot max_delta_step max_depth max_leaves min_child_weight min_split_loss monotone_constraints nthread
  num_parallel_tree objective quantile_alpha reg_alpha reg_lambda sampling_method scale_pos_weight subsample tree_method
  tweedie_variance_power verbosity`.split(/\s+/);

const xgboost: Readonly<Record<string, Kind>> = {
  num_round: whole(1),
  early_stopping_rounds: whole(1),
  validation_share: number(0, 1),
  checkpoint_seconds: number(0),
  external_memory: ['auto', 'true', 'false'],
  workers: whole(0),
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
    return kind === 'any' || suits(text, kind)
      ? []
      : [{ path, message: `got ${show(text)}, expected ${expectation(kind)}` }];
  });
}

function suits(text: string, kind: Checked): boolean {
  if (!('kind' in kind)) return kind.includes(text);
  const value = Number(text);
  const written = kind.kind === 'number' ? text.trim() !== '' : /^-?\d+$/.test(text);
  return written && value >= kind.least && value < kind.below;
}

function expectation(kind: Checked): string {
  if (!('kind' in kind)) return kind.map(show).join(' or ');
  const upper = Number.isFinite(kind.below) ? ` and less than ${kind.below}` : '';
  return `a ${kind.kind}, ${kind.least} or more${upper}`;
}
