/** Evaluation and baseline files as evaluate.py writes them. */
import type { BaselineFile, EvaluationFile } from '../../lambdas/contract/model-files.ts';

const estimate = (value: number) => ({ value, low: value - 0.01, high: value + 0.01 });

export function evaluationOf(candidateAuc: number, championAuc: number | null): EvaluationFile {
  return {
    schemaVersion: 1,
    objective: 'binary',
    rows: 1000,
    trainingRows: 4000,
    candidate: { metrics: { auc: estimate(candidateAuc) }, calibration: [] },
    champion: championAuc === null ? null : { metrics: { auc: estimate(championAuc) }, calibration: [] },
    difference: championAuc === null ? null : { auc: estimate(candidateAuc - championAuc) },
    slices: [],
    featureImportance: [{ feature: 'delay', meanAbsoluteShap: 1 }],
  };
}

/** Four equal bins of a number, two values of a category. */
export function baselineOf(rows = 4000): BaselineFile {
  return {
    schemaVersion: 1,
    rows,
    features: [
      {
        name: 'delay',
        kind: 'numeric',
        edges: [0, 10, 20],
        counts: [rows / 4, rows / 4, rows / 4, rows / 4],
        missing: 0,
      },
      {
        name: 'carrier',
        kind: 'categorical',
        values: ['UA', 'DL'],
        counts: [rows / 2, rows / 2],
        other: 0,
        missing: 0,
      },
    ],
    prediction: { name: 'prediction', kind: 'numeric', edges: [0.5], counts: [rows / 2, rows / 2], missing: 0 },
  };
}
