/** Triggers and algorithms for `training` in `defineProject`. */
import type * as z from 'zod';
import type { algorithmSettings, trigger } from '../../lambdas/contract/settings.ts';

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

/** TabM's sizes and the settings of its training; defaults and reasons are in `models/tabular/options.py`. */
export interface TabularHyperparameters {
  /** Passes over the training rows, at most: early stopping on a part of them ends sooner. */
  readonly epochs?: number;
  /** Epochs without a better validation loss before training stops. */
  readonly patience?: number;
  /**
   * Share of the training rows that early stopping watches.
   * @default - a tenth; a fifth of fewer than 5,000 rows
   */
  readonly validation_share?: number;
  /** 0: about a hundredth of the training rows, between 128 and 8192. */
  readonly batch_size?: number;
  readonly learning_rate?: number;
  readonly weight_decay?: number;
  /** Networks that share most of their weights and whose predictions are averaged. */
  readonly members?: number;
  /** Neurons of a layer. */
  readonly width?: number;
  /** Layers. */
  readonly depth?: number;
  /** Numbers that a category or a quantity becomes. */
  readonly embedding?: number;
  /** Pieces that the range of a quantity is cut into. */
  readonly bins?: number;
  /** Share of the neurons left out in each step. */
  readonly dropout?: number;
  /** balanced: every class weighs the same. */
  readonly class_weights?: 'none' | 'balanced';
}

export interface Algorithm {
  readonly name: z.infer<typeof algorithmSettings>['name'];
  /** Repository and tag of the image that trains. */
  readonly image: string;
  /**
   * Repository and tag of the image that evaluates and serves.
   * @default - image
   */
  readonly servingImage?: string;
  readonly hyperparameters: Readonly<Record<string, string>>;
}

const XGBOOST_VERSION = '3.2-0';

/**
 * Gradient-boosted trees on AWS's XGBoost image, on a GPU when the instance has one.
 * @param options.version tag of the image `sagemaker-xgboost` (default `3.2-0`)
 */
export function xgboost(options: XgboostHyperparameters & { readonly version?: string } = {}): Algorithm {
  const { version = XGBOOST_VERSION, ...hyperparameters } = options;
  return {
    name: 'xgboost',
    image: `sagemaker-xgboost:${version}`,
    hyperparameters: asStrings(hyperparameters),
  };
}

/**
 * A deep network for tables (TabM), trained on AWS's PyTorch image, on a GPU when the instance has one, and evaluated and served
 * by numpy on a CPU, on the XGBoost image: docs/decisions/0007-network-served-by-numpy.md.
 * @param options.version tag of the training image `pytorch` (default `2.13-cu133-amzn2023-sagemaker`, which runs on CPUs too)
 */
export function tabular(options: TabularHyperparameters & { readonly version?: string } = {}): Algorithm {
  const { version = '2.13-cu133-amzn2023-sagemaker', ...hyperparameters } = options;
  return {
    name: 'tabular',
    image: `pytorch:${version}`,
    servingImage: `sagemaker-xgboost:${XGBOOST_VERSION}`,
    hyperparameters: asStrings(hyperparameters),
  };
}

/** SageMaker carries strings. */
function asStrings(hyperparameters: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const entries = Object.entries(hyperparameters).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
}
