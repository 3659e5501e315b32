import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { recordLimits } from '../../../lambdas/contract/limits.ts';
import { type EvaluationFile, evaluationFile } from '../../../lambdas/contract/model-files.ts';
import { type GateSettings, metricNames, minimizedMetrics } from '../../../lambdas/contract/settings.ts';
import { describeDecision, judgeCandidate } from '../../../lambdas/domain/gate/judge.ts';
import { forAll } from '../for-all.ts';

const around = (value: number) => ({ value, low: value - 0.01, high: value + 0.01 });
const scored = (metrics: Record<string, number>) => ({
  metrics: Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, around(value)])),
  calibration: [],
});

function evaluation(changes: Partial<EvaluationFile> = {}): EvaluationFile {
  return {
    schemaVersion: 1,
    objective: 'binary',
    rows: 4_000,
    trainingRows: 16_000,
    candidate: scored({ auc: 0.74, logLoss: 0.45 }),
    champion: scored({ auc: 0.72, logLoss: 0.47 }),
    difference: { auc: { value: 0.02, low: 0.012, high: 0.028 }, logLoss: { value: -0.02, low: -0.03, high: -0.01 } },
    slices: [
      { column: 'carrier', value: 'UA', rows: 900, candidate: { auc: 0.75 }, champion: { auc: 0.74 } },
      { column: 'carrier', value: 'HA', rows: 12, candidate: { auc: 0.4 }, champion: { auc: 0.9 } },
    ],
    featureImportance: [],
    ...changes,
  };
}
const rules: GateSettings = {
  metric: 'auc',
  limits: { auc: 0.7, logLoss: 0.5 },
  beatChampionBy: 0,
  slices: [{ column: 'carrier', maximumLoss: 0.02, minimumRows: 100 }],
  approval: 'automatic',
};
const judge = (file: EvaluationFile, settings: Partial<GateSettings> = {}, champion: number | null = 3) =>
  judgeCandidate({ evaluation: file, settings: { ...rules, ...settings }, candidate: 4, champion });
const failures = (file: EvaluationFile, settings: Partial<GateSettings> = {}, champion: number | null = 3) =>
  judge(file, settings, champion)
    .reasons.filter((reason) => !reason.passed)
    .map((reason) => reason.rule);
const firstModel = evaluation({ champion: null, difference: null });

describe('what a forged evaluation makes of the reasons', () => {
  const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value));
  const slice = (column: string, value: string, auc: number) => ({
    column,
    value,
    rows: 900,
    candidate: { auc },
    champion: { auc: 0.74 },
  });

  it('is no more than an event holds, and still the failure of the slice that falls behind', () => {
    const slices = Array.from({ length: 5000 }, (_, index) => slice('carrier', `${index}`.padEnd(100, 'x'), 0.75));
    const decision = judge(evaluation({ slices: [...slices, slice('carrier', 'last', 0.5)] }));
    expect(decision.decision).toBe('reject');
    expect(decision.reasons.filter(({ passed }) => !passed).map(({ rule }) => rule)).toEqual(['slice:carrier=last']);
    expect(decision.reasons.length).toBeLessThanOrEqual(recordLimits.reasons);
    expect(bytes(decision)).toBeLessThan(200_000);
    expect(decision.reasons.at(-1)).toMatchObject({
      passed: true,
      text: expect.stringMatching(/^\d+ more rules: all passed/),
    });
  });

  it('counts the failures that it does not tell', () => {
    const slices = Array.from({ length: 5000 }, (_, index) => slice('carrier', `${index}`, 0.5));
    const { decision, reasons } = judge(evaluation({ slices }));
    expect(decision).toBe('reject');
    expect(reasons.at(-1)).toMatchObject({ passed: false, text: expect.stringMatching(/^\d+ more rules: \d+ failed/) });
  });

  it('names few metrics and columns where the wanted ones are missing, and each in part', () => {
    const many = Array.from({ length: 100 }, (_, index) => `${index}`.padEnd(100, 'm'));
    const candidate = scored(Object.fromEntries(many.map((name) => [name, 1])));
    const slices = many.map((name) => slice(name.repeat(100), 'v', 0.75));
    const decision = judge(evaluation({ candidate, champion: candidate, slices }));
    expect(decision.decision).toBe('reject');
    expect(bytes(decision)).toBeLessThan(50_000);
  });
});

describe('judgeCandidate', () => {
  it('approves a candidate that passes every rule, with a reason for each', () => {
    const { decision, reasons } = judge(evaluation());
    expect(decision).toBe('approve');
    expect(reasons.map((reason) => reason.rule)).toEqual([
      'metric',
      'limit:auc',
      'limit:logLoss',
      'beat-champion',
      'slice:carrier=UA',
      'slice:carrier',
    ]);
    expect(reasons[3]?.text).toBe(
      'auc leads champion model 3 by 0.02 (at least 0 wanted); paired 95 % interval 0.012 to 0.028',
    );
  });

  it('asks a person where approval is manual, and only when every rule passes', () => {
    expect(judge(evaluation(), { approval: 'manual' }).decision).toBe('ask');
    expect(judge(evaluation(), { approval: 'manual', limits: { auc: 0.9 } }).decision).toBe('reject');
  });

  it('takes a limit as a floor or as a ceiling, as the metric runs', () => {
    expect(failures(evaluation(), { limits: { auc: 0.75 } })).toEqual(['limit:auc']);
    expect(failures(evaluation(), { limits: { logLoss: 0.4 } })).toEqual(['limit:logLoss']);
    expect(failures(evaluation(), { limits: { auc: 0.74, logLoss: 0.45 } })).toEqual([]);
  });

  it('turns the lead around for a metric that is minimized, with its interval', () => {
    const lead = judge(evaluation(), { metric: 'logLoss', slices: [] }).reasons.find((r) => r.rule === 'beat-champion');
    expect(lead).toMatchObject({ passed: true, value: expect.closeTo(0.02, 9) });
    expect(lead?.text).toContain('interval 0.01 to 0.03');
    const worse = evaluation({ candidate: scored({ auc: 0.74, logLoss: 0.48 }) });
    expect(failures(worse, { metric: 'logLoss', slices: [] })).toEqual(['beat-champion']);
  });

  it('says when a lead may be chance, and does not decide by it', () => {
    const close = evaluation({ difference: { auc: { value: 0.02, low: -0.004, high: 0.044 } } });
    const { decision, reasons } = judge(close);
    expect(decision).toBe('approve');
    expect(reasons[3]?.text).toContain('-0.004 to 0.044, so it may be chance');
  });

  it('demands the lead that the project demands', () => {
    expect(failures(evaluation(), { beatChampionBy: 0.02 })).toEqual([]);
    expect(failures(evaluation(), { beatChampionBy: 0.021 })).toEqual(['beat-champion']);
    expect(failures(evaluation({ candidate: scored({ auc: 0.71, logLoss: 0.45 }) }))).toEqual(['beat-champion']);
  });

  it('needs no champion for the first model, but one that the evaluation scored for any other', () => {
    expect(judge(firstModel, {}, null).decision).toBe('approve');
    expect(failures(firstModel)).toEqual(['beat-champion']);
    expect(judge(firstModel).reasons.find((r) => !r.passed)?.text).toContain('did not score champion model 3');
  });

  it('rejects when the metric is missing, and names those there are', () => {
    const { decision, reasons } = judge(evaluation(), { metric: 'rmse', limits: { mae: 1 }, slices: [] });
    expect(decision).toBe('reject');
    expect(reasons.slice(0, 2).map((reason) => reason.text)).toEqual([
      'rmse was not evaluated; available: auc, logLoss',
      'mae was not evaluated; available: auc, logLoss',
    ]);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('never passes the metric %d', (value) => {
    for (const metric of ['auc', 'logLoss']) {
      const candidate = scored({ auc: 0.74, logLoss: 0.45, [metric]: value });
      const failed = failures(evaluation({ candidate }), { metric, slices: [] });
      expect(failed).toEqual(['metric', `limit:${metric}`, 'beat-champion']);
      const champion = scored({ auc: 0.72, logLoss: 0.47, [metric]: value });
      expect(failures(evaluation({ champion }), { metric, slices: [] })).toEqual(['beat-champion']);
    }
  });

  describe('by slices', () => {
    const slice = (candidate: Record<string, number>, champion: Record<string, number> | null) =>
      evaluation({ slices: [{ column: 'carrier', value: 'UA', rows: 900, candidate, champion }] });

    it('rejects a loss over the limit, and only of a slice that is large enough', () => {
      expect(failures(slice({ auc: 0.7 }, { auc: 0.73 }))).toEqual(['slice:carrier=UA']);
      expect(failures(slice({ auc: 0.71 }, { auc: 0.73 }))).toEqual([]);
      expect(judge(evaluation()).reasons.at(-1)?.text).toBe('1 slices of carrier with under 100 rows: not judged');
    });

    it('rejects what was not evaluated', () => {
      expect(failures(slice({}, { auc: 0.7 }))).toEqual(['slice:carrier=UA']);
      expect(failures(slice({ auc: 0.7 }, null))).toEqual(['slice:carrier=UA']);
      expect(failures(evaluation({ slices: [] }))).toEqual(['slice:carrier']);
    });

    it('passes a metric that has no value on these rows for either model', () => {
      expect(failures(slice({ accuracy: 1 }, { accuracy: 1 }))).toEqual([]);
    });
  });
});

describe('describeDecision', () => {
  it('names the decision first, then what failed', () => {
    const lines = describeDecision(judge(evaluation(), { limits: { logLoss: 0.5, auc: 0.8 } }));
    expect(lines[0]).toBe('model 4 rejected by 1 of 6 rules (champion is model 3)');
    expect(lines[1]).toBe('  ✗ auc 0.74 (95 %: 0.73 to 0.75) is under its floor 0.8');
    expect(lines.slice(2).every((line) => line.startsWith('  ✓ '))).toBe(true);
  });
});

/* ---- Properties ---- */

const metric = fc.constantFrom(...Object.values(metricNames).flat());
const value = fc.double({ min: -2, max: 2, noNaN: true });
const metrics = fc.dictionary(metric, fc.record({ value, low: value, high: value }), { maxKeys: 6 });
const plain = fc.dictionary(metric, value, { maxKeys: 4 });
const column = fc.constantFrom('carrier', 'origin');
const count = fc.nat(1_000);

const anyEvaluation: fc.Arbitrary<EvaluationFile> = fc.record({
  schemaVersion: fc.constant(1 as const),
  objective: fc.constantFrom('binary', 'multiclass', 'regression'),
  rows: count,
  trainingRows: count,
  candidate: fc.record({ metrics, calibration: fc.constant([]) }),
  champion: fc.option(fc.record({ metrics, calibration: fc.constant([]) })),
  difference: fc.option(metrics),
  slices: fc.array(
    fc.record({ column, value: fc.string(), rows: count, candidate: plain, champion: fc.option(plain) }),
    { maxLength: 4 },
  ),
  featureImportance: fc.constant([]),
});
const anyInput = fc.record({
  evaluation: anyEvaluation,
  settings: fc.record({
    metric,
    limits: fc.dictionary(metric, value, { maxKeys: 3 }),
    beatChampionBy: fc.double({ min: -1, max: 1, noNaN: true }),
    slices: fc.array(
      fc.record({ column, maximumLoss: fc.double({ min: 0, max: 1, noNaN: true }), minimumRows: count }),
      {
        maxLength: 2,
      },
    ),
    approval: fc.constantFrom('automatic', 'manual'),
  }),
  candidate: fc.constant(4),
  champion: fc.option(fc.constant(3)),
});

describe('for any valid evaluation file', () => {
  it('decides, with one reason at least, and approves exactly when every rule passed', () => {
    forAll(anyInput, (input) => {
      evaluationFile.parse(input.evaluation);
      const decision = judgeCandidate(input);
      const passed = decision.reasons.every((reason) => reason.passed);
      const expected = !passed ? 'reject' : input.settings.approval === 'manual' ? 'ask' : 'approve';
      expect(decision.decision).toBe(expected);
      expect(describeDecision(decision)).toHaveLength(decision.reasons.length + 1);
      for (const number of decision.reasons.flatMap((reason) => [reason.value, reason.limit])) {
        expect(number === null || Number.isFinite(number)).toBe(true);
      }
    });
  });

  it('never turns approval into rejection when the candidate gets better', () => {
    const better = fc.tuple(anyInput, metric, fc.double({ min: 0, max: 3, noNaN: true }));
    let approvals = 0;
    forAll(
      better,
      ([input, name, gain]) => {
        const before = judgeCandidate(input).decision;
        if (before === 'reject') return;
        approvals += 1;
        const step = minimizedMetrics.has(name) ? -gain : gain;
        const { candidate, slices } = input.evaluation;
        const raised = candidate.metrics[name];
        const improved = {
          ...input.evaluation,
          candidate: {
            ...candidate,
            metrics: raised
              ? { ...candidate.metrics, [name]: { ...raised, value: raised.value + step } }
              : candidate.metrics,
          },
          slices: slices.map((slice) => {
            const own = slice.candidate[name];
            return own === undefined ? slice : { ...slice, candidate: { ...slice.candidate, [name]: own + step } };
          }),
        };
        expect(judgeCandidate({ ...input, evaluation: improved }).decision).toBe(before);
      },
      { numRuns: 3_000 },
    );
    expect(approvals).toBeGreaterThan(20);
  });

  it('never approves what a stricter rule would be needed to reject: raising a floor only rejects more', () => {
    const stricter = fc.tuple(anyInput, fc.double({ min: 0, max: 1, noNaN: true }));
    forAll(stricter, ([input, by]) => {
      const strict = { ...input.settings, beatChampionBy: input.settings.beatChampionBy + by };
      if (judgeCandidate(input).decision === 'reject') {
        expect(judgeCandidate({ ...input, settings: strict }).decision).toBe('reject');
      }
    });
  });
});
