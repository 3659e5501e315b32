/**
 * What the good rows of an upload look like, column by column, in bounded memory. Profiles of parts merge into the profile
 * of the whole: counts, extremes and distinct estimates exactly, moments up to rounding, quantiles and frequent values up
 * to their stated errors (`quantile-sketch.ts`, `frequent-values.ts`, `distinct-sketch.ts`).
 *
 * | kind        | columns                               | kept                                              |
 * | ---         | ---                                   | ---                                               |
 * | numeric     | number, integer, timestamp            | moments, extremes, quantiles, frequent values     |
 * | categorical | category, boolean                     | frequent values                                   |
 * | opaque      | ids, free text, personal data         | how many values, how many different; never a value |
 */
import type { ColumnSettings } from '../../contract/settings.ts';
import { addDistinct, type DistinctSketch, emptyDistinct, mergeDistinct } from './distinct-sketch.ts';
import { countValue, type FrequentValues, mergeFrequent, noValues, settled } from './frequent-values.ts';
import { Hash64 } from './hash.ts';
import { addRepeated, addToSketch, emptySketch, mergeSketches, type QuantileSketch } from './quantile-sketch.ts';
import type { Value } from './values.ts';

interface Counted {
  /** Values that are there, and values that are missing. */
  count: number;
  missing: number;
  distinct: DistinctSketch;
}
interface OpaqueProfile extends Counted {
  readonly kind: 'opaque';
}
interface CategoricalProfile extends Counted {
  readonly kind: 'categorical';
  frequent: FrequentValues;
}
/** A timestamp is in milliseconds since 1970, UTC. */
export interface NumericProfile extends Counted {
  readonly kind: 'numeric';
  readonly isTime: boolean;
  min: number;
  max: number;
  mean: number;
  /** Sum of squared distances from the mean. */
  squares: number;
  values: FewValues | ManyValues;
}
/** At most FEW different values: counts, quantiles and the histogram are exact. */
interface FewValues {
  readonly counts: Map<number, number>;
}
interface ManyValues {
  readonly sketch: QuantileSketch;
}
export type ColumnProfile = OpaqueProfile | CategoricalProfile | NumericProfile;

export interface Profile {
  readonly rows: number;
  readonly columns: ReadonlyMap<string, ColumnProfile>;
}

export function emptyColumnProfile(settings: ColumnSettings): ColumnProfile {
  const counted = { count: 0, missing: 0, distinct: emptyDistinct() };
  if (settings.pii || settings.role === 'id' || settings.type === 'text') return { kind: 'opaque', ...counted };
  if (settings.type === 'category' || settings.type === 'boolean') {
    return { kind: 'categorical', ...counted, frequent: noValues() };
  }
  return {
    kind: 'numeric',
    isTime: settings.type === 'timestamp',
    ...counted,
    min: Number.POSITIVE_INFINITY,
    max: Number.NEGATIVE_INFINITY,
    mean: 0,
    squares: 0,
    values: { counts: new Map() },
  };
}

/** Adds one value; null is missing. Numbers belong to numeric columns, texts and booleans to the others. */
export function addToProfile(profile: ColumnProfile, value: Value | null): void {
  if (value === null) {
    profile.missing += 1;
    return;
  }
  profile.count += 1;
  if (profile.kind === 'numeric' && typeof value === 'number') {
    // The negative zero is zero: JSON does not keep it, and extremes would depend on the order.
    addNumber(profile, value + 0);
    return;
  }
  const text = typeof value === 'string' ? value : String(value);
  if (profile.kind !== 'categorical' || !countValue(profile.frequent, text)) addTextTo(profile.distinct, text);
}

/**
 * The profile of the rows of both.
 *
 * @throws RangeError when they are not of the same columns.
 */
export function mergeProfiles(a: Profile, b: Profile): Profile {
  if ([...a.columns.keys()].sort().join('\n') !== [...b.columns.keys()].sort().join('\n')) {
    throw new RangeError(
      `got profiles of the columns ${[...a.columns.keys()].join(', ')} and ${[...b.columns.keys()].join(', ')}, expected the same columns: inspect both with the same settings`,
    );
  }
  const columns = new Map<string, ColumnProfile>();
  for (const [name, column] of a.columns) {
    const other = b.columns.get(name);
    if (other) columns.set(name, mergeColumns(name, column, other));
  }
  return { rows: a.rows + b.rows, columns };
}

const FEW = 256;

const hash = new Hash64();

function addTextTo(distinct: DistinctSketch, text: string): void {
  hash.start();
  hash.addText(text);
  hash.finish();
  addDistinct(distinct, hash.high, hash.low);
}

function addNumberTo(distinct: DistinctSketch, value: number): void {
  hash.start();
  hash.addNumber(value);
  hash.finish();
  addDistinct(distinct, hash.high, hash.low);
}

/** Mean and squares by Welford's update: no difference of large sums. */
function addNumber(profile: NumericProfile, value: number): void {
  if (value < profile.min) profile.min = value;
  if (value > profile.max) profile.max = value;
  const distance = value - profile.mean;
  profile.mean += distance / profile.count;
  profile.squares += distance * (value - profile.mean);
  if ('sketch' in profile.values) {
    addToSketch(profile.values.sketch, value);
    addNumberTo(profile.distinct, value);
    return;
  }
  const { counts } = profile.values;
  const count = counts.get(value);
  counts.set(value, (count ?? 0) + 1);
  if (count !== undefined) return;
  addNumberTo(profile.distinct, value);
  if (counts.size > FEW) profile.values = { sketch: sketchOf(counts) };
}

function sketchOf(counts: ReadonlyMap<number, number>): QuantileSketch {
  const sketch = emptySketch();
  for (const [value, count] of counts) addRepeated(sketch, value, count);
  return sketch;
}

function mergeValues(a: FewValues | ManyValues, b: FewValues | ManyValues): FewValues | ManyValues {
  if ('counts' in a && 'counts' in b) {
    const counts = new Map(a.counts);
    for (const [value, count] of b.counts) counts.set(value, (counts.get(value) ?? 0) + count);
    return counts.size > FEW ? { sketch: sketchOf(counts) } : { counts };
  }
  const [one, other] = [a, b].map((values) => ('sketch' in values ? values.sketch : sketchOf(values.counts)));
  return { sketch: mergeSketches(one ?? emptySketch(), other ?? emptySketch()) };
}

function mergeColumns(name: string, a: ColumnProfile, b: ColumnProfile): ColumnProfile {
  const counted = {
    count: a.count + b.count,
    missing: a.missing + b.missing,
    distinct: mergeDistinct(a.distinct, b.distinct),
  };
  if (a.kind === 'numeric' && b.kind === 'numeric') {
    return {
      kind: a.kind,
      isTime: a.isTime,
      ...counted,
      min: Math.min(a.min, b.min),
      max: Math.max(a.max, b.max),
      ...mergeMoments(a, b),
      values: mergeValues(a.values, b.values),
    };
  }
  if (a.kind === 'categorical' && b.kind === 'categorical') {
    return { kind: a.kind, ...counted, frequent: mergeFrequent(settled(a.frequent), settled(b.frequent)) };
  }
  if (a.kind === 'opaque' && b.kind === 'opaque') return { kind: a.kind, ...counted };
  throw new RangeError(
    `column ${name}: a ${a.kind} profile cannot be merged with a ${b.kind} one: inspect both with the same settings`,
  );
}

/** Chan, Golub and LeVeque: Updating formulae for computing sample variances (1979). */
function mergeMoments(a: NumericProfile, b: NumericProfile): { mean: number; squares: number } {
  const count = a.count + b.count;
  if (count === 0) return { mean: 0, squares: 0 };
  const distance = b.mean - a.mean;
  return {
    mean: (a.mean * a.count + b.mean * b.count) / count,
    squares: a.squares + b.squares + ((distance * distance * a.count) / count) * b.count,
  };
}
