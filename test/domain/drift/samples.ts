/** Samples for the drift tests: a seeded generator, baselines, and counts of rows drawn from given shares. */
import * as fc from 'fast-check';
import type { BaselineFile, FeatureBins } from '../../../lambdas/contract/model-files.ts';
import { baselineCounts, type Counts, emptyCounts } from '../../../lambdas/domain/drift/counts.ts';

/** Mulberry32: 32 bits of state, uniform in [0, 1). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How many of `rows` rows fall in each bin, each bin with its probability. */
export function draw(random: () => number, shares: readonly number[], rows: number): number[] {
  const bounds: number[] = [];
  for (const part of shares) bounds.push((bounds.at(-1) ?? 0) + part);
  const counts = shares.map(() => 0);
  for (let row = 0; row < rows; row++) {
    const point = random() * (bounds.at(-1) ?? 1);
    const bin = bounds.findIndex((bound) => point < bound);
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts;
}

export function numeric(name: string, edges: number[], counts: number[], missing = 0): FeatureBins {
  return { name, kind: 'numeric', edges, counts, missing };
}

export function categorical(name: string, values: string[], counts: number[], other = 0, missing = 0): FeatureBins {
  return { name, kind: 'categorical', values, counts, other, missing };
}

export function baselineOf(features: FeatureBins[], prediction: FeatureBins): BaselineFile {
  const rows = Math.max(0, ...features.map((bins) => baselineCounts(bins).reduce((sum, count) => sum + count, 0)));
  return { schemaVersion: 1, rows, features, prediction };
}

/** Counts in the baseline's bins, one vector a feature. */
export function countsOf(baseline: BaselineFile, features: number[][], prediction: number[]): Counts {
  return { ...emptyCounts(baseline), rows: prediction.reduce((sum, count) => sum + count, 0), features, prediction };
}

const name = fc.string({ minLength: 1, maxLength: 8 });
const count = fc.nat(500);

const numericBins: fc.Arbitrary<FeatureBins> = fc
  .tuple(
    name,
    fc.uniqueArray(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }), { maxLength: 8 }),
  )
  .chain(([label, edges]) => {
    const ascending = [...new Set(edges.map((edge) => edge + 0))].sort((a, b) => a - b);
    return fc
      .tuple(fc.array(count, { minLength: ascending.length + 1, maxLength: ascending.length + 1 }), count)
      .map(([counts, missing]) => numeric(label, ascending, counts, missing));
  });

const categoricalBins: fc.Arbitrary<FeatureBins> = fc
  .tuple(name, fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { maxLength: 6 }))
  .chain(([label, values]) =>
    fc
      .tuple(fc.array(count, { minLength: values.length, maxLength: values.length }), count, count)
      .map(([counts, other, missing]) => categorical(label, values, counts, other, missing)),
  );

export const anyBins = fc.oneof(numericBins, categoricalBins);

export const anyBaseline: fc.Arbitrary<BaselineFile> = fc
  .tuple(fc.uniqueArray(anyBins, { maxLength: 4, selector: (bins) => bins.name }), numericBins)
  .map(([features, prediction]) => baselineOf(features, prediction));

/** Rows and predictions for a baseline whose prediction is a number. */
export function anyTraffic(baseline: BaselineFile) {
  const value = fc.oneof(
    fc.double(),
    fc.string({ maxLength: 4 }),
    fc.constantFrom(null, true, false, '', '3.5', 'NaN', undefined),
    ...baseline.features.flatMap((bins) =>
      bins.kind === 'numeric'
        ? bins.edges.map((edge) => fc.constant<unknown>(edge))
        : bins.values.map((entry) => fc.constant<unknown>(entry)),
    ),
  );
  const row = fc.record(Object.fromEntries(baseline.features.map((bins) => [bins.name, value])), { requiredKeys: [] });
  return fc.array(fc.tuple(row, fc.double({ noNaN: true })), { maxLength: 20 });
}

/** Counts of random traffic in one baseline's bins. */
export function anyCounts(baseline: BaselineFile): fc.Arbitrary<Counts> {
  const vector = (bins: FeatureBins) => {
    const { length } = baselineCounts(bins);
    return fc.array(count, { minLength: length, maxLength: length });
  };
  return fc
    .tuple(fc.tuple(...baseline.features.map(vector)), vector(baseline.prediction))
    .map(([features, prediction]) => countsOf(baseline, features, prediction));
}
