/**
 * What the lineage table keeps of an evaluation. The file itself stays in S3; an item has at most 400 kB, and a hundred
 * slices of each of several columns do not fit.
 */
import { recordLimits } from '../contract/limits.ts';
import type { EvaluationFile } from '../contract/model-files.ts';
import { minimizedMetrics } from '../contract/settings.ts';
import { UnusableFile } from './errors.ts';
import { truncate } from './truncate.ts';

type Slice = EvaluationFile['slices'][number];

export interface EvaluationSummary {
  readonly evaluation: EvaluationFile;
  /** Slices that are in the file alone. */
  readonly omittedSlices: number;
}

/** A name of a slice stands in the gate's reasons too: of a long one the beginning is told. */
const SLICE_NAME = 100;
/** Most important first. */
const FEATURES = 200;

/**
 * The file itself where it fits. Else slices with the gate's metric alone, those first in which the candidate falls behind
 * most: a gate that fails on any slice fails on one of these.
 *
 * @throws UnusableFile when metrics and calibration alone are too many: they are no evaluation of ours
 */
export function summarizeEvaluation(file: EvaluationFile, metric: string): EvaluationSummary {
  const named = { ...file, slices: file.slices.map(withShortName) };
  if (bytesOf(named) <= recordLimits.evaluationRecordBytes) return { evaluation: named, omittedSlices: 0 };
  const short: EvaluationFile = { ...named, featureImportance: file.featureImportance.slice(0, FEATURES), slices: [] };
  let room = recordLimits.evaluationRecordBytes - bytesOf(short);
  if (room < 0)
    throw new UnusableFile(
      `evaluation.json has ${bytesOf(short)} bytes without its slices, expected at most ${recordLimits.evaluationRecordBytes}: fewer metrics`,
    );
  const worstFirst = named.slices
    .map((slice) => ({ slice: withMetric(slice, metric), loss: lossOf(slice, metric) }))
    .toSorted((a, b) => b.loss - a.loss);
  const kept: Slice[] = [];
  for (const { slice } of worstFirst) {
    // The comma between two.
    room -= bytesOf(slice) + 1;
    if (room < 0 || kept.length === recordLimits.slices) break;
    kept.push(slice);
  }
  return { evaluation: { ...short, slices: kept }, omittedSlices: file.slices.length - kept.length };
}

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

const withShortName = (slice: Slice): Slice => ({ ...slice, value: truncate(slice.value, SLICE_NAME) });

function withMetric(slice: Slice, metric: string): Slice {
  const only = (metrics: Readonly<Record<string, number>>) =>
    metrics[metric] === undefined ? {} : { [metric]: metrics[metric] };
  return { ...slice, candidate: only(slice.candidate), champion: slice.champion && only(slice.champion) };
}

/** How far the candidate falls behind the champion; a slice that cannot be compared comes last. */
function lossOf({ candidate, champion }: Slice, metric: string): number {
  const [mine, theirs] = [candidate[metric], champion?.[metric]];
  if (mine === undefined || theirs === undefined) return Number.NEGATIVE_INFINITY;
  return minimizedMetrics.has(metric) ? mine - theirs : theirs - mine;
}
