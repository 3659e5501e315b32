/** A profile in figures that people and pages read, and a profile as text that another pass merges with its own. */
import * as z from 'zod/mini';
import { estimateDistinct } from './distinct-sketch.ts';
import { type FrequentValues, mostFrequent, settled } from './frequent-values.ts';
import type { ColumnProfile, NumericProfile, Profile } from './profile.ts';
import { binCounts, quantiles, rankError, rankedCounts, rankedValues } from './quantile-sketch.ts';

const SHARES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99] as const;
const BINS = 20;
const SHOWN_VALUES = 10;

export interface ColumnSummary {
  readonly name: string;
  readonly kind: ColumnProfile['kind'];
  readonly rows: number;
  readonly missing: number;
  /** Exact while there are few; else within 1.6 % (standard error). */
  readonly distinct: number;
  /** Most frequent first, where they are kept; `undercount` is how much a count may be too small. */
  readonly frequent?: {
    readonly undercount: number;
    readonly values: readonly { readonly value: string | number; readonly count: number }[];
  };
  readonly numbers?: NumberSummary;
}

/** In the column's unit; a time in milliseconds since 1970, UTC. */
interface NumberSummary {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** Of the sample (n - 1); 0 for one value. */
  readonly standardDeviation: number;
  /** `rankError` is how far a quantile's rank may be off, as a share of the values. */
  readonly quantiles: readonly { readonly share: number; readonly value: number }[];
  readonly rankError: number;
  /** Bins of equal width from min to max: k inner edges, k + 1 counts, each off by at most twice the rank error. */
  readonly histogram: { readonly edges: readonly number[]; readonly counts: readonly number[] };
}

export function summarizeProfile(profile: Profile): { rows: number; columns: ColumnSummary[] } {
  return { rows: profile.rows, columns: [...profile.columns].map(([name, column]) => summarize(name, column)) };
}

function summarize(name: string, column: ColumnProfile): ColumnSummary {
  const frequent = frequentOf(column);
  return {
    name,
    kind: column.kind,
    rows: column.count + column.missing,
    missing: column.missing,
    distinct: frequent?.undercount === 0 ? frequent.counts.size : estimateDistinct(column.distinct),
    ...(frequent && {
      frequent: { undercount: frequent.undercount, values: mostFrequent(frequent.counts, SHOWN_VALUES) },
    }),
    ...(column.kind === 'numeric' && column.count > 0 && { numbers: summarizeNumbers(column) }),
  };
}

/** Undefined where none are kept: ids, text, personal data, and numbers with many different values. */
function frequentOf(
  column: ColumnProfile,
): { counts: ReadonlyMap<string | number, number>; undercount: number } | undefined {
  if (column.kind === 'categorical') return settled(column.frequent);
  return column.kind === 'numeric' && 'counts' in column.values
    ? { counts: column.values.counts, undercount: 0 }
    : undefined;
}

function summarizeNumbers({ min, max, mean, squares, count, values }: NumericProfile): NumberSummary {
  const edges =
    max > min ? Array.from({ length: BINS - 1 }, (_, index) => min + (max / BINS - min / BINS) * (index + 1)) : [];
  const ranked = 'counts' in values ? rankedCounts(values.counts) : rankedValues(values.sketch);
  const found = quantiles(ranked, SHARES);
  return {
    min,
    max,
    mean,
    standardDeviation: Math.sqrt(squares / Math.max(1, count - 1)),
    quantiles: SHARES.flatMap((share, index) => {
      const value = found[index];
      return value === undefined ? [] : [{ share, value }];
    }),
    rankError: 'counts' in values ? 0 : rankError(values.sketch),
    histogram: { edges, counts: binCounts(ranked, edges) },
  };
}

/** The whole profile as JSON, about 30 kB for a numeric column of a million values; `decodeProfile` undoes it. */
export function encodeProfile(profile: Profile): string {
  const columns = [...profile.columns].map(([name, column]) => ({
    name,
    ...column,
    distinct: Buffer.from(column.distinct).toString('base64'),
    ...(column.kind === 'categorical' && { frequent: encodeFrequent(column.frequent) }),
    // JSON has no infinity: the extremes of no values.
    ...(column.kind === 'numeric' && {
      min: orNull(column.min),
      max: orNull(column.max),
      values: 'counts' in column.values ? { counts: [...column.values.counts] } : column.values,
    }),
  }));
  return JSON.stringify({ schemaVersion: 1, rows: profile.rows, columns });
}

/** @throws ZodError when the text is no profile of this version. */
export function decodeProfile(text: string): Profile {
  const { rows, columns } = encodedProfile.parse(JSON.parse(text));
  return { rows, columns: new Map(columns.map(({ name, ...column }) => [name, column])) };
}

const orNull = (number: number): number | null => (Number.isFinite(number) ? number : null);

function encodeFrequent(frequent: FrequentValues) {
  const { counts, undercount } = settled(frequent);
  return { counts: [...counts], undercount };
}

const count = z.number().check(z.minimum(0));
const encodedFrequent = z.object({
  counts: z.pipe(
    z.array(z.tuple([z.string(), count])),
    z.transform((counts) => new Map(counts)),
  ),
  undercount: count,
});
const counted = {
  name: z.string(),
  count,
  missing: count,
  distinct: z.pipe(
    z.base64(),
    z.transform((text) => new Uint8Array(Buffer.from(text, 'base64'))),
  ),
};
const encodedProfile = z.object({
  schemaVersion: z.literal(1),
  rows: count,
  columns: z.array(
    z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('opaque'), ...counted }),
      z.object({ kind: z.literal('categorical'), ...counted, frequent: encodedFrequent }),
      z.object({
        kind: z.literal('numeric'),
        isTime: z.boolean(),
        ...counted,
        min: z.pipe(
          z.nullable(z.number()),
          z.transform((min) => min ?? Number.POSITIVE_INFINITY),
        ),
        max: z.pipe(
          z.nullable(z.number()),
          z.transform((max) => max ?? Number.NEGATIVE_INFINITY),
        ),
        mean: z.number(),
        squares: z.number(),
        values: z.union([
          z.object({
            counts: z.pipe(
              z.array(z.tuple([z.number(), count])),
              z.transform((counts) => new Map(counts)),
            ),
          }),
          z.object({
            sketch: z.object({ count, levels: z.array(z.array(z.number())), compactions: z.array(count) }),
          }),
        ]),
      }),
    ]),
  ),
});
