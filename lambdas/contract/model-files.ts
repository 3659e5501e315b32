/**
 * The JSON files that pass between the Python of `models/` and the Lambdas: written by `evaluate.py`, read by
 * finish-evaluation, profile-capture and measure-drift.
 */
import * as z from 'zod/mini';
import { recordLimits } from './limits.ts';

/** A point estimate with its 95 % interval (bootstrap over rows). */
const estimate = z.object({ value: z.number(), low: z.number(), high: z.number() });
const metricName = z.string().check(z.maxLength(recordLimits.metricNameCharacters));
const few = z.refine<object>((of) => Object.keys(of).length <= recordLimits.metrics, {
  error: `expected at most ${recordLimits.metrics} metrics`,
});
const metrics = z.record(metricName, estimate).check(few);
const values = z.record(metricName, z.number()).check(few);

const scored = z.object({
  metrics,
  /** Reliability: mean predicted against mean observed, by decile of the prediction (binary only, else empty). */
  calibration: z.array(z.object({ predicted: z.number(), observed: z.number(), rows: z.int() })),
});

/** `evaluation.json`: candidate and champion on the same held-out rows. */
export const evaluationFile = z.object({
  schemaVersion: z.literal(1),
  objective: z.enum(['binary', 'multiclass', 'regression']),
  /** Held-out rows that were scored, and rows of the version that training may see. */
  rows: z.int(),
  trainingRows: z.int(),
  candidate: scored,
  champion: z.nullable(scored),
  /** Candidate minus champion, paired on the same rows (null without a champion). */
  difference: z.nullable(metrics),
  slices: z.array(
    z.object({
      column: z.string(),
      value: z.string(),
      rows: z.int(),
      candidate: values,
      champion: z.nullable(values),
    }),
  ),
  /** Mean absolute SHAP value of each feature, largest first. */
  featureImportance: z.array(z.object({ feature: z.string(), meanAbsoluteShap: z.number() })),
});

/**
 * Binned counts of one feature. Numeric: k ascending edges make k + 1 bins, (-inf, e1], (e1, e2], ..., (ek, inf).
 * Categorical: one bin a value, and `other` for values that the baseline did not list.
 */
export const numericBins = z.object({
  name: z.string(),
  kind: z.literal('numeric'),
  edges: z.array(z.number()),
  counts: z.array(z.int()),
  missing: z.int(),
});
export const categoricalBins = z.object({
  name: z.string(),
  kind: z.literal('categorical'),
  values: z.array(z.string()),
  counts: z.array(z.int()),
  other: z.int(),
  missing: z.int(),
});
export const featureBins = z.discriminatedUnion('kind', [numericBins, categoricalBins]);

/** `baseline.json`: what the training rows looked like, and what the candidate predicts on held-out rows. Fixed for the life of a model. */
export const baselineFile = z.object({
  schemaVersion: z.literal(1),
  rows: z.int(),
  features: z.array(featureBins),
  /** Binary: probability of the positive class; regression: the value; multiclass: the predicted label (categorical). */
  prediction: featureBins,
});

/** The name that `evaluate.py` gives the bins of the prediction. */
export const PREDICTION = 'prediction';

/** What an endpoint answers to `{"instances": [{column: value}]}` or `{"inputs": {column: [value]}}` (application/json). */
export const invocationResponse = z.object({
  /** Binary: probability; regression: number; multiclass: {label, probabilities}. */
  predictions: z.array(
    z.union([z.number(), z.object({ label: z.string(), probabilities: z.record(z.string(), z.number()) })]),
  ),
  /** The container's FLYWHEEL_MODEL_VERSION: `flights/3`. */
  modelVersion: z.string(),
});

export type EvaluationFile = z.infer<typeof evaluationFile>;
export type FeatureBins = z.infer<typeof featureBins>;
export type BaselineFile = z.infer<typeof baselineFile>;
