import { describe, expect, it } from 'vitest';
import { recordLimits } from '../../lambdas/contract/limits.ts';
import { type EvaluationFile, evaluationFile } from '../../lambdas/contract/model-files.ts';
import { summarizeEvaluation } from '../../lambdas/domain/evaluation-summary.ts';
import { judgeCandidate } from '../../lambdas/domain/gate/judge.ts';
import { evaluationOf } from '../support/evaluation.ts';
import { projectSettings } from '../support/project.ts';

const metrics = (value: number) => ({
  auc: value,
  logLoss: 0.5,
  brier: 0.2,
  accuracy: 0.9,
  precision: 0.8,
  recall: 0.7,
  f1: 0.6,
});
const sliceOf = (column: string, value: string, loss: number) => ({
  column,
  value,
  rows: 1000,
  candidate: metrics(0.9 - loss),
  champion: metrics(0.9),
});

/** A hundred slices of each of `columns` columns; one of the last falls behind. */
function wide(columns: number) {
  const slices = Array.from({ length: columns * 100 }, (_, index) =>
    sliceOf(`column-${Math.floor(index / 100)}`, `value-${index}`, index === columns * 100 - 1 ? 0.2 : 0),
  );
  return { ...evaluationOf(0.9, 0.9), slices };
}
const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value));

describe('what the table keeps of an evaluation', () => {
  it('is the file itself where it fits', () => {
    const file = wide(3);
    expect(summarizeEvaluation(file, 'auc')).toEqual({ evaluation: file, omittedSlices: 0 });
  });

  it.each([8, 20, 200])('fits an item with %i columns of slices, whole in its metrics', (columns) => {
    const file = wide(columns);
    const { evaluation, omittedSlices } = summarizeEvaluation(file, 'auc');
    expect(bytes(evaluation)).toBeLessThanOrEqual(recordLimits.evaluationRecordBytes);
    expect(evaluationFile.parse(evaluation)).toEqual(evaluation);
    expect(evaluation).toMatchObject({
      candidate: file.candidate,
      champion: file.champion,
      difference: file.difference,
    });
    expect(evaluation.slices.length + omittedSlices).toBe(columns * 100);
    expect(evaluation.slices.length).toBe(recordLimits.slices);
  });

  it('lets a gate that fails on a slice fail, however many others there are', () => {
    const { gate } = projectSettings();
    const column = 'column-199';
    const settings = { ...gate, slices: [{ column, minimumRows: 100, maximumLoss: 0.05 }] };
    const outcome = (evaluation: EvaluationFile) =>
      judgeCandidate({ evaluation, settings, candidate: 2, champion: 1 })
        .reasons.filter((reason) => !reason.passed)
        .map(({ rule }) => rule);
    const file = wide(200);
    expect(outcome(file)).toEqual([`slice:${column}=value-19999`]);
    expect(outcome(summarizeEvaluation(file, 'auc').evaluation)).toEqual(outcome(file));
  });

  it('has as many slices with long names as fit', () => {
    const slices = Array.from({ length: 600 }, (_, index) => sliceOf('c'.repeat(800), `v${index}`, 0));
    const { evaluation } = summarizeEvaluation({ ...evaluationOf(0.9, 0.9), slices }, 'auc');
    expect(bytes(evaluation)).toBeLessThanOrEqual(recordLimits.evaluationRecordBytes);
    expect(evaluation.slices.length).toBeLessThan(recordLimits.slices);
  });

  it('tells the beginning of a long name', () => {
    const file = { ...evaluationOf(0.9, 0.9), slices: [sliceOf('c', 'x'.repeat(10_000), 0)] };
    expect(summarizeEvaluation(file, 'auc').evaluation.slices[0]?.value).toBe(`${'x'.repeat(100)}…`);
  });

  it('is none where metrics alone do not fit', () => {
    const many = Object.fromEntries(
      Array.from({ length: 5000 }, (_, index) => [`metric-${index}`, { value: 1, low: 1, high: 1 }]),
    );
    const file = { ...evaluationOf(0.9, null), candidate: { metrics: many, calibration: [] } };
    expect(() => summarizeEvaluation(file, 'auc')).toThrow(`at most ${recordLimits.evaluationRecordBytes}`);
  });
});
