import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chiSquareQuantile, chiSquareTail } from '../../../lambdas/domain/drift/chi-square.ts';
import {
  binPositions,
  chiSquareTest,
  groupRareBins,
  jensenShannonDistance,
  kolmogorovSmirnov,
  populationStabilityIndex,
  psiBound,
  total,
  wassersteinDistance,
} from '../../../lambdas/domain/drift/statistics.ts';
import { forAll } from '../for-all.ts';
import { draw, generator } from './samples.ts';

/*
 * Expected numbers of this block, by scipy 1.17.1 and numpy 2.4.6:
 *
 *   before = np.array([812, 1044, 977, 1003, 950, 1108, 61, 0]); now = np.array([31, 77, 102, 88, 140, 199, 12, 3])
 *   edges = np.array([-2.5, -1.0, 0.0, 0.75, 2.0, 4.5, 11.0])
 *   p, q = before / before.sum(), now / now.sum()
 *   ps, qs = (before + 0.5) / (before + 0.5).sum(), (now + 0.5) / (now + 0.5).sum()
 *   pos = np.concatenate([[edges[0] - (edges[1] - edges[0]) / 2], (edges[1:] + edges[:-1]) / 2,
 *                         [edges[-1] + (edges[-1] - edges[-2]) / 2]])
 *   deviation = np.sqrt(np.average((pos - np.average(pos, weights=p)) ** 2, weights=p))
 *   psi = stats.entropy(qs, ps) + stats.entropy(ps, qs)
 *   js = scipy.spatial.distance.jensenshannon(p, q, base=2)
 *   ks = stats.ks_2samp(np.repeat(pos, before), np.repeat(pos, now)).statistic
 *   w = stats.wasserstein_distance(pos, pos, p, q) / deviation
 *   chi = stats.chi2_contingency(np.array([before, now]), correction=False)
 *   stats.chi2.sf(x, k); stats.chi2.isf(tail, k)
 */
describe('agrees with scipy', () => {
  const before = [812, 1044, 977, 1003, 950, 1108, 61, 0];
  const now = [31, 77, 102, 88, 140, 199, 12, 3];
  const edges = [-2.5, -1.0, 0.0, 0.75, 2.0, 4.5, 11.0];

  it('on the distances', () => {
    expect(populationStabilityIndex(before, now)).toBeCloseTo(0.22385628351442774, 12);
    expect(jensenShannonDistance(before, now)).toBeCloseTo(0.19547017066211722, 12);
    expect(kolmogorovSmirnov(before, now)).toBeCloseTo(0.1871093528663339, 12);
    expect(wassersteinDistance(edges, before, now)).toBeCloseTo(0.4388329720157753, 12);
  });

  it('on the chi-square test', () => {
    const test = chiSquareTest(before, now);
    expect(test.statistic).toBeCloseTo(135.82909577384385, 9);
    expect(test.degrees).toBe(7);
    expect(test.pValue / 3.797169034102066e-26).toBeCloseTo(1, 9);
  });

  it.each([
    [0.1, 1, 0.7518296340458492],
    [3.84, 1, 0.05004352124870519],
    [5, 3, 0.1717971442967335],
    [9, 9, 0.43727418891386693],
    [21.67, 9, 0.009985789299578333],
    [60, 9, 1.3406780483959625e-9],
    [400, 9, 1.3699125019662825e-80],
    [80, 99, 0.9191878735980901],
    [150, 99, 0.0007204453957169282],
    [1, 0.5, 0.15351359580832247],
    [1000, 1000, 0.49405285382923964],
    [1100, 1000, 0.014614408126295192],
  ])('on the tail above %d with %d degrees of freedom', (value, degrees, expected) => {
    expect(chiSquareTail(value, degrees) / expected).toBeCloseTo(1, 10);
  });

  it.each([
    [0.01, 1, 6.634896601021217],
    [0.01, 9, 21.665994333461928],
    [0.0001, 9, 33.719948438964636],
    [0.05, 49, 66.33864886296881],
    [0.5, 10, 9.34181776559197],
    [0.99, 4, 0.297109480506532],
    [0.00001, 199, 295.78378192086046],
    [0.01, 5000, 5235.57183813011],
  ])('on the quantile of tail %d with %d degrees of freedom', (tail, degrees, expected) => {
    expect(chiSquareQuantile(tail, degrees) / expected).toBeCloseTo(1, 10);
  });
});

describe('every statistic', () => {
  const pair = fc.integer({ min: 1, max: 12 }).chain((bins) => {
    const counts = fc.array(fc.oneof(fc.constant(0), fc.nat(20), fc.nat(5_000)), { minLength: bins, maxLength: bins });
    return fc.tuple(counts, counts);
  });
  const edgesFor = (bins: readonly number[]) => bins.slice(1).map((_, index) => index ** 1.5 - 3);

  it('is 0 (p-value 1) for equal counts, and also when a sample is empty', () => {
    forAll(pair, ([counts]) => {
      const none = counts.map(() => 0);
      for (const [a, b] of [
        [counts, counts],
        [counts, none],
        [none, counts],
      ] as const) {
        expect(populationStabilityIndex(a, b)).toBe(0);
        expect(jensenShannonDistance(a, b)).toBeCloseTo(0, 6);
        expect(kolmogorovSmirnov(a, b)).toBe(0);
        expect(wassersteinDistance(edgesFor(a), a, b)).toBe(0);
        expect(chiSquareTest(a, b).pValue).toBe(1);
      }
    });
  });

  it('is symmetric where it is a distance, and within its range', () => {
    forAll(pair, ([a, b]) => {
      expect(populationStabilityIndex(a, b)).toBeCloseTo(populationStabilityIndex(b, a), 9);
      expect(jensenShannonDistance(a, b)).toBeCloseTo(jensenShannonDistance(b, a), 9);
      expect(kolmogorovSmirnov(a, b)).toBeCloseTo(kolmogorovSmirnov(b, a), 9);
      expect(populationStabilityIndex(a, b)).toBeGreaterThanOrEqual(0);
      for (const distance of [jensenShannonDistance(a, b), kolmogorovSmirnov(a, b), chiSquareTest(a, b).pValue]) {
        expect(distance).toBeGreaterThanOrEqual(0);
        expect(distance).toBeLessThanOrEqual(1 + 1e-12);
      }
      const moved = wassersteinDistance(edgesFor(a), a, b);
      expect(Number.isFinite(moved) && moved >= 0).toBe(true);
    });
  });

  it('does not depend on the order of bins where bins have no order', () => {
    forAll(pair, ([a, b]) => {
      const [x, y] = [a.toReversed(), b.toReversed()];
      expect(populationStabilityIndex(x, y)).toBeCloseTo(populationStabilityIndex(a, b), 9);
      expect(jensenShannonDistance(x, y)).toBeCloseTo(jensenShannonDistance(a, b), 9);
      expect(chiSquareTest(x, y).pValue).toBeCloseTo(chiSquareTest(a, b).pValue, 9);
    });
  });

  it('refuses samples in different bins', () => {
    expect(() => populationStabilityIndex([1, 2], [1, 2, 3])).toThrow('got 2 bins before and 3 now');
    expect(() => wassersteinDistance([1], [1, 2, 3], [1, 2, 3])).toThrow('one edge fewer than bins');
  });
});

describe('Wasserstein distance', () => {
  it('places the open bins half a neighbour beyond their edges', () => {
    expect(binPositions([0, 2, 6])).toEqual([-1, 1, 4, 8]);
    expect(binPositions([5])).toEqual([4.5, 5.5]);
    expect(binPositions([])).toEqual([0]);
  });

  it('does not change with the unit of the values', () => {
    const [before, now] = [
      [10, 20, 30, 5],
      [5, 10, 20, 30],
    ];
    const celsius = [0, 10, 25];
    const fahrenheit = celsius.map((value) => value * 1.8 + 32);
    expect(wassersteinDistance(fahrenheit, before, now)).toBeCloseTo(wassersteinDistance(celsius, before, now), 12);
  });

  it('grows as the rows move further, which the other distances do not see', () => {
    const edges = [0, 1, 2, 3];
    const before = [100, 0, 0, 0, 100];
    const near = [0, 100, 0, 0, 100];
    const far = [0, 0, 0, 100, 100];
    expect(wassersteinDistance(edges, before, far)).toBeGreaterThan(wassersteinDistance(edges, before, near));
    expect(jensenShannonDistance(before, far)).toBeCloseTo(jensenShannonDistance(before, near), 12);
  });

  it('is finite for a baseline in one bin', () => {
    expect(wassersteinDistance([0, 1], [50, 0, 0], [0, 0, 50])).toBeCloseTo(1, 12);
  });
});

describe('groupRareBins', () => {
  it('keeps every row', () => {
    const counts = fc.array(fc.nat(300), { minLength: 8, maxLength: 8 });
    forAll(fc.tuple(counts, counts), ([before, now]) => {
      const grouped = groupRareBins(before, now);
      expect(total(grouped.before)).toBe(total(before));
      expect(total(grouped.now)).toBe(total(now));
    });
  });

  it('groups bins in which less than one row of the smaller sample is expected', () => {
    const before = [6_000, 3_960, 20, 20];
    const now = [60, 40, 0, 0];
    expect(groupRareBins(before, now)).toEqual({ before: [6_000, 3_960, 40], now: [60, 40, 0] });
  });

  it('leaves a value that is new and frequent visible', () => {
    const { before, now } = groupRareBins([300_000, 0], [700, 300]);
    expect(populationStabilityIndex(before, now)).toBeGreaterThan(1);
  });
});

describe('the bound of PSI for quantiles, equal by construction', () => {
  it.each([
    [10, 200],
    [50, 50],
    [50, 100],
    [50, 1_000],
  ])('holds for %i of them and %i rows', (bins, rows) => {
    const random = generator(bins + rows);
    const shares = new Array<number>(bins).fill(1 / bins);
    const baseline = new Array<number>(bins).fill(50_000 / bins);
    let above = 0;
    for (let trial = 0; trial < 500; trial++) {
      const { before, now } = groupRareBins(baseline, draw(random, shares, rows));
      if (populationStabilityIndex(before, now) > psiBound(before, now, 0.01)) above += 1;
    }
    expect(above / 500).toBeLessThan(0.025);
  });
});

describe('the bound of PSI', () => {
  const deciles = new Array<number>(10).fill(0.1);
  const zipf = Array.from({ length: 40 }, (_, rank) => 1 / (rank + 1));
  const skewed = zipf.map((part) => part / total(zipf));

  it.each([
    ['deciles', deciles, 200, 50_000],
    ['deciles', deciles, 1_000, 50_000],
    ['deciles', deciles, 10_000, 10_000],
    ['40 values, the rarest 0.6 %', skewed, 200, 50_000],
    ['40 values, the rarest 0.6 %', skewed, 1_000, 5_000],
    ['40 values, the rarest 0.6 %', skewed, 200, 200],
  ])('holds for 99 of 100 samples of one distribution: %s, %i rows against %i', (_, shares, rows, baselineRows) => {
    const random = generator(rows + baselineRows + shares.length);
    // The baseline as its expectation plus noise: multinomial counts of so many rows, drawn by their normal limit.
    const trials = rows > 5_000 ? 300 : 1_000;
    let above = 0;
    let sum = 0;
    for (let trial = 0; trial < trials; trial++) {
      const { before, now } = groupRareBins(drawLarge(random, shares, baselineRows), draw(random, shares, rows));
      const psi = populationStabilityIndex(before, now);
      if (psi > psiBound(before, now, 0.01)) above += 1;
      sum += psi;
    }
    expect(above / trials).toBeLessThan(0.02);
    // Its mean is near (B - 1)(1/n + 1/m) too, so the bound is not held by being far too high.
    expect(sum / trials / ((shares.length - 1) * (1 / rows + 1 / baselineRows))).toBeGreaterThan(0.7);
    expect(sum / trials / ((shares.length - 1) * (1 / rows + 1 / baselineRows))).toBeLessThan(1.4);
  });

  it('shrinks with more rows, grows with more bins, and is infinite without rows', () => {
    const bound = (bins: number, rows: number) => psiBound(new Array(bins).fill(100), new Array(bins).fill(rows), 0.01);
    expect(bound(10, 1_000)).toBeLessThan(bound(10, 10));
    expect(psiBound([50, 50, 50], [20, 20, 20], 0.01)).toBeGreaterThan(psiBound([75, 75], [30, 30], 0.01));
    expect(psiBound([1, 2], [0, 0], 0.01)).toBe(Number.POSITIVE_INFINITY);
    expect(psiBound([10, 0], [5, 0], 0.01)).toBe(0);
  });
});

/** Counts of so many rows by the normal limit of the multinomial: a large sample without drawing each row. */
function drawLarge(random: () => number, shares: readonly number[], rows: number): number[] {
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const poisson = shares.map((part) => Math.max(0, part * rows + Math.sqrt(part * rows) * normal()));
  const scale = rows / total(poisson);
  return poisson.map((count) => Math.round(count * scale));
}
