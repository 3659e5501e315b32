/** The labels that came later: of which predictions they may be, and what they may say. */
import { groundTruthLabel } from '../contract/http.ts';
import { predictionId } from '../contract/keys.ts';
import { requestLimits } from '../contract/limits.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { type ColumnCheck, columnChecks } from './dataset/columns.ts';
import type { InstanceViolation } from './prediction-rows.ts';

export interface Label {
  readonly predictionId: string;
  readonly label: string | number | boolean;
}

export type CheckedLabels =
  | { readonly ok: true; readonly labels: readonly Label[] }
  | { readonly ok: false; readonly violations: readonly InstanceViolation[]; readonly count: number };

/** What is known of the project's predictions. */
export interface Predictions {
  /** Number of the newest model; undefined where no model has been trained. */
  readonly newestModel: number | undefined;
  readonly now: Date;
}

/**
 * Checks each label against the label column's type, and its prediction id against what can have been predicted: by a
 * model that exists, not in the future, in a row that a request can have. That the prediction was made is in the capture,
 * of which a request sees only a sample.
 */
export function checkLabels(
  all: readonly unknown[],
  project: Pick<ProjectSettings, 'name' | 'data'>,
  known: Predictions,
): CheckedLabels {
  const column = columnChecks(project.data.columns).find(({ settings }) => settings.role === 'label');
  if (!column) throw new Error(`project ${project.name} has no label`);
  const labels: Label[] = [];
  const violations: InstanceViolation[] = [];
  let count = 0;
  all.forEach((each, row) => {
    const checked = checkLabel(each, column, project.name, known);
    if ('label' in checked) {
      labels.push(checked);
      return;
    }
    count += 1;
    if (violations.length < requestLimits.violations) violations.push({ row, ...checked });
  });
  return count > 0 ? { ok: false, violations, count } : { ok: true, labels };
}

function checkLabel(
  each: unknown,
  column: ColumnCheck,
  project: string,
  known: Predictions,
): Label | Omit<InstanceViolation, 'row'> {
  const parsed = groundTruthLabel.safeParse(each);
  if (!parsed.success) return { column: 'label', rule: 'expected {"predictionId": "...", "label": ...}' };
  const { predictionId: id, label: raw } = parsed.data;
  const wrong = wrongPrediction(id, project, known);
  if (wrong) return { column: 'predictionId', rule: wrong };
  // A client may have its labels from CSV: "true" is as good as true.
  const label = typeof raw === 'string' ? column.readText(raw) : column.readNative(raw);
  const rule = column.brokenRule(label);
  if (rule || label === null || label === undefined)
    return { column: 'label', rule: `expected ${column.expected(rule ?? 'missing-value')}` };
  return { predictionId: id, label };
}

function wrongPrediction(id: string, project: string, { newestModel = 0, now }: Predictions): string | undefined {
  const parsed = predictionId.parse(id);
  if (parsed?.project !== project) return `expected a prediction id of ${project}`;
  if (parsed.model < 1 || parsed.model > newestModel)
    return `expected a model of ${project}, there is no ${parsed.model}`;
  if (parsed.row >= requestLimits.rowNumber) return 'expected a row that a request can have';
  const time = Date.parse(parsed.minute.replace(/^(....)(..)(..)T(..)(..)$/, '$1-$2-$3T$4:$5Z'));
  if (Number.isNaN(time)) return 'expected a minute that exists';
  return time > now.getTime() + 1000 * requestLimits.clockSkewSeconds ? 'expected a prediction of the past' : undefined;
}
