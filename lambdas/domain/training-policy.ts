/**
 * Whether something that happened starts a training run. Pure: the same facts give the same decision, whatever the
 * order or number of events that led to it.
 */
import type { StateRecord, TrainingCause } from '../contract/records.ts';
import type { ProjectSettings, TrainingSettings } from '../contract/settings.ts';

export type Suppression = 'no-data' | 'not-triggered' | 'same-run' | 'in-progress' | 'new-rows' | 'cooldown' | 'budget';

/** Rules that hold for a time only: the cause is kept, and decided when the time is over. */
export const passingRules: ReadonlySet<Suppression> = new Set(['in-progress', 'cooldown']);

export type TrainingDecision =
  | {
      readonly train: true;
      readonly trigger: 'upload' | 'drift' | 'demand';
      readonly cause: string;
      readonly reason: string;
    }
  | {
      readonly train: false;
      readonly rule: Suppression;
      readonly trigger: 'upload' | 'drift' | 'demand';
      readonly cause: string;
      readonly reason: string;
    };

export interface TrainingFacts {
  readonly state: StateRecord;
  /** Identity of the run that training would be now; absent without data. */
  readonly runId?: string | undefined;
  /** Instance hours of this project in the present month: used, and held back for jobs under way. */
  readonly budget: { readonly hours: number; readonly reserved: number };
  readonly now: Date;
}

/**
 * Decides by the newest dataset version, not by the one that an event names: a late or repeated event then changes nothing.
 * An upload that arrives while the champion drifts counts as the drift's newer data: it waits for neither rows nor cooldown.
 */
export function decideTraining(
  settings: ProjectSettings,
  happened: TrainingCause,
  facts: TrainingFacts,
): TrainingDecision {
  const { state } = facts;
  const drifting =
    happened.trigger === 'upload' &&
    state.driftedModel !== undefined &&
    state.driftedModel === state.champion &&
    listens(settings.training, 'drift');
  const trigger = drifting ? 'drift' : happened.trigger;
  const cause = causeOf(settings.name, happened, state);
  const suppressed = (rule: Suppression, reason: string): TrainingDecision => ({
    train: false,
    rule,
    trigger,
    cause,
    reason,
  });

  if (state.datasetVersion === undefined)
    return suppressed('no-data', `${settings.name} has no dataset version yet: upload data first`);
  if (!listens(settings.training, trigger))
    return suppressed('not-triggered', `${settings.name} is not trained on ${trigger} (training.triggers)`);

  // Also when forced: a second run of the same project at the same time would cost twice and be overtaken by the first.
  if (state.activeRunId !== undefined && state.activeRunId !== facts.runId)
    return suppressed('in-progress', `training run ${state.activeRunId} is under way: decided when it has ended`);

  const forced = happened.trigger === 'demand' && happened.force;
  const overBudget = budgetSpent(settings.training, facts);
  if (!forced && overBudget) return suppressed('budget', overBudget);

  if (trigger === 'upload') {
    const newRows = (state.rowsRegistered ?? 0) - (state.rowsTrained ?? 0);
    const wanted = minimumNewRows(settings.training);
    if (newRows < wanted) return suppressed('new-rows', `${newRows} new rows, training waits for ${wanted}`);
    const wait = cooldownLeft(settings.training, facts);
    if (wait > 0)
      return suppressed(
        'cooldown',
        `the last training run started less than ${settings.training.cooldownSeconds} s ago (${Math.ceil(wait)} s to go)`,
      );
  }
  return { train: true, trigger, cause, reason: reasonOf(happened, state, drifting) };
}

/** Undefined while there is some left. */
function budgetSpent(
  { budgetHoursPerMonth: all }: TrainingSettings,
  { budget: { hours, reserved } }: TrainingFacts,
): string | undefined {
  if (hours + reserved < all) return undefined;
  const held = reserved > 0 ? `, ${reserved.toFixed(2)} are held back for jobs under way` : '';
  return `${hours.toFixed(2)} of ${all} hours of this month are used${held}`;
}

const strength = { upload: 0, drift: 1, demand: 2 } as const;

/** Which of two causes that wait is decided later: the same decision holds for the other, for both are of the newest data. */
export function strongerCause(kept: TrainingCause | undefined, next: TrainingCause): TrainingCause {
  if (kept === undefined || strength[next.trigger] > strength[kept.trigger]) return next;
  // Of two demands the first, unless only the second is in spite of budget and cooldown.
  return kept.trigger === 'demand' && next.trigger === 'demand' && next.force && !kept.force ? next : kept;
}

function listens(training: TrainingSettings, trigger: string): boolean {
  return training.triggers.some((each) => each.on === trigger);
}

function minimumNewRows(training: TrainingSettings): number {
  return training.triggers.reduce((rows, each) => (each.on === 'upload' ? each.minimumNewRows : rows), 0);
}

function cooldownLeft(training: TrainingSettings, { state, now }: TrainingFacts): number {
  if (state.lastRunAt === undefined) return 0;
  return training.cooldownSeconds - (now.getTime() - Date.parse(state.lastRunAt)) / 1000;
}

/** Names what asked: the same name again is the same event again. */
export function causeOf(project: string, happened: TrainingCause, state: StateRecord): string {
  switch (happened.trigger) {
    case 'upload':
      return `dataset-version/${project}/${state.datasetVersion ?? 'none'}`;
    case 'drift':
      return `drift-measurement/${project}/${happened.measurementId}`;
    case 'demand':
      return `demand/${happened.demandId}`;
  }
}

function reasonOf(happened: TrainingCause, state: StateRecord, drifting: boolean): string {
  switch (happened.trigger) {
    case 'upload':
      return drifting
        ? `newer data (version ${state.datasetVersion}) while model ${state.champion} drifts`
        : `dataset version ${state.datasetVersion} was registered`;
    case 'drift':
      return happened.reason;
    case 'demand':
      return `${happened.requestedBy}: ${happened.reason}`;
  }
}
