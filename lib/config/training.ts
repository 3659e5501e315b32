/** Triggers and algorithms for `training` in `defineProject`. */
import type * as z from 'zod';
import type { trigger } from '../../lambdas/contract/settings.ts';

export type Trigger = z.infer<typeof trigger>;

/** Train when a dataset version has enough rows that the newest training run did not see (default: one). */
export const onUpload = (options: { readonly minimumNewRows?: number } = {}): Trigger => ({
  on: 'upload',
  minimumNewRows: options.minimumNewRows ?? 1,
});

/** Train when captured traffic has drifted away from what the model in service was trained on. */
export const onDrift = (): Trigger => ({ on: 'drift' });

/** Train when a person asks: `flywheel train PROJECT`. */
export const onDemand = (): Trigger => ({ on: 'demand' });

/** XGBoost's own parameters, with its names; `train.py` sets objective, device and seed itself. */
export interface XgboostHyperparameters {
  /** Boosting rounds, at most: early stopping on a part of the training rows ends sooner. */
  readonly num_round?: number;
  readonly max_depth?: number;
  readonly eta?: number;
  readonly gamma?: number;
  readonly min_child_weight?: number;
  readonly subsample?: number;
  readonly colsample_bytree?: number;
  readonly reg_alpha?: number;
  readonly reg_lambda?: number;
  readonly scale_pos_weight?: number;
  readonly early_stopping_rounds?: number;
  readonly [name: string]: string | number | boolean | undefined;
}

export interface Algorithm {
  readonly name: 'xgboost';
  readonly image: string;
  readonly hyperparameters: Readonly<Record<string, string>>;
}

/**
 * Gradient-boosted trees in script mode on AWS's XGBoost image, on a GPU when the instance has one.
 * @param options.version tag of the image `sagemaker-xgboost` (default `3.2-0`)
 */
export function xgboost(options: XgboostHyperparameters & { readonly version?: string } = {}): Algorithm {
  const { version = '3.2-0', ...hyperparameters } = options;
  const entries = Object.entries(hyperparameters).filter(([, value]) => value !== undefined);
  return {
    name: 'xgboost',
    image: `sagemaker-xgboost:${version}`,
    hyperparameters: Object.fromEntries(entries.map(([name, value]) => [name, String(value)])),
  };
}
