import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BaselineFile } from '../../../lambdas/contract/model-files.ts';
import { emptyCounts } from '../../../lambdas/domain/drift/counts.ts';
import { type DriftState, driftState, measureDrift } from '../../../lambdas/domain/drift/measure.ts';
import { forAll } from '../for-all.ts';
import { anyBaseline, anyCounts, baselineOf, categorical, countsOf, draw, generator, numeric } from './samples.ts';

const policy = { minimumRows: 200, psi: 0.2, consecutive: 2 };
const edges = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const deciles = new Array<number>(10).fill(0.1);
const carriers = [0.35, 0.25, 0.2, 0.15, 0.05];

/** 20 numbers in deciles and 4 categories, of 50,000 rows. */
const wide = baselineOf(
  [
    ...Array.from({ length: 20 }, (_, index) => numeric(`number ${index}`, edges, new Array(10).fill(5_000))),
    ...Array.from({ length: 4 }, (_, index) =>
      categorical(
        `category ${index}`,
        ['a', 'b', 'c', 'd', 'e'],
        carriers.map((part) => part * 50_000),
      ),
    ),
  ],
  numeric('probability', edges, new Array(10).fill(5_000)),
);

/** Traffic like the baseline's, the first number in other shares. */
function traffic(random: () => number, rows: number, first: readonly number[] = deciles) {
  const features = wide.features.map((bins, index) =>
    bins.kind === 'numeric'
      ? [...draw(random, index === 0 ? first : deciles, rows), 0]
      : [...draw(random, carriers, rows), 0, 0],
  );
  return countsOf(wide, features, [...draw(random, deciles, rows), 0]);
}

/**
 * Shares of the deciles of a normal variable after its mean moved up by 1/2 and 3/4 of its deviation (PSI 0.24 and 0.53):
 * np.diff(np.r_[0, stats.norm.cdf(stats.norm.ppf(np.arange(.1, 1, .1)) - moved), 1]).
 */
const half = [0.0374, 0.0524, 0.063, 0.0728, 0.0829, 0.0941, 0.1071, 0.1239, 0.1491, 0.2172];
const threeQuarters = [0.0211, 0.0346, 0.0455, 0.0566, 0.0688, 0.0831, 0.101, 0.1257, 0.166, 0.2975];
const shares = (parts: readonly number[]) => {
  const sum = parts.reduce((a, b) => a + b, 0);
  return parts.map((part) => part / sum);
};

describe('false alarms and power', () => {
  it.each([200, 1_000, 10_000])('less than 1 %% of measurements of %i rows without drift find any', (rows) => {
    const random = generator(rows);
    const trials = rows > 5_000 ? 60 : 300;
    let alarms = 0;
    for (let trial = 0; trial < trials; trial++) {
      const { features, prediction } = measureDrift({ baseline: wide, counts: traffic(random, rows), policy });
      if ([...features, prediction].some((feature) => feature.drifted)) alarms += 1;
    }
    expect(alarms / trials).toBeLessThan(0.01);
  });

  it.each([200, 1_000])('nor with a threshold so low that the bound alone decides: %i rows', (rows) => {
    const random = generator(rows + 1);
    let alarms = 0;
    for (let trial = 0; trial < 300; trial++) {
      const measured = measureDrift({
        baseline: wide,
        counts: traffic(random, rows),
        policy: { ...policy, psi: 0.001 },
      });
      if (measured.decision !== 'none') alarms += 1;
    }
    // The rate is about 1 % by design; 300 trials of it give 8 or more in 1 of 200 runs.
    expect(alarms).toBeLessThan(8);
  });

  it.each([
    ['three quarters of a standard deviation, at 1,000 rows', shares(threeQuarters), 1_000],
    ['half a standard deviation, at 10,000 rows', shares(half), 10_000],
    ['a bin that doubles, at 10,000 rows', shares([0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05]), 10_000],
    ['everything in the upper half, at 200 rows', shares([0, 0, 0, 0, 0, 1, 1, 1, 1, 1]), 200],
  ])('finds %s, in that feature alone', (_, moved, rows) => {
    const random = generator(7);
    let found = 0;
    for (let trial = 0; trial < 40; trial++) {
      const { features } = measureDrift({ baseline: wide, counts: traffic(random, rows, moved), policy });
      if (features[0]?.drifted) found += 1;
      expect(features.slice(1).some((feature) => feature.drifted)).toBe(false);
    }
    expect(found).toBeGreaterThanOrEqual(38);
  });
});

const small = baselineOf(
  [
    numeric('temperature', [0, 10, 20], [2_500, 2_500, 2_500, 2_500]),
    categorical('carrier', ['UA', 'B6'], [6_000, 3_900], 100),
  ],
  numeric('delay', [0.5], [8_000, 2_000]),
);
const same = countsOf(
  small,
  [
    [250, 250, 250, 250, 0],
    [600, 390, 10, 0],
  ],
  [800, 200, 0],
);
const warm = countsOf(
  small,
  [
    [0, 50, 150, 800, 0],
    [600, 390, 10, 0],
  ],
  [800, 200, 0],
);
const warmer = countsOf(
  small,
  [
    [0, 40, 150, 810, 0],
    [600, 390, 10, 0],
  ],
  [800, 200, 0],
);
const measure = (counts: typeof same, previous?: DriftState) =>
  measureDrift({ baseline: small, counts, policy, previous });

describe('a feature', () => {
  it('names what moved, in shares', () => {
    const { features, reasons } = measure(warm);
    expect(features.map(({ name, drifted }) => [name, drifted])).toEqual([
      ['temperature', true],
      ['carrier', false],
    ]);
    expect(reasons[0]).toMatch(
      /^temperature drifted, PSI .* \(threshold 0\.2; .*: over 20 rose from 25 % to 80 % of rows$/,
    );
  });

  it('drifts by values that are missing', () => {
    const gaps = countsOf(
      small,
      [
        [200, 200, 200, 200, 200],
        [600, 390, 10, 0],
      ],
      [800, 200, 0],
    );
    const { features, reasons } = measure(gaps);
    expect(features[0]).toMatchObject({ missingBefore: 0, missingNow: 0.2, drifted: true, ks: 0 });
    expect(reasons[0]).toContain('missing rose from 0 % to 20 % of rows');
  });

  it('drifts by values that the baseline does not list', () => {
    const unseen = countsOf(
      small,
      [
        [250, 250, 250, 250, 0],
        [300, 200, 500, 0],
      ],
      [800, 200, 0],
    );
    const { features, reasons } = measure(unseen);
    expect(features[1]).toMatchObject({ unseenBefore: 0.01, unseenShare: 0.5, drifted: true, ks: null });
    expect(reasons[0]).toContain('other values rose from 1 % to 50 % of rows');
  });

  it('does not drift when rare values are absent from a small sample', () => {
    const rare = Array.from({ length: 200 }, (_, index) => `v${index}`);
    const many = baselineOf(
      [categorical('airport', ['x', ...rare], [98_000, ...rare.map(() => 10)])],
      numeric('p', [], [100_000]),
    );
    const counts = countsOf(many, [[196, ...rare.map((_, index) => (index < 4 ? 1 : 0)), 0, 0]], [200, 0]);
    expect(measureDrift({ baseline: many, counts, policy }).features[0]?.psi).toBeLessThan(0.05);
  });

  it('that is the prediction counts too', () => {
    const late = countsOf(
      small,
      [
        [250, 250, 250, 250, 0],
        [600, 390, 10, 0],
      ],
      [300, 700, 0],
    );
    const { decision, prediction, reasons } = measure(late);
    expect([decision, prediction.drifted]).toEqual(['pending', true]);
    expect(reasons[0]).toContain('the prediction (delay) drifted');
  });

  it('of few rows is not judged by a threshold that its noise reaches', () => {
    const uneven = countsOf(
      small,
      [
        [3, 2, 1, 6, 0],
        [8, 4, 0, 0],
      ],
      [9, 3, 0],
    );
    const { features, decision, reasons } = measureDrift({
      baseline: small,
      counts: uneven,
      policy: { ...policy, minimumRows: 10 },
    });
    expect(features[0]?.psi).toBeGreaterThan(policy.psi);
    expect([features[0]?.drifted, decision]).toEqual([false, 'none']);
    expect(reasons[0]).toContain('which samples of this size reach without drift');
  });
});

describe('the decision', () => {
  it('is drifted after so many in a row, and none as soon as it is over', () => {
    const first = measure(warm);
    const second = measure(warmer, first.state);
    const third = measure(warm, second.state);
    const over = measure(same, third.state);
    expect([first, second, third, over].map(({ decision, consecutive }) => [decision, consecutive])).toEqual([
      ['pending', 1],
      ['drifted', 2],
      ['drifted', 3],
      ['none', 0],
    ]);
    expect(first.reasons).toContain('drift in 1 of 2 measurements in a row that declare it');
    expect(over.reasons).toEqual([expect.stringContaining('no drift: highest PSI')]);
  });

  it('counts the same rows once, however often they are measured', () => {
    const first = measure(warm);
    const again = measure(warm, first.state);
    expect([again.decision, again.consecutive, again.state]).toEqual(['pending', 1, first.state]);
    expect(again.reasons.at(-1)).toContain('they count once');
    const declared = measure(warmer, first.state);
    expect(measure(warmer, declared.state).decision).toBe('drifted');
  });

  it('with too few rows neither continues nor breaks the row', () => {
    const first = measure(warm);
    const quiet = measure(emptyCounts(small), first.state);
    expect([quiet.decision, quiet.consecutive, quiet.rows]).toEqual(['too-few-rows', 1, 0]);
    expect(quiet.reasons).toEqual(['0 captured rows, 200 are needed for a judgement']);
    expect(measure(warmer, quiet.state).decision).toBe('drifted');
  });

  it('begins anew with a new model', () => {
    const before: DriftState = { layout: 'ffffffff', consecutive: 5, judged: null };
    expect(measure(warm, before)).toMatchObject({ decision: 'pending', consecutive: 1 });
  });

  it('comes at the first measurement when the policy asks for one', () => {
    expect(measureDrift({ baseline: small, counts: warm, policy: { ...policy, consecutive: 1 } }).decision).toBe(
      'drifted',
    );
  });

  it('refuses counts of another model', () => {
    expect(() => measure(emptyCounts(wide))).toThrow('measure with the baseline of the model that answered');
  });
});

it('measures any counts of any baseline: finite numbers, consistent with its decision', () => {
  const any = anyBaseline.chain((baseline: BaselineFile) => fc.tuple(fc.constant(baseline), anyCounts(baseline)));
  forAll(any, ([baseline, counts]) => {
    const measured = measureDrift({ baseline, counts, policy });
    const all = [...measured.features, measured.prediction];
    for (const feature of all) {
      for (const value of Object.values(feature)) {
        if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true);
      }
    }
    const expected = counts.rows < 200 ? 'too-few-rows' : all.some((feature) => feature.drifted) ? 'pending' : 'none';
    expect(measured.decision).toBe(expected);
    expect(measured.reasons.length).toBeGreaterThan(0);
    expect(driftState.parse(JSON.parse(JSON.stringify(measured.state)))).toEqual(measured.state);
  });
});
