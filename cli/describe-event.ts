/** One line in words for each domain event, for `flywheel status` and the demo. */
import type * as z from 'zod/mini';
import { domainEvents as events } from '../lambdas/contract/events.ts';
import type { JournalEntry } from './journal.ts';

/** good: a step of the loop came to its end; bad: something failed or was refused; neutral: the loop goes on. */
export type Mood = 'good' | 'bad' | 'neutral';

interface Sentence {
  readonly detailType: string;
  readonly mood: Mood;
  /** Undefined for a detail of another shape. */
  readonly text: (detail: unknown) => string | undefined;
}

function say<Detail>(
  event: { readonly detailType: string; readonly detail: z.ZodMiniType<Detail> },
  text: (detail: Detail) => string,
  mood: Mood = 'neutral',
): Sentence {
  return {
    detailType: event.detailType,
    mood,
    text: (detail) => {
      const parsed = event.detail.safeParse(detail);
      return parsed.success ? text(parsed.data) : undefined;
    },
  };
}

const sentences: readonly Sentence[] = [
  say(
    events.DatasetVersionRegistered,
    (d) => `${d.project}@${d.version}: ${count(d.rows)} rows, ${count(d.newRows)} new (${d.uploads.join(', ')})`,
    'good',
  ),
  say(events.DatasetRejected, (d) => `${d.upload} quarantined: ${d.reason}`, 'bad'),
  say(events.TrainingDemanded, (d) => `${d.requestedBy}: ${d.reason}${d.force ? ' (forced)' : ''}`),
  say(
    events.TrainingRequested,
    (d) => `run ${d.runId} on ${d.project}@${d.datasetVersion} (${d.trigger}: ${d.reason})`,
  ),
  say(events.TrainingSuppressed, (d) => `${d.rule}: ${d.reason}`),
  say(events.TrainingDue, (d) => d.reason),
  say(events.TrainingStarted, (d) => `${d.jobName} on ${d.instanceType}, attempt ${d.attempt}`),
  say(
    events.ModelTrained,
    (d) => `${d.project}/${d.model} from ${d.project}@${d.datasetVersion}, ${d.billableSeconds} s billed`,
  ),
  say(events.TrainingDelayed, (d) => `run ${d.runId} waits: ${d.reason}`),
  say(events.TrainingFailed, (d) => `${d.jobName}: ${d.reason}`, 'bad'),
  say(events.EvaluationRequested, (d) => `${d.project}/${d.model} again, as ${d.jobName}: ${d.reason}`),
  say(events.EvaluationDelayed, (d) => `${d.project}/${d.model} waits, as ${d.jobName}: ${d.reason}`),
  say(
    events.EvaluationStarted,
    (d) => `${d.project}/${d.model} against ${d.champion === null ? 'no champion' : `${d.project}/${d.champion}`}`,
  ),
  say(events.ModelEvaluated, (d) => `${d.project}/${d.model}: ${metricsText(d.metrics)}`),
  say(events.EvaluationFailed, (d) => `${d.jobName}: ${d.reason}`, 'bad'),
  say(events.ModelApproved, (d) => `${d.project}/${d.model} by ${d.decidedBy}: ${d.reasons.join('; ')}`, 'good'),
  say(events.ModelRejected, (d) => `${d.project}/${d.model} by ${d.decidedBy}: ${d.reasons.join('; ')}`, 'bad'),
  say(
    events.ApprovalRequested,
    (d) => `${d.project}/${d.model} waits: flywheel approve|reject ${d.project}/${d.model} --reason ...`,
  ),
  say(events.ApprovalGiven, (d) => `${d.decision} ${d.project}/${d.model} by ${d.decidedBy}: ${d.reason}`),
  say(events.DeploymentStarted, (d) => `${d.project}/${d.model} to ${d.endpoint}${replacing(d)}`),
  say(events.ModelDeployed, (d) => `${d.project}/${d.model} in service${replacing(d)}`, 'good'),
  say(
    events.DeploymentRolledBack,
    (d) =>
      `${d.project}/${d.model}: ${d.reason}; ${d.inService === null ? 'nothing' : `${d.project}/${d.inService}`} serves`,
    'bad',
  ),
  say(events.DriftMeasurementDemanded, (d) => `by ${d.requestedBy}`),
  say(events.DriftMeasured, (d) =>
    d.decision === 'too-few-rows'
      ? `${count(d.rows)} captured rows, too few to judge`
      : `${d.decision} in ${count(d.rows)} rows: ${highest(d.features)}`,
  ),
  say(events.DriftDetected, (d) => `${d.project}/${d.model}, ${count(d.rows)} rows: ${highest(d.features)}`, 'bad'),
  say(events.StepOverdue, (d) => `${d.kind} ${d.name} has ended, and its event never came: taken up now`, 'bad'),
];

/** The events that have a sentence of their own: all, as a test holds. */
export const describedEvents: readonly string[] = sentences.map((sentence) => sentence.detailType);

export function describeEvent(entry: Pick<JournalEntry, 'type' | 'detail'>): {
  readonly text: string;
  readonly mood: Mood;
} {
  const sentence = sentences.find((each) => each.detailType === entry.type);
  // Written by an older or newer version of the functions: shown as it is.
  return { text: sentence?.text(entry.detail) ?? JSON.stringify(entry.detail), mood: sentence?.mood ?? 'neutral' };
}

export function metricsText(metrics: Readonly<Record<string, number>>, most = 4): string {
  return Object.entries(metrics)
    .slice(0, most)
    .map(([name, value]) => `${name} ${value.toFixed(4)}`)
    .join(', ');
}

export const count = (value: number): string => value.toLocaleString('en-US');

function replacing({ project, replaces }: { project: string; replaces: number | null }): string {
  return replaces === null ? '' : `, replaces ${project}/${replaces}`;
}

function highest(features: readonly { name: string; psi: number }[]): string {
  const [first, second] = features.toSorted((a, b) => b.psi - a.psi);
  return [first, second].flatMap((each) => (each ? [`PSI ${each.psi.toFixed(2)} ${each.name}`] : [])).join(', ');
}
