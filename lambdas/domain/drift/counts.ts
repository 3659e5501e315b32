/**
 * Captured rows as integer counts in the baseline's bins. Counts of two files merge by addition, so a window of any
 * length costs O(features × bins) and no row is read twice.
 *
 * One feature is one vector, in the order of the baseline:
 *
 *     numeric      [ bin 0 .. bin k, missing ]            bin i holds (edge i, edge i+1]
 *     categorical  [ value 0 .. value v, other, missing ]
 */
import * as z from 'zod/mini';
import type { BaselineFile, FeatureBins } from '../../contract/model-files.ts';

/** Counts of one feature: the baseline's bins, then `other` (categorical only), then missing. */
export type BinCounts = readonly number[];

export interface Counts {
  /** Fingerprint of the baseline's bins. Counts in other bins never merge with these. */
  readonly layout: string;
  readonly rows: number;
  /** In the order of `baseline.features`. */
  readonly features: readonly BinCounts[];
  readonly prediction: BinCounts;
}

/** A row that a model was asked about: column → value as it came in JSON, or text from CSV. An absent column is missing. */
export type Row = Readonly<Record<string, unknown>>;
/** What the model answered: a probability or value, or (multiclass) a label. */
export type Prediction = number | { readonly label: string };

/** Counts of no rows: the neutral element of `mergeCounts`. */
export function emptyCounts(baseline: BaselineFile): Counts {
  const zeros = (bins: FeatureBins): BinCounts => new Array<number>(vectorLength(bins)).fill(0);
  return {
    layout: layoutOf(baseline),
    rows: 0,
    features: baseline.features.map(zeros),
    prediction: zeros(baseline.prediction),
  };
}

/**
 * Counts rows and their predictions, one prediction a row.
 *
 * A numeric value goes into bin i with edge i < value <= edge i+1, which is `numpy.searchsorted(edges, value,
 * side='left')`. CSV text is read as a number, a boolean as 1 or 0; what is no number is missing. The empty text is
 * missing for every feature.
 *
 * @throws RangeError when rows and predictions differ in number, or a prediction is not of the baseline's kind.
 */
export function countRows(baseline: BaselineFile, rows: readonly Row[], predictions: readonly Prediction[]): Counts {
  if (rows.length !== predictions.length) {
    throw new RangeError(`got ${rows.length} rows and ${predictions.length} predictions, expected one for each row`);
  }
  const features = baseline.features.map((bins) => {
    const binOf = binFinder(bins);
    const counts = new Array<number>(vectorLength(bins)).fill(0);
    for (const row of rows) increment(counts, binOf(row[bins.name]));
    return counts;
  });
  return {
    layout: layoutOf(baseline),
    rows: rows.length,
    features,
    prediction: countPredictions(baseline.prediction, predictions),
  };
}

/**
 * The counts of both. Commutative and associative, `emptyCounts` is neutral: files may be merged in any order.
 *
 * @throws RangeError when the two were counted in different bins.
 */
export function mergeCounts(a: Counts, b: Counts): Counts {
  if (a.layout !== b.layout) {
    throw new RangeError(
      `counts in bins ${a.layout} cannot be merged with counts in bins ${b.layout}: they belong to different baselines; merge per model version`,
    );
  }
  const add = (x: BinCounts, y: BinCounts): BinCounts => x.map((count, bin) => count + (y[bin] ?? 0));
  return {
    layout: a.layout,
    rows: a.rows + b.rows,
    features: a.features.map((counts, index) => add(counts, b.features[index] ?? [])),
    prediction: add(a.prediction, b.prediction),
  };
}

/** Compact JSON: no names, the baseline has them. 100 features of 10 bins are about 5 kB. */
export function encodeCounts(counts: Counts): string {
  return JSON.stringify({ v: 1, l: counts.layout, n: counts.rows, f: counts.features, p: counts.prediction });
}

/**
 * Undoes `encodeCounts`.
 *
 * @throws Error when the text is of another version, or its counts are not in this baseline's bins.
 */
export function decodeCounts(baseline: BaselineFile, text: string): Counts {
  const parsed = encodedCounts.safeParse(JSON.parse(text));
  if (!parsed.success) {
    throw new Error(`not the counts of a capture (version 1): ${z.prettifyError(parsed.error)}`);
  }
  const { l: layout, n: rows, f: features, p: prediction } = parsed.data;
  const expected = layoutOf(baseline);
  if (layout !== expected) {
    throw new Error(
      `got counts in bins ${layout}, expected bins ${expected}: read them with the baseline of their model`,
    );
  }
  const lengths = [...baseline.features, baseline.prediction].map(vectorLength).join();
  if ([...features, prediction].map((counts) => counts.length).join() !== lengths) {
    throw new Error(`got counts of another shape than the baseline's bins ${expected}: the text was cut or edited`);
  }
  return { layout, rows, features, prediction };
}

/** The baseline's own counts of a feature as a vector, aligned with `Counts`. */
export function baselineCounts(bins: FeatureBins): BinCounts {
  return bins.kind === 'numeric' ? [...bins.counts, bins.missing] : [...bins.counts, bins.other, bins.missing];
}

/**
 * Fingerprint of names and bins: tells apart the baselines of the models of one project.
 *
 * @throws RangeError when a feature's counts do not fit its bins.
 */
export function layoutOf(baseline: BaselineFile): string {
  const bins = [...baseline.features, baseline.prediction].map((feature) => {
    checkBins(feature);
    return [feature.name, feature.kind === 'numeric' ? feature.edges : feature.values];
  });
  return fingerprint(JSON.stringify(bins));
}

/**
 * 16 hexadecimal digits: two 32-bit lanes of the FNV-1a scheme (xor, multiply by an odd constant) over UTF-16 code units,
 * with different start values and constants. A million texts collide with a probability near 1e-7. It is no protection
 * against somebody who forges a text.
 */
export function fingerprint(text: string): string {
  let [first, second] = [0x811c9dc5, 0x9e3779b9];
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    first = Math.imul(first ^ unit, 0x01000193);
    second = Math.imul(second ^ unit ^ (first >>> 15), 0x85ebca6b);
  }
  return [first, second].map((lane) => (lane >>> 0).toString(16).padStart(8, '0')).join('');
}

const encodedCounts = z.object({
  v: z.literal(1),
  l: z.string(),
  n: z.int().check(z.minimum(0)),
  f: z.array(z.array(z.int().check(z.minimum(0)))),
  p: z.array(z.int().check(z.minimum(0))),
});

function vectorLength(bins: FeatureBins): number {
  return bins.kind === 'numeric' ? bins.edges.length + 2 : bins.values.length + 2;
}

function checkBins(bins: FeatureBins): void {
  const expected = bins.kind === 'numeric' ? bins.edges.length + 1 : bins.values.length;
  if (bins.counts.length !== expected) {
    throw new RangeError(
      `baseline of '${bins.name}': got ${bins.counts.length} counts, expected ${expected} (${bins.kind === 'numeric' ? 'edges + 1' : 'one a value'})`,
    );
  }
  if (
    bins.kind === 'numeric' &&
    bins.edges.some((edge, index) => index > 0 && edge <= (bins.edges[index - 1] ?? edge))
  ) {
    throw new RangeError(`baseline of '${bins.name}': expected ascending edges, got ${bins.edges.join(', ')}`);
  }
}

function increment(counts: number[], bin: number): void {
  counts[bin] = (counts[bin] ?? 0) + 1;
}

/** Index in the feature's vector for each value. */
function binFinder(bins: FeatureBins): (value: unknown) => number {
  if (bins.kind === 'numeric') {
    const { edges } = bins;
    const missing = edges.length + 1;
    return (value) => {
      const number = asNumber(value);
      return number === undefined ? missing : searchSorted(edges, number);
    };
  }
  const indexes = new Map(bins.values.map((value, index) => [value, index]));
  const other = bins.values.length;
  return (value) => {
    const text = asCategory(value);
    return text === undefined ? other + 1 : (indexes.get(text) ?? other);
  };
}

/** Number of edges below the value. */
function searchSorted(edges: readonly number[], value: number): number {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((edges[middle] ?? Number.POSITIVE_INFINITY) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function asNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isNaN(value) ? undefined : value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  if (/^(true|false)$/i.test(text)) return text.toLowerCase() === 'true' ? 1 : 0;
  const number = text === '' ? Number.NaN : Number(text);
  return Number.isNaN(number) ? undefined : number;
}

function asCategory(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

function countPredictions(bins: FeatureBins, predictions: readonly Prediction[]): BinCounts {
  const binOf = binFinder(bins);
  const counts = new Array<number>(vectorLength(bins)).fill(0);
  for (const prediction of predictions) {
    const isLabel = typeof prediction !== 'number';
    if (isLabel !== (bins.kind === 'categorical')) {
      throw new RangeError(
        `got a prediction that is a ${isLabel ? 'label' : 'number'}, expected the baseline's kind (${bins.kind}): the capture belongs to another model`,
      );
    }
    increment(counts, binOf(isLabel ? prediction.label : prediction));
  }
  return counts;
}
