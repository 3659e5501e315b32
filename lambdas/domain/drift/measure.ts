/**
 * One drift measurement: captured counts against the baseline of the model that answered, feature by feature, and the
 * decision over measurements in a row.
 */
import * as z from 'zod/mini';
import type { BaselineFile, FeatureBins } from '../../contract/model-files.ts';
import type { MonitoringSettings } from '../../contract/settings.ts';
import { truncate } from '../truncate.ts';
import { type BinCounts, baselineCounts, type Counts, encodeCounts, fingerprint, layoutOf } from './counts.ts';
import {
  chiSquareTest,
  groupRareBins,
  jensenShannonDistance,
  kolmogorovSmirnov,
  populationStabilityIndex,
  psiBound,
  share,
  total,
  wassersteinDistance,
} from './statistics.ts';

/** What the caller stores with a measurement and hands to the next one. */
export const driftState = z.object({
  /** Bins of the baseline: a new model starts at 0. */
  layout: z.string(),
  /** Judged measurements in a row that found drift. */
  consecutive: z.int().check(z.minimum(0)),
  /** Fingerprint of the counts that were judged last: the same rows are evidence once. Null before the first. */
  judged: z.nullable(z.string()),
});
export type DriftState = z.infer<typeof driftState>;

export interface FeatureDrift {
  readonly name: string;
  /** Over all bins, `other` and missing among them; rare bins grouped. */
  readonly psi: number;
  /** PSI that about 1 % of measurements of these sample sizes without drift exceed in any feature; null without rows. */
  readonly psiBound: number | null;
  /** Base 2, 0 to 1. */
  readonly jensenShannon: number;
  /** Of values that are not missing; null for a category, which has no order. */
  readonly ks: number | null;
  /** In standard deviations of the baseline; null for a category. */
  readonly wasserstein: number | null;
  readonly chiSquarePValue: number;
  /** Shares of rows. */
  readonly missingBefore: number;
  readonly missingNow: number;
  /** Share of values that the baseline does not list, among those that are not missing; null for a number. */
  readonly unseenBefore: number | null;
  readonly unseenShare: number | null;
  readonly drifted: boolean;
}

export type DriftDecision = 'too-few-rows' | 'none' | 'pending' | 'drifted';

export interface DriftMeasurement {
  /** Captured rows that were measured. */
  readonly rows: number;
  /** In the order of the baseline. */
  readonly features: readonly FeatureDrift[];
  readonly prediction: FeatureDrift;
  readonly decision: DriftDecision;
  /** Judged measurements in a row that found drift, this one among them. */
  readonly consecutive: number;
  /** What a person should know, most important first. No value of a row, only bins and shares. */
  readonly reasons: readonly string[];
  readonly state: DriftState;
}

export type DriftPolicy = Pick<MonitoringSettings, 'minimumRows' | 'psi' | 'consecutive'>;

/** Share of measurements without drift in which the bound of any feature is exceeded. */
export const FALSE_ALARM_RATE = 0.01;

/**
 * A feature has drifted when its PSI reaches the policy's threshold (the shift is large) and exceeds its bound (the
 * shift is not the noise of a small sample). Drift of any feature or of the prediction counts.
 *
 *     too-few-rows   fewer rows than `minimumRows`; the row of measurements is neither continued nor broken
 *     none           nothing drifted; the next drift counts as the first
 *     pending        drifted, in fewer measurements in a row than `consecutive`
 *     drifted        drifted in at least that many; stays so until a measurement finds none
 *
 * The same counts as in the measurement before (a repeated event, no new traffic) do not count again.
 *
 * @throws RangeError when the counts are not in this baseline's bins.
 */
export function measureDrift(input: {
  readonly baseline: BaselineFile;
  readonly counts: Counts;
  readonly policy: DriftPolicy;
  /** `state` of the measurement before, if there was one. */
  readonly previous?: DriftState | undefined;
}): DriftMeasurement {
  const { baseline, counts, policy } = input;
  const layout = layoutOf(baseline);
  if (counts.layout !== layout) {
    throw new RangeError(
      `got counts in bins ${counts.layout}, expected bins ${layout}: measure with the baseline of the model that answered`,
    );
  }
  const judge = featureJudge(policy.psi, FALSE_ALARM_RATE / (baseline.features.length + 1));
  const features = baseline.features.map((bins, index) => judge(bins, counts.features[index] ?? []));
  const prediction = judge(baseline.prediction, counts.prediction);
  const previous: DriftState =
    input.previous?.layout === layout ? input.previous : { layout, consecutive: 0, judged: null };

  const measured = { rows: counts.rows, features, prediction };
  if (counts.rows < policy.minimumRows) {
    const reason = `${counts.rows} captured rows, ${policy.minimumRows} are needed for a judgement`;
    const { consecutive } = previous;
    return { ...measured, decision: 'too-few-rows', consecutive, reasons: [reason], state: previous };
  }

  const judged = fingerprint(encodeCounts(counts));
  const repeated = judged === previous.judged;
  const found = features.some((feature) => feature.drifted) || prediction.drifted;
  const consecutive = found ? (repeated ? previous.consecutive : previous.consecutive + 1) : 0;
  const decision = !found ? 'none' : consecutive >= policy.consecutive ? 'drifted' : 'pending';
  const reasons = [
    ...describeDrifted(baseline, counts, measured, policy),
    ...(decision === 'none' ? [describeStable(measured, policy)] : []),
    ...(decision === 'pending'
      ? [`drift in ${consecutive} of ${policy.consecutive} measurements in a row that declare it`]
      : []),
    ...(found && repeated ? ['the same rows as in the measurement before: they count once'] : []),
  ];
  return { ...measured, decision, consecutive, reasons, state: { layout, consecutive, judged } };
}

type Measured = Pick<DriftMeasurement, 'rows' | 'features' | 'prediction'>;

/** Judges features at one threshold; `tail` is each feature's part of the false alarm rate (Bonferroni). */
function featureJudge(threshold: number, tail: number): (bins: FeatureBins, now: BinCounts) => FeatureDrift {
  return (bins, now) => {
    const before = baselineCounts(bins);
    const grouped = groupRareBins(before, now);
    const psi = populationStabilityIndex(grouped.before, grouped.now);
    const bound = psiBound(grouped.before, grouped.now, tail);
    const rowsBefore = total(before);
    const rowsNow = total(now);
    return {
      name: bins.name,
      psi,
      psiBound: Number.isFinite(bound) ? bound : null,
      jensenShannon: jensenShannonDistance(before, now),
      chiSquarePValue: chiSquareTest(grouped.before, grouped.now).pValue,
      missingBefore: share(bins.missing, rowsBefore),
      missingNow: share(now.at(-1) ?? 0, rowsNow),
      ...compareValues(bins, now),
      drifted: psi >= threshold && psi > bound,
    };
  };
}

/** The statistics of values that are not missing: distances along an order, or the share of unlisted values. */
function compareValues(
  bins: FeatureBins,
  now: BinCounts,
): Pick<FeatureDrift, 'ks' | 'wasserstein' | 'unseenBefore' | 'unseenShare'> {
  const present = now.slice(0, -1);
  if (bins.kind === 'numeric') {
    return {
      ks: kolmogorovSmirnov(bins.counts, present),
      wasserstein: wassersteinDistance(bins.edges, bins.counts, present),
      unseenBefore: null,
      unseenShare: null,
    };
  }
  return {
    ks: null,
    wasserstein: null,
    unseenBefore: share(bins.other, total(bins.counts) + bins.other),
    unseenShare: share(present.at(-1) ?? 0, total(present)),
  };
}

/** Sentences of a measurement: they stand in an item and an event. */
const FEATURES_TOLD = 50;

/** A job wrote the names of features and values. */
const cut = (text: string) => truncate(text, 100);

/** A sentence for each drifted feature, largest PSI first: how much, and which bin moved most. */
function describeDrifted(baseline: BaselineFile, counts: Counts, measured: Measured, policy: DriftPolicy): string[] {
  const all = [
    ...measured.features.map((drift, index) => ({
      drift,
      bins: baseline.features[index],
      now: counts.features[index],
    })),
    { drift: measured.prediction, bins: baseline.prediction, now: counts.prediction },
  ];
  const drifted = all.filter(({ drift }) => drift.drifted).sort((a, b) => b.drift.psi - a.drift.psi);
  const sentences = drifted.slice(0, FEATURES_TOLD).map(({ drift, bins, now }) => {
    const name = cut(drift.name);
    const what = drift === measured.prediction ? `the prediction (${name})` : name;
    const noise = drift.psiBound === null ? '' : `; noise of this sample size stays below ${decimals(drift.psiBound)}`;
    const moved = bins && now ? `: ${describeLargestMove(bins, now)}` : '';
    return `${what} drifted, PSI ${decimals(drift.psi)} (threshold ${policy.psi}${noise})${moved}`;
  });
  const more = drifted.length - sentences.length;
  return more > 0 ? [...sentences, `${more} more features drifted`] : sentences;
}

function describeStable({ features, prediction }: Measured, policy: DriftPolicy): string {
  const highest = [...features, prediction].reduce((a, b) => (b.psi > a.psi ? b : a));
  const small =
    highest.psi >= policy.psi && highest.psiBound !== null
      ? `, which samples of this size reach without drift (up to ${decimals(highest.psiBound)})`
      : '';
  return `no drift: highest PSI ${decimals(highest.psi)} (${cut(highest.name)}), threshold ${policy.psi}${small}`;
}

function describeLargestMove(bins: FeatureBins, now: BinCounts): string {
  const labels = binLabels(bins);
  const before = baselineCounts(bins);
  const [rowsBefore, rowsNow] = [total(before), total(now)];
  const moves = before.map((count, bin) => {
    const [was, is] = [share(count, rowsBefore), share(now[bin] ?? 0, rowsNow)];
    return {
      size: Math.abs(is - was),
      text: `${cut(labels[bin] ?? '')} ${is < was ? 'fell' : 'rose'} from ${percent(was)} to ${percent(is)} of rows`,
    };
  });
  return moves.reduce((a, b) => (b.size > a.size ? b : a)).text;
}

/** A name for each entry of a feature's vector, for a person. */
export function binLabels(bins: FeatureBins): string[] {
  if (bins.kind === 'categorical') return [...bins.values, 'other values', 'missing'];
  const edges = shorten(bins.edges);
  if (edges.length === 0) return ['all values', 'missing'];
  const inner = edges.slice(1).map((edge, index) => `${edges[index]} to ${edge}`);
  return [`up to ${edges[0]}`, ...inner, `over ${edges.at(-1)}`, 'missing'];
}

/** A share as a percentage of two significant digits, never rounded to 0 % or 100 % when it is neither. */
export function percent(part: number): string {
  if (part > 0 && part < 0.001) return 'under 0.1 %';
  if (part < 1 && part > 0.999) return 'over 99.9 %';
  const value = part * 100;
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value * 10) / 10} %`;
}

/** Three digits after the point at most. */
export function decimals(value: number): string {
  return value > 0 && value < 0.001 ? 'under 0.001' : String(Number(value.toFixed(3)));
}

/** Edges as a person writes them: as few significant digits as keep them apart, three at least. */
function shorten(edges: readonly number[]): string[] {
  for (let digits = 3; digits < 17; digits++) {
    const texts = edges.map((edge) => String(Number(edge.toPrecision(digits))));
    if (new Set(texts).size === edges.length) return texts;
  }
  return edges.map(String);
}
