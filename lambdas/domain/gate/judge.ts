/**
 * The gate: from an evaluation and the project's rules to a decision record with its reasons. Every rule is judged and
 * recorded, also after one has failed, so a person sees all that stands in the way at once.
 */
import { recordLimits } from '../../contract/limits.ts';
import type { EvaluationFile } from '../../contract/model-files.ts';
import { type GateSettings, minimizedMetrics } from '../../contract/settings.ts';
import { truncate } from '../truncate.ts';

export interface GateReason {
  /** `limit:auc`, `beat-champion`, `slice:carrier=UA`, ... */
  readonly rule: string;
  readonly passed: boolean;
  readonly text: string;
  /** What was compared, in the metric's unit; null where there was nothing to compare. */
  readonly value: number | null;
  readonly limit: number | null;
}

export interface GateDecision {
  /** ask: every rule passed, and a person has the last word. */
  readonly decision: 'approve' | 'reject' | 'ask';
  /** Model version numbers. */
  readonly candidate: number;
  readonly champion: number | null;
  readonly metric: string;
  readonly reasons: readonly GateReason[];
}

export interface GateInput {
  readonly evaluation: EvaluationFile;
  readonly settings: GateSettings;
  readonly candidate: number;
  /** The model in service that the evaluation compared with; null for the first model of a project. */
  readonly champion: number | null;
}

/**
 * Judges a candidate. Rules:
 *
 *     metric          the gate's metric was evaluated
 *     limit:<metric>  at least the floor of a metric that is maximized, at most the ceiling of one that is minimized
 *     beat-champion   the lead over the champion on the same rows is at least `beatChampionBy`; passes without a champion
 *     slice:<c>=<v>   of at least `minimumRows` rows, the loss against the champion is at most `maximumLoss`
 *
 * A metric that is missing or no finite number never passes. Total: any evaluation file gets a decision.
 */
export function judgeCandidate({ evaluation, settings, candidate, champion }: GateInput): GateDecision {
  const reasons = [
    judgeMetric(evaluation, settings),
    ...Object.entries(settings.limits).map(([metric, limit]) => judgeLimit(evaluation, metric, limit)),
    judgeLead(evaluation, settings, champion),
    ...settings.slices.flatMap((rule) => judgeSlices(evaluation, settings.metric, rule, champion)),
  ];
  const passed = reasons.every((reason) => reason.passed);
  const decision = !passed ? 'reject' : settings.approval === 'manual' ? 'ask' : 'approve';
  return { decision, candidate, champion, metric: settings.metric, reasons: asManyAsFit(reasons) };
}

/** All of them, or failed ones first and the rest counted: a decision is one item of the table and one event. */
function asManyAsFit(reasons: readonly GateReason[]): readonly GateReason[] {
  if (reasons.length <= recordLimits.reasons) return reasons;
  const failedFirst = [...reasons.filter(({ passed }) => !passed), ...reasons.filter(({ passed }) => passed)];
  const rest = failedFirst.slice(recordLimits.reasons - 1);
  const failed = rest.filter(({ passed }) => !passed).length;
  const text = `${rest.length} more rules: ${failed === 0 ? 'all passed' : `${failed} failed`}`;
  const counted = { rule: 'more', passed: failed === 0, text, value: null, limit: null };
  return [...failedFirst.slice(0, recordLimits.reasons - 1), counted];
}

/** The decision as lines for a terminal or a mail: a heading, then a line for each rule, failed ones first. */
export function describeDecision(decision: GateDecision): string[] {
  const failed = decision.reasons.filter((reason) => !reason.passed);
  const passed = decision.reasons.filter((reason) => reason.passed);
  const verdict = {
    approve: 'approved',
    reject: `rejected by ${failed.length} of ${decision.reasons.length} rules`,
    ask: 'passed every rule and waits for a person',
  }[decision.decision];
  const against = decision.champion === null ? 'no champion yet' : `champion is model ${decision.champion}`;
  return [
    `model ${decision.candidate} ${verdict} (${against})`,
    ...failed.map((reason) => `  ✗ ${reason.text}`),
    ...passed.map((reason) => `  ✓ ${reason.text}`),
  ];
}

/** A limit of 0.01 admits 0.81 - 0.80, which is 0.010000000000000009 in binary. */
const ROUNDING = 1e-9;

function judgeMetric({ candidate }: EvaluationFile, { metric }: GateSettings): GateReason {
  const value = finite(candidate.metrics[metric]?.value);
  const text = value === null ? unavailable(metric, candidate.metrics) : `${metric} ${short(value)} was evaluated`;
  return { rule: 'metric', passed: value !== null, text, value, limit: null };
}

function judgeLimit({ candidate }: EvaluationFile, metric: string, limit: number): GateReason {
  const rule = `limit:${metric}`;
  const estimate = candidate.metrics[metric];
  const value = finite(estimate?.value);
  if (!estimate || value === null) {
    return { rule, passed: false, text: unavailable(metric, candidate.metrics), value, limit };
  }
  const minimized = minimizedMetrics.has(metric);
  const passed = minimized ? value <= limit + ROUNDING : value >= limit - ROUNDING;
  const [is, wanted] = minimized
    ? [passed ? 'is within' : 'is over', 'ceiling']
    : [passed ? 'reaches' : 'is under', 'floor'];
  const text = `${metric} ${short(value)} (95 %: ${short(estimate.low)} to ${short(estimate.high)}) ${is} its ${wanted} ${short(limit)}`;
  return { rule, passed, text, value, limit };
}

function judgeLead(evaluation: EvaluationFile, settings: GateSettings, champion: number | null): GateReason {
  const { metric, beatChampionBy: limit } = settings;
  const rule = 'beat-champion';
  if (champion === null) {
    return { rule, passed: true, text: 'there is no champion to beat: the first model', value: null, limit };
  }
  if (evaluation.champion === null) {
    const text = `the evaluation did not score champion model ${champion}: evaluate again with it`;
    return { rule, passed: false, text, value: null, limit };
  }
  const lead = leadOf(metric, evaluation.candidate.metrics[metric]?.value, evaluation.champion.metrics[metric]?.value);
  if (lead === null) {
    const text = `no lead in ${metric}: of the candidate, ${unavailable(metric, evaluation.candidate.metrics)}; of champion model ${champion}, ${unavailable(metric, evaluation.champion.metrics)}`;
    return { rule, passed: false, text, value: null, limit };
  }
  const passed = lead >= limit - ROUNDING;
  const text = `${metric} leads champion model ${champion} by ${short(lead)} (at least ${short(limit)} wanted)${describeInterval(evaluation, metric)}`;
  return { rule, passed, text, value: lead, limit };
}

type SliceRule = GateSettings['slices'][number];
type Slice = EvaluationFile['slices'][number];

/** A reason for each slice that is large enough, and one for all that are not. */
function judgeSlices(
  evaluation: EvaluationFile,
  metric: string,
  rule: SliceRule,
  champion: number | null,
): GateReason[] {
  const ofColumn = evaluation.slices.filter((slice) => slice.column === rule.column);
  const whole = { rule: `slice:${rule.column}`, value: null, limit: rule.maximumLoss };
  if (ofColumn.length === 0) {
    const columns = [...new Set(evaluation.slices.map((slice) => slice.column))];
    const text = `no slices of column ${rule.column} were evaluated; evaluated columns: ${listed(columns)}`;
    return [{ ...whole, passed: false, text }];
  }
  if (champion === null) {
    return [{ ...whole, passed: true, text: `slices of ${rule.column}: there is no champion to fall behind` }];
  }
  const large = ofColumn.filter((slice) => slice.rows >= rule.minimumRows);
  const small = ofColumn.length - large.length;
  return [
    ...large.map((slice) => judgeSlice(slice, metric, rule, champion)),
    ...(small > 0
      ? [
          {
            ...whole,
            passed: true,
            text: `${small} slices of ${rule.column} with under ${rule.minimumRows} rows: not judged`,
          },
        ]
      : []),
  ];
}

function judgeSlice(slice: Slice, metric: string, rule: SliceRule, champion: number): GateReason {
  const name = `${slice.column} = ${cut(slice.value)} (${slice.rows} rows)`;
  const record = { rule: `slice:${slice.column}=${cut(slice.value)}`, limit: rule.maximumLoss };
  const mine = finite(slice.candidate[metric]);
  const theirs = finite(slice.champion?.[metric]);
  if (mine === null && theirs === null && slice.champion !== null) {
    // Some metrics do not exist on some rows (the area under the curve, of one class): that is no loss.
    return {
      ...record,
      passed: true,
      text: `${name}: ${metric} has no value on these rows, for either model`,
      value: null,
    };
  }
  const lead = leadOf(metric, mine, theirs);
  if (lead === null) {
    const who = mine === null ? 'the candidate' : `champion model ${champion}`;
    return { ...record, passed: false, text: `${name}: ${metric} of ${who} was not evaluated`, value: null };
  }
  const loss = -lead;
  const passed = loss <= rule.maximumLoss + ROUNDING;
  const moved = loss > 0 ? `falls behind champion model ${champion} by ${short(loss)}` : `leads by ${short(lead)}`;
  return {
    ...record,
    passed,
    text: `${name}: ${metric} ${moved} (a loss of ${short(rule.maximumLoss)} is allowed)`,
    value: loss,
  };
}

/** By how much the candidate is better: positive is better, whichever way the metric runs. Null when one is missing. */
function leadOf(
  metric: string,
  candidate: number | null | undefined,
  champion: number | null | undefined,
): number | null {
  const [mine, theirs] = [finite(candidate), finite(champion)];
  if (mine === null || theirs === null) return null;
  return minimizedMetrics.has(metric) ? theirs - mine : mine - theirs;
}

/** The bootstrap interval of the paired difference, in the direction of a lead. It informs, and does not decide. */
function describeInterval({ difference }: EvaluationFile, metric: string): string {
  const paired = difference?.[metric];
  if (!paired) return '';
  const [low, high] = minimizedMetrics.has(metric) ? [-paired.high, -paired.low] : [paired.low, paired.high];
  const chance = low <= 0 && high >= 0 ? ', so it may be chance' : '';
  return `; paired 95 % interval ${short(low)} to ${short(high)}${chance}`;
}

function unavailable(metric: string, metrics: Readonly<Record<string, { value: number }>>): string {
  const value = metrics[metric]?.value;
  if (value !== undefined) return `${metric} is ${short(value)}`;
  return `${metric} was not evaluated; available: ${listed(Object.keys(metrics))}`;
}

const NAMES = 20;
const NAME_CHARACTERS = 100;
const cut = (name: string) => truncate(name, NAME_CHARACTERS);

/** The first of the names that a job wrote. */
function listed(names: readonly string[]): string {
  const more = names.length > NAMES ? [`and ${names.length - NAMES} more`] : [];
  return [...names.slice(0, NAMES).map(cut), ...more].join(', ') || 'none';
}

function finite(value: number | null | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** Four significant digits. */
function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}
