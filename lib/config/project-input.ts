/** What a user writes about a project. `parse-project.ts` holds the same as a schema, with the defaults. */
import type { metricNames, objectives, uploadFormats } from '../../lambdas/contract/settings.ts';
import type { Column } from './columns.ts';
import type { Duration } from './duration.ts';
import type { Algorithm, Trigger } from './training.ts';

type Objective = (typeof objectives)[number];
type Metric = (typeof metricNames)[Objective][number];

export interface ProjectInput<ColumnName extends string = string> {
  /** Lower-case words joined by dashes, at most 24 characters; also the name of the folder under `projects/`. */
  readonly name: string;

  readonly problem: {
    /** binary: one of two classes; multiclass: one of several; regression: a number. */
    readonly objective: Objective;
    /**
     * What is decided with a prediction, in a sentence; goes into the model card.
     * @default - empty
     */
    readonly decision?: string;
    /**
     * What the model must not be used for; goes into the model card.
     * @default - empty
     */
    readonly limits?: string;
  };

  readonly data: {
    /** The columns of an upload: `{ temp: feature.number({ min: -30, max: 120 }), late: label.boolean() }`. */
    readonly columns: Readonly<Record<ColumnName, Column>>;
    /** @default 'csv' (also gzipped) */
    readonly format?: (typeof uploadFormats)[number];
    /**
     * append: an upload adds to what is there; snapshot: an upload replaces it.
     * @default 'append'
     */
    readonly mode?: 'append' | 'snapshot';
    /**
     * object: each upload makes a version; marker: an object `_SUCCESS` closes a multi-file upload.
     * @default 'object'
     */
    readonly commit?: 'object' | 'marker';
    readonly quality?: {
      /**
       * Share of rows, 0 to 1, that may break a column rule before the upload is quarantined.
       * @default 0
       */
      readonly maximumBadRowShare?: number;
      /** @default 1 */
      readonly minimumRows?: number;
    };
  };

  readonly training?: {
    /** @default [onUpload(), onDrift(), onDemand()] */
    readonly triggers?: readonly Trigger[];
    /**
     * Train on the newest uploads of an append dataset only.
     * @default - on all
     */
    readonly window?: { readonly versions: number };
    /**
     * Share of rows that no training run sees and every evaluation uses.
     * @default 0.2
     */
    readonly holdOut?: number;
    /**
     * day: whole days are held out, so that a model is judged on days it has seen nothing of; needs a time column and some weeks
     * of data. row: rows are held out one by one; where rows of a day resemble each other, models look better than they are.
     * @default 'row'
     */
    readonly holdOutBy?: 'row' | 'day';
    /**
     * `xgboost({...})` or `tabular({...})`, with hyperparameters.
     * @default xgboost()
     */
    readonly algorithm?: Algorithm;
    /**
     * Instance types, tried in order when SageMaker has no capacity of one, or the account no quota.
     * @default ['ml.g5.xlarge', 'ml.g4dn.xlarge', 'ml.m5.xlarge']
     */
    readonly instances?: readonly string[];
    /**
     * The same for the instance that evaluates what was trained.
     * @default ['ml.m5.xlarge', 'ml.m6i.xlarge', 'ml.r5.xlarge']
     */
    readonly evaluationInstances?: readonly string[];
    /** @default 30 */
    readonly volumeGiB?: number;
    /**
     * Spot instances: cheaper, and continued from a checkpoint after an interruption.
     * @default true
     */
    readonly spot?: boolean;
    /** @default hours(1) */
    readonly maximumRuntime?: Duration;
    /**
     * Spot only: the time limit that includes waiting for an instance.
     * @default - maximumRuntime and one hour
     */
    readonly maximumWait?: Duration;
    /**
     * An upload does not start a training run this soon after the last one; drift and demand do.
     * @default - none
     */
    readonly cooldown?: Duration;
    /** @default 20 */
    readonly budgetHoursPerMonth?: number;
    /** @default 2013 */
    readonly seed?: number;
  };

  readonly gate?: {
    /**
     * The metric by which candidate and champion are compared.
     * @default 'auc' for binary, 'accuracy' for multiclass, 'rmse' for regression
     */
    readonly metric?: Metric;
    /**
     * What a candidate must reach whoever the champion is: a floor, or for an error metric a ceiling.
     * @default - none
     */
    readonly limits?: Readonly<Partial<Record<Metric, number>>>;
    /**
     * Lead over the champion on the same held-out rows, in the metric's unit; negative tolerates a loss.
     * @default 0
     */
    readonly beatChampionBy?: number;
    /**
     * Columns whose every value is evaluated apart.
     * @default - none
     */
    readonly slices?: readonly {
      readonly column: NoInfer<ColumnName>;
      /**
       * How far a slice may fall behind the champion, in the metric's unit.
       * @default 0.05
       */
      readonly maximumLoss?: number;
      /**
       * Slices with fewer held-out rows are reported, not judged.
       * @default 200
       */
      readonly minimumRows?: number;
    }[];
    /**
     * manual: a person approves each model (`flywheel approve`). An environment can ask for it in all projects.
     * @default 'automatic'
     */
    readonly approval?: 'automatic' | 'manual';
  };

  readonly serving?: {
    /** @default 'ml.m5.large' */
    readonly instance?: string;
    /** @default 2, the least with which a new model can be tried on a part of the capacity */
    readonly instanceCount?: number;
    readonly canary?: {
      /**
       * Share of capacity that gets a new model first, 5 to 50; needs two instances.
       * @default 10
       */
      readonly percent?: number;
      /**
       * How long alarms are watched before the rest follows, at most an hour.
       * @default minutes(5)
       */
      readonly bake?: Duration;
    };
    /**
     * Rows in one request.
     * @default 500
     */
    readonly maximumRows?: number;
  };

  readonly monitoring?: {
    /**
     * Share of requests captured, 0 to 100.
     * @default 100
     */
    readonly capturePercent?: number;
    /**
     * How much captured traffic a drift measurement looks at.
     * @default days(1)
     */
    readonly window?: Duration;
    /**
     * Fewer captured rows than this are not judged.
     * @default 500
     */
    readonly minimumRows?: number;
    /**
     * Population stability index from which a feature counts as drifted.
     * @default 0.2, the convention for a major shift
     */
    readonly psi?: number;
    /**
     * Drift is declared after this many measurements in a row find it.
     * @default 2
     */
    readonly consecutive?: number;
    /** @default 'retrain' */
    readonly onDrift?: 'retrain' | 'alarm';
  };
}

/** A project as it was written: checked, with all others, by `defineFlywheel`, so that every mistake is told at once. */
export interface ProjectDefinition {
  readonly input: ProjectInput;
  /** Its folder under `projects/`; absent when the project was not discovered there. */
  readonly folder?: string;
  /**
   * Its own `model/` folder reads the hyperparameters, so that their names are the project's business.
   * @default false
   */
  readonly ownHyperparameters?: boolean;
}

/** Describes one machine-learning use case: what it predicts, from which columns, and how its models are made, judged and served. */
export function defineProject<const ColumnName extends string>(project: ProjectInput<ColumnName>): ProjectDefinition {
  return { input: project };
}
