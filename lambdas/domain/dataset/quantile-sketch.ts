/**
 * Quantiles of numbers in bounded memory, mergeable in any order: the compactor ladder of Munro-Paterson and
 * Manku-Rajagopalan-Lindsay, in the form of KLL (https://arxiv.org/abs/1603.05346), made deterministic.
 *
 *     level 0  ▮▮▮▮▮▮▮▮  weight 1     full: sort, every second value goes up, starting
 *     level 1  ▮▮▮▮▯▯▯▯  weight 2     with the first and with the second by turns
 *     level 2  ▮▯▯▯▯▯▯▯  weight 4
 *
 * Error: one compaction at level h moves the rank of any value by at most 2^h, and takes at least K values of weight 2^h.
 * So level h moves a rank by at most n / K, and all of them by n × levels / K, where levels <= log2(n / K) + 1. With
 * K = 1024 that is exact below 1024 values, at most 1.1 % of n for a million, 2.1 % for a billion; by turns the moves
 * cancel, and what is seen is a tenth of that. The bound holds after any merges; `rankError` says how much of it is used.
 */
export const LEVEL_SIZE = 1024;

/** Plain data: it is stored as JSON. */
export interface QuantileSketch {
  count: number;
  /** Values of weight 2^index. */
  levels: number[][];
  /** Compactions of each level so far: the parity says which half goes up next. */
  compactions: number[];
}

export const emptySketch = (): QuantileSketch => ({ count: 0, levels: [[]], compactions: [0] });

export function addToSketch(sketch: QuantileSketch, value: number): void {
  sketch.count += 1;
  const [bottom = []] = sketch.levels;
  bottom.push(value);
  if (bottom.length >= LEVEL_SIZE) compact(sketch);
}

/** Adds a value that came `times` times, exactly: one entry at each level whose weight is in the sum. */
export function addRepeated(sketch: QuantileSketch, value: number, times: number): void {
  sketch.count += times;
  for (let level = 0, rest = times; rest > 0; level++, rest = Math.floor(rest / 2)) {
    if (level === sketch.levels.length) {
      sketch.levels.push([]);
      sketch.compactions.push(0);
    }
    if (rest % 2 === 1) sketch.levels[level]?.push(value);
  }
  compact(sketch);
}

/** Commutative exactly; associative up to the error above. */
export function mergeSketches(a: QuantileSketch, b: QuantileSketch): QuantileSketch {
  const height = Math.max(a.levels.length, b.levels.length);
  const merged: QuantileSketch = { count: a.count + b.count, levels: [], compactions: [] };
  for (let level = 0; level < height; level++) {
    merged.levels.push([...(a.levels[level] ?? []), ...(b.levels[level] ?? [])].sort(ascending));
    merged.compactions.push((a.compactions[level] ?? 0) + (b.compactions[level] ?? 0));
  }
  compact(merged);
  return merged;
}

/** Largest distance of a rank from the true one, as a share of all values: what the compactions so far can have moved. */
export function rankError(sketch: QuantileSketch): number {
  const moved = sketch.compactions.reduce((sum, compactions, level) => sum + compactions * 2 ** level, 0);
  return sketch.count === 0 ? 0 : moved / sketch.count;
}

/** Values in ascending order, each with how many values it stands for. */
export type RankedValues = readonly { readonly value: number; readonly weight: number }[];

export function rankedValues(sketch: QuantileSketch): RankedValues {
  return sketch.levels
    .flatMap((values, level) => values.map((value) => ({ value, weight: 2 ** level })))
    .sort((a, b) => a.value - b.value);
}

export function rankedCounts(counts: ReadonlyMap<number, number>): RankedValues {
  return [...counts].map(([value, weight]) => ({ value, weight })).sort((a, b) => a.value - b.value);
}

/** The smallest values that at least the given shares of all values do not exceed; shares ascend. Empty for no values. */
export function quantiles(values: RankedValues, shares: readonly number[]): number[] {
  const count = values.reduce((sum, { weight }) => sum + weight, 0);
  const found: number[] = [];
  let rank = 0;
  let index = -1;
  for (const share of shares) {
    while (index < 0 || (rank < share * count && index < values.length - 1)) {
      index += 1;
      rank += values[index]?.weight ?? 0;
    }
    const at = values[index];
    if (at) found.push(at.value);
  }
  return found;
}

/** Values in each bin: (-inf, e1], (e1, e2], ..., (ek, inf). */
export function binCounts(values: RankedValues, edges: readonly number[]): number[] {
  const counts = new Array<number>(edges.length + 1).fill(0);
  let bin = 0;
  for (const { value, weight } of values) {
    while (bin < edges.length && value > (edges[bin] ?? Number.POSITIVE_INFINITY)) bin += 1;
    counts[bin] = (counts[bin] ?? 0) + weight;
  }
  return counts;
}

const ascending = (a: number, b: number): number => a - b;

/** Empties the levels that are full, from below; of an odd number of values the largest stays. */
function compact(sketch: QuantileSketch): void {
  for (let level = 0; level < sketch.levels.length; level++) {
    const values = sketch.levels[level] ?? [];
    if (values.length < LEVEL_SIZE) continue;
    const sorted = new Float64Array(values).sort();
    const pairs = sorted.length - (sorted.length % 2);
    const turn = (sketch.compactions[level] ?? 0) % 2;
    sketch.compactions[level] = (sketch.compactions[level] ?? 0) + 1;
    if (level + 1 === sketch.levels.length) {
      sketch.levels.push([]);
      sketch.compactions.push(0);
    }
    const above = sketch.levels[level + 1] ?? [];
    for (let index = turn; index < pairs; index += 2) above.push(sorted[index] ?? 0);
    sketch.levels[level] = Array.from(sorted.subarray(pairs));
  }
}
