/**
 * What a Lambda function knows about its environment and its projects. `lib/config` makes it from `flywheel.config.ts`
 * with every default filled in; it travels inside each bundle as `settings.json`, and inside each project's code
 * archive as `project.json`, where the Python of `models/` reads the same names. Durations are seconds.
 */
import * as z from 'zod/mini';

/** Lower-case words joined by dashes: the name goes into S3 keys, SageMaker names (at most 63 characters) and URLs. */
export const projectName = z.string().check(z.regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/), z.maxLength(24));

export const objectives = ['binary', 'multiclass', 'regression'] as const;
export const columnRoles = ['feature', 'label', 'id', 'time', 'ignore'] as const;
export const columnTypes = ['number', 'integer', 'category', 'boolean', 'timestamp', 'text'] as const;

export const columnSettings = z.object({
  /** feature: model input; label: what is predicted; id: names a row (together with the other ids); time: when it happened; ignore: stored, never used. */
  role: z.enum(columnRoles),
  type: z.enum(columnTypes),
  /** A missing value (empty CSV field, JSON null or absent, Parquet null) is allowed. */
  nullable: z.boolean(),
  /** Inclusive limits of a number or integer. */
  min: z.optional(z.number()),
  max: z.optional(z.number()),
  /** The allowed values of a category; any value is allowed when absent. */
  values: z.optional(z.array(z.string())),
  /** Personal data: stored in the dataset, never a feature, left out of capture, logs, events and reports. */
  pii: z.boolean(),
});

export const uploadFormats = ['csv', 'jsonl', 'parquet'] as const;

export const qualitySettings = z.object({
  /** Rows that break a column rule, as a share of all rows, that are still accepted; 0 quarantines a file with one bad row. */
  maximumBadRowShare: z.number().check(z.minimum(0), z.maximum(1)),
  /** A file with fewer rows is quarantined. */
  minimumRows: z.int().check(z.minimum(1)),
});

export const dataSettings = z.object({
  /** csv covers CSV and gzipped CSV; jsonl likewise. The bytes decide about gzip, not the file's name. */
  format: z.enum(uploadFormats),
  /** append: a version is all live objects, or the newest `window` of them; snapshot: an upload replaces all. */
  mode: z.enum(['append', 'snapshot']),
  /** object: each upload is a version; marker: a `_SUCCESS` object closes a multi-file upload under its prefix. */
  commit: z.enum(['object', 'marker']),
  columns: z.record(z.string(), columnSettings),
  quality: qualitySettings,
});

export const trigger = z.discriminatedUnion('on', [
  /** Train when a dataset version has at least `minimumNewRows` rows that the newest training run did not see. */
  z.object({ on: z.literal('upload'), minimumNewRows: z.int().check(z.minimum(0)) }),
  z.object({ on: z.literal('drift') }),
  z.object({ on: z.literal('demand') }),
]);

export const algorithmSettings = z.object({
  /** Its folder under `models/`. */
  name: z.enum(['xgboost', 'tabular']),
  /** Repository and tag of the image that trains: `sagemaker-xgboost:3.2-0`. */
  image: z.string(),
  /** Repository and tag of the image that evaluates and serves; absent: `image` does that too. */
  servingImage: z.optional(z.string()),
  /** Passed to train.py; SageMaker carries strings. */
  hyperparameters: z.record(z.string(), z.string()),
});

export const trainingSettings = z.object({
  triggers: z.array(trigger),
  /** Only the newest `versions` uploads of an append dataset are trained on; absent: all. */
  window: z.optional(z.object({ versions: z.int().check(z.minimum(1)) })),
  /** Share of rows, chosen by a hash of the row, that no training run sees and every evaluation uses. */
  holdOut: z.number().check(z.gt(0), z.lt(0.9)),
  /** row: the hash of each row; day: the hash of its day, so that no held-out row has a day in common with a training row. */
  holdOutBy: z.enum(['row', 'day']),
  algorithm: algorithmSettings,
  /** Tried in order when SageMaker has none of a type, or the account no quota for it. */
  instances: z.array(z.string()).check(z.minLength(1)),
  /** Tried in the same way for the instance that evaluates what was trained. */
  evaluationInstances: z.array(z.string()).check(z.minLength(1)),
  volumeGiB: z.int().check(z.minimum(1)),
  spot: z.boolean(),
  maximumRuntimeSeconds: z.int().check(z.minimum(60)),
  /** Spot: the time limit that includes waiting for an instance. */
  maximumWaitSeconds: z.int().check(z.minimum(60)),
  /** An upload does not start a training run this soon after the last one started; drift and demand do. */
  cooldownSeconds: z.int().check(z.minimum(0)),
  /** A training run is not requested when the month's hours (instance time) have reached this; demand with force does. */
  budgetHoursPerMonth: z.number().check(z.gt(0)),
  seed: z.int(),
});

export const metricNames = {
  binary: ['auc', 'averagePrecision', 'logLoss', 'brier', 'accuracy', 'precision', 'recall', 'f1'],
  multiclass: ['accuracy', 'logLoss', 'macroF1', 'macroAuc'],
  regression: ['rmse', 'mae', 'r2', 'medianAbsoluteError'],
} as const;
/** Metrics where smaller is better; all others are better when larger. */
export const minimizedMetrics: ReadonlySet<string> = new Set([
  'logLoss',
  'brier',
  'rmse',
  'mae',
  'medianAbsoluteError',
]);

export const gateSettings = z.object({
  /** The metric by which candidate and champion are compared. */
  metric: z.string(),
  /** For a metric that is maximized a floor, for a minimized one a ceiling. */
  limits: z.record(z.string(), z.number()),
  /** The candidate's lead over the champion on the same rows must be at least this (in the metric's unit, sign taken care of). */
  beatChampionBy: z.number(),
  /** Columns whose every value is evaluated apart; a slice may fall behind the champion by at most `maximumLoss`. */
  slices: z.array(
    z.object({
      column: z.string(),
      maximumLoss: z.number().check(z.minimum(0)),
      minimumRows: z.int().check(z.minimum(1)),
    }),
  ),
  approval: z.enum(['automatic', 'manual']),
});

export const servingSettings = z.object({
  instance: z.string(),
  instanceCount: z.int().check(z.minimum(1)),
  /** Share of capacity that gets the new model first, and how long alarms are watched before the rest follows. */
  canary: z.object({
    percent: z.int().check(z.minimum(5), z.maximum(50)),
    bakeSeconds: z.int().check(z.minimum(0), z.maximum(3600)),
  }),
  /** Rows in one request. */
  maximumRows: z.int().check(z.minimum(1)),
});

export const monitoringSettings = z.object({
  /** Share of requests captured, 0 to 100. */
  capturePercent: z.int().check(z.minimum(0), z.maximum(100)),
  /** How much captured traffic a drift measurement looks at. */
  windowSeconds: z.int().check(z.minimum(60)),
  /** Fewer captured rows than this are not judged. */
  minimumRows: z.int().check(z.minimum(1)),
  /** Population stability index from which a feature counts as drifted (0.2 is the convention for a major shift). */
  psi: z.number().check(z.gt(0)),
  /** Drift is declared after this many measurements in a row find it (hysteresis). */
  consecutive: z.int().check(z.minimum(1)),
  onDrift: z.enum(['retrain', 'alarm']),
});

export const projectSettings = z.object({
  name: projectName,
  problem: z.object({
    objective: z.enum(objectives),
    /** What is decided with a prediction, in a sentence; goes into the model card. */
    decision: z.string(),
    limits: z.string(),
  }),
  data: dataSettings,
  training: trainingSettings,
  gate: gateSettings,
  serving: servingSettings,
  monitoring: monitoringSettings,
  /** SHA-256 of the project's `sourcedir.tar.gz`, which travels in the bundle of start-training as `code/<project>.tar.gz`. */
  code: z.object({ sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)) }),
});

export const environmentSettings = z.object({
  name: z.string().check(z.regex(/^[a-z][a-z0-9]{0,11}$/)),
  projects: z.array(projectSettings),
});

export type ColumnSettings = z.infer<typeof columnSettings>;
export type ProjectSettings = z.infer<typeof projectSettings>;
export type EnvironmentSettings = z.infer<typeof environmentSettings>;
export type DataSettings = z.infer<typeof dataSettings>;
export type GateSettings = z.infer<typeof gateSettings>;
export type TrainingSettings = z.infer<typeof trainingSettings>;
export type MonitoringSettings = z.infer<typeof monitoringSettings>;
