/**
 * How far two binned samples lie apart. Every function takes integer counts in the same bins, before (n rows) and now
 * (m rows), and is 0 for equal shares. `docs/decisions/0003-drift-statistics.md` says which of them decides, and why.
 */
import { chiSquareQuantile, chiSquareTail } from './chi-square.ts';

type Bins = readonly number[];

/**
 * Population stability index Σ (q - p) ln(q / p), p and q the shares of a bin before and now (natural logarithm; the
 * symmetrized Kullback-Leibler divergence of Jeffreys, 1946; Lewis, An Introduction to Credit Scoring, 1994).
 *
 * Half a row is added to every bin of both samples (Jeffreys' prior, as Krichevsky and Trofimov 1981 for shares), so an
 * empty bin gives a large and finite term. Bins that are empty on both sides are left out. 0 when a sample is empty.
 */
export function populationStabilityIndex(before: Bins, now: Bins): number {
  if (total(before) === 0 || total(now) === 0) return 0;
  const occupied = align(before, now).filter(([a, b]) => a + b > 0);
  const rowsBefore = total(before) + occupied.length * HALF_ROW;
  const rowsNow = total(now) + occupied.length * HALF_ROW;
  return occupied.reduce((sum, [a, b]) => {
    const p = (a + HALF_ROW) / rowsBefore;
    const q = (b + HALF_ROW) / rowsNow;
    return sum + (q - p) * Math.log(q / p);
  }, 0);
}

/**
 * The PSI that two samples of one distribution exceed with probability `tail`: (1/n + 1/m) times the chi-square quantile
 * with B - 1 degrees of freedom, B the bins that are occupied (Yurdakul 2018, Statistical Properties of Population
 * Stability Index, Western Michigan University; Yurdakul and Naranjo, Journal of Risk Model Validation 14(4), 2020).
 * Its mean is (1/n + 1/m)(B - 1). The approximation wants at least about one row expected a bin: see `groupRareBins`.
 * Infinite when a sample is empty, 0 when one bin holds everything.
 */
export function psiBound(before: Bins, now: Bins, tail: number): number {
  const rowsBefore = total(before);
  const rowsNow = total(now);
  if (rowsBefore === 0 || rowsNow === 0) return Number.POSITIVE_INFINITY;
  const occupied = align(before, now).filter(([a, b]) => a + b > 0).length;
  return occupied < 2 ? 0 : (1 / rowsBefore + 1 / rowsNow) * chiSquareQuantile(tail, occupied - 1);
}

/**
 * Bins in which fewer than `minimum` rows of the smaller sample are expected become one bin, the last (the rule of
 * Cochran 1954, Biometrics 10(4)). Without this a column of many rare values looks drifted in every small sample.
 *
 * What is expected must not be chosen by the noise that is then judged. So the shares are those of the larger sample
 * alone, where it is so much larger that its own noise is small; of both together where they are of like size. (Always
 * both together is wrong for a baseline of quantiles, whose counts are equal by construction: with one row expected a bin,
 * the bins with no row now would be put aside, and 96 % of samples without drift exceeded the bound.)
 */
export function groupRareBins(before: Bins, now: Bins, minimum = 1): { before: number[]; now: number[] } {
  const [rowsBefore, rowsNow] = [total(before), total(now)];
  const smaller = Math.min(rowsBefore, rowsNow);
  const weightBefore = rowsNow > rowsBefore * MUCH_LARGER ? 0 : 1;
  const weightNow = rowsBefore > rowsNow * MUCH_LARGER ? 0 : 1;
  const expected = smaller / (weightBefore * rowsBefore + weightNow * rowsNow);
  const kept: { before: number[]; now: number[] } = { before: [], now: [] };
  let [rareBefore, rareNow] = [0, 0];
  for (const [a, b] of align(before, now)) {
    if ((weightBefore * a + weightNow * b) * expected >= minimum) {
      kept.before.push(a);
      kept.now.push(b);
    } else {
      rareBefore += a;
      rareNow += b;
    }
  }
  return { before: [...kept.before, rareBefore], now: [...kept.now, rareNow] };
}

/**
 * Square root of the Jensen-Shannon divergence in base 2 (Lin 1991, IEEE Trans. Information Theory 37(1); Endres and
 * Schindelin 2003 for the metric): from 0 to 1, 1 for samples with no bin in common. 0 when a sample is empty.
 */
export function jensenShannonDistance(before: Bins, now: Bins): number {
  const rowsBefore = total(before);
  const rowsNow = total(now);
  if (rowsBefore === 0 || rowsNow === 0) return 0;
  const divergence = align(before, now).reduce((sum, [a, b]) => {
    const p = a / rowsBefore;
    const q = b / rowsNow;
    const middle = (p + q) / 2;
    return sum + (p > 0 ? p * Math.log2(p / middle) : 0) / 2 + (q > 0 ? q * Math.log2(q / middle) : 0) / 2;
  }, 0);
  // Rounding can leave the sum of equal shares a hair outside of [0, 1].
  return Math.sqrt(Math.min(1, Math.max(0, divergence)));
}

/**
 * Kolmogorov-Smirnov distance at the edges of ordered bins: the largest difference of the cumulative shares, from 0 to 1.
 * It is a lower bound of the distance of the raw samples, as nothing is known inside a bin. 0 when a sample is empty.
 */
export function kolmogorovSmirnov(before: Bins, now: Bins): number {
  return Math.max(0, ...cumulativeDifferences(before, now).map(Math.abs));
}

/**
 * Wasserstein-1 distance (earth mover's distance, in one dimension the area between the cumulative shares: Vallender 1974,
 * Theory of Probability and its Applications 18) of ordered bins, each at its `binPositions`, divided by the standard
 * deviation of `before` at these positions: 0.5 means that the values moved half a standard deviation on average. When
 * `before` lies in one bin the divisor is the distance of the outermost positions. 0 when a sample is empty or there is
 * one bin.
 *
 * @param edges ascending, one fewer than bins.
 */
export function wassersteinDistance(edges: readonly number[], before: Bins, now: Bins): number {
  const positions = binPositions(edges);
  if (positions.length !== before.length) {
    throw new RangeError(`got ${edges.length} edges and ${before.length} bins, expected one edge fewer than bins`);
  }
  const area = cumulativeDifferences(before, now).reduce(
    (sum, difference, bin) => sum + Math.abs(difference) * ((positions[bin + 1] ?? 0) - (positions[bin] ?? 0)),
    0,
  );
  const span = (positions.at(-1) ?? 0) - (positions[0] ?? 0);
  const divisor = deviation(positions, before) || span;
  return divisor > 0 ? area / divisor : 0;
}

/**
 * Where the rows of a bin are taken to lie: the middle of its edges; an outer bin, which is open, half the width of its
 * neighbour beyond its edge. A single edge has no neighbour: width 1, which the normalization takes out again.
 */
export function binPositions(edges: readonly number[]): number[] {
  const [first, last] = [edges[0], edges.at(-1)];
  if (first === undefined || last === undefined) return [0];
  const middles = edges.slice(1).map((edge, index) => (edge + (edges[index] ?? edge)) / 2);
  const below = edges.length > 1 ? (middles[0] ?? first) - first : 0.5;
  const above = edges.length > 1 ? last - (middles.at(-1) ?? last) : 0.5;
  return [first - below, ...middles, last + above];
}

/**
 * Pearson's chi-square test that two samples come from one distribution: a 2 × B table without continuity correction
 * (Pearson 1911, Biometrika 8). Occupied bins less one are the degrees of freedom; p-value 1 when fewer than two are.
 * With large samples any difference is significant: it is reported, and does not decide.
 */
export function chiSquareTest(before: Bins, now: Bins): { statistic: number; degrees: number; pValue: number } {
  const rowsBefore = total(before);
  const rowsNow = total(now);
  const occupied = align(before, now).filter(([a, b]) => a + b > 0);
  const degrees = occupied.length - 1;
  if (rowsBefore === 0 || rowsNow === 0 || degrees < 1) return { statistic: 0, degrees: 0, pValue: 1 };
  const rows = rowsBefore + rowsNow;
  const statistic = occupied.reduce((sum, [a, b]) => {
    const expectedBefore = ((a + b) * rowsBefore) / rows;
    const expectedNow = ((a + b) * rowsNow) / rows;
    return sum + (a - expectedBefore) ** 2 / expectedBefore + (b - expectedNow) ** 2 / expectedNow;
  }, 0);
  return { statistic, degrees, pValue: chiSquareTail(statistic, degrees) };
}

/** Part of a whole, 0 of an empty whole. */
export function share(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0;
}

export function total(counts: Bins): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

const HALF_ROW = 0.5;
/** Ten times: where a row is expected in the smaller sample there are ten in the larger, with a third of the noise. */
const MUCH_LARGER = 10;

function align(before: Bins, now: Bins): [number, number][] {
  if (before.length !== now.length) {
    throw new RangeError(`got ${before.length} bins before and ${now.length} now, expected the same bins`);
  }
  return before.map((count, bin) => [count, now[bin] ?? 0]);
}

/** Cumulative share before less cumulative share now, after each bin. */
function cumulativeDifferences(before: Bins, now: Bins): number[] {
  const rowsBefore = total(before);
  const rowsNow = total(now);
  if (rowsBefore === 0 || rowsNow === 0) return before.map(() => 0);
  let [seenBefore, seenNow] = [0, 0];
  return align(before, now).map(([a, b]) => {
    seenBefore += a;
    seenNow += b;
    return seenBefore / rowsBefore - seenNow / rowsNow;
  });
}

function deviation(positions: readonly number[], counts: Bins): number {
  const rows = total(counts);
  if (rows === 0) return 0;
  const mean = counts.reduce((sum, count, bin) => sum + count * (positions[bin] ?? 0), 0) / rows;
  return Math.sqrt(counts.reduce((sum, count, bin) => sum + count * ((positions[bin] ?? 0) - mean) ** 2, 0) / rows);
}
