/** The loop of a project at a glance: what `flywheel status` gathers, and how it reads. */
import { CloudWatchClient, paginateDescribeAlarms } from '@aws-sdk/client-cloudwatch';
import type { StateRecord } from '../lambdas/contract/records.ts';
import type { lineageStore, RecordOf } from '../lambdas/stores/lineage-store.ts';
import type { Connection } from './connection.ts';
import { count, describeEvent, metricsText } from './describe-event.ts';
import { type JournalEntry, readJournal } from './journal.ts';
import { columns, duration, paint } from './output.ts';
import { type DeadLetters, peekDeadLetters, peekUnansweredRequests, type UnansweredRequests } from './queues.ts';

export interface ProjectStatus {
  readonly project: string;
  readonly state: StateRecord;
  /** Newest first, few of each. */
  readonly datasetVersions: readonly RecordOf<'dataset-version'>[];
  readonly trainingRuns: readonly RecordOf<'training-run'>[];
  readonly models: readonly RecordOf<'model'>[];
  readonly evaluation: RecordOf<'evaluation'> | null;
  readonly deployments: readonly RecordOf<'deployment'>[];
  readonly drift: RecordOf<'drift-measurement'> | null;
  /** Newest first. */
  readonly events: readonly JournalEntry[];
  readonly failures: readonly JournalEntry[];
}

export interface Alarm {
  readonly name: string;
  readonly since: string;
  readonly reason: string;
  readonly description: string;
}

const JOURNAL_DAYS = 7;
const MOST_EVENTS = 12;
const MOST_FAILURES = 5;

export async function projectStatus(store: ReturnType<typeof lineageStore>, project: string): Promise<ProjectStatus> {
  const since = new Date(Date.now() - JOURNAL_DAYS * 24 * 3600_000).toISOString();
  const [state, datasetVersions, trainingRuns, models, evaluations, deployments, [drift = null], journal] =
    await Promise.all([
      store.state(project),
      store.newest('dataset-version', project, 3),
      store.newest('training-run', project, 3),
      store.newest('model', project, 5),
      store.newest('evaluation', project, 1),
      store.newest('deployment', project, 3),
      store.newest('drift-measurement', project, 1),
      readJournal(store, project, since),
    ]);
  const newestFirst = journal.toReversed();
  return {
    project,
    state,
    datasetVersions,
    trainingRuns,
    models,
    evaluation: evaluations[0] ?? null,
    deployments,
    drift,
    events: newestFirst.slice(0, MOST_EVENTS),
    failures: newestFirst.filter((entry) => describeEvent(entry).mood === 'bad').slice(0, MOST_FAILURES),
  };
}

/** What belongs to no project alone. */
interface EnvironmentStatus {
  readonly deadLetters: readonly DeadLetters[];
  readonly unansweredRequests: UnansweredRequests;
  /** In state ALARM now. */
  readonly alarms: readonly Alarm[];
}

export async function environmentStatus({ environment, outputs }: Connection): Promise<EnvironmentStatus> {
  const [deadLetters, unansweredRequests, alarms] = await Promise.all([
    peekDeadLetters(outputs.DeadLetterQueues),
    peekUnansweredRequests(outputs.UnansweredRequestsQueue),
    ringingAlarms(environment.name),
  ]);
  return { deadLetters, unansweredRequests, alarms };
}

/** Alarms of an environment in state ALARM. */
export async function ringingAlarms(environment: string): Promise<Alarm[]> {
  const alarms: Alarm[] = [];
  const pages = paginateDescribeAlarms(
    { client: new CloudWatchClient({}) },
    { AlarmNamePrefix: `${environment}-`, StateValue: 'ALARM' },
  );
  for await (const { MetricAlarms = [], CompositeAlarms = [] } of pages) {
    for (const alarm of [...MetricAlarms, ...CompositeAlarms]) {
      alarms.push({
        name: alarm.AlarmName ?? '',
        since: alarm.StateUpdatedTimestamp?.toISOString() ?? '',
        reason: alarm.StateReason ?? '',
        description: alarm.AlarmDescription ?? '',
      });
    }
  }
  return alarms;
}

export function renderProject(status: ProjectStatus, now: number): string {
  const ago = (at: string | undefined) => (at ? `${duration(Math.max(0, now - Date.parse(at)))} ago` : '');
  const rows = [
    ...dataRows(status, ago),
    ...trainingRows(status, ago),
    ...modelRows(status, ago),
    ...evaluationRows(status, ago),
    ...servingRows(status, ago),
  ];
  return [
    `${paint.bold(status.project)}  ${headline(status)}`,
    columns(rows, '  '),
    ...section(
      'what happened last',
      status.events.map((entry) => eventRow(entry)),
    ),
    ...section(
      'what went wrong last',
      status.failures.map((entry) => eventRow(entry)),
    ),
  ].join('\n');
}

export function renderEnvironment({ deadLetters, unansweredRequests, alarms }: EnvironmentStatus): string {
  const { waiting, requests } = unansweredRequests;
  const queueRows = deadLetters.flatMap(({ handler, waiting, reasons }) =>
    reasons.map((reason, index) => [
      index === 0 ? paint.red(handler) : '',
      index === 0 ? `${waiting} waiting` : '',
      reason,
    ]),
  );
  return [
    ...(queueRows.length > 0
      ? section('events given up on (retry: flywheel redrive)', queueRows)
      : ['no event was given up on']),
    ...(waiting > 0
      ? section(
          `${waiting} requests for approval that reached nobody (approve or reject the model, then delete the message)`,
          requests.map(({ model, reason }) => [paint.red(model), reason]),
        )
      : []),
    ...(alarms.length > 0
      ? section(
          'alarms',
          alarms.map((alarm) => [paint.red(alarm.name), alarm.description || alarm.reason]),
        )
      : ['no alarm rings']),
  ].join('\n');
}

type Ago = (at: string | undefined) => string;

function headline({ state, project, drift }: ProjectStatus): string {
  if (state.champion === undefined) return paint.yellow('no model in service');
  const serving = paint.green(`${project}/${state.champion} in service`);
  const drifting =
    state.driftedModel === state.champion && drift ? paint.red(`, drifting: ${drift.reasons.join('; ')}`) : '';
  return serving + drifting;
}

function dataRows({ project, datasetVersions }: ProjectStatus, ago: Ago): string[][] {
  const [newest] = datasetVersions;
  if (!newest) return [['data', 'nothing yet', '', `flywheel upload ${project} FILE`]];
  const rows = `${count(newest.rows)} rows in ${newest.objects} files`;
  return [['data', `${project}@${newest.version}`, ago(newest.at), rows]];
}

function trainingRows({ project, trainingRuns }: ProjectStatus, ago: Ago): string[][] {
  const [newest] = trainingRuns;
  if (!newest) return [];
  const text = trainingText(project, newest);
  return [
    ['training', newest.runId, ago(newest.at), `${text}, on ${project}@${newest.datasetVersion} (${newest.trigger})`],
  ];
}

function trainingText(project: string, run: RecordOf<'training-run'>): string {
  switch (run.status) {
    case 'failed':
      return paint.red(`failed: ${run.failure ?? 'no reason given'}`);
    case 'waiting':
      return paint.yellow(
        `waiting since ${run.waitingSince ?? run.requestedAt}: ${run.waitingFor ?? 'no reason given'}`,
      );
    default:
      return run.model === undefined ? run.status : `${run.status} → ${project}/${run.model}`;
  }
}

function modelRows({ project, models }: ProjectStatus, ago: Ago): string[][] {
  return models.map((model, index) => {
    const bad = model.status === 'rejected' || model.status === 'evaluation-failed';
    const status = bad ? paint.red(model.status) : model.status;
    const metrics = model.metrics ? `: ${metricsText(model.metrics, 2)}` : '';
    return [index === 0 ? 'models' : '', `${project}/${model.model}`, ago(model.at), status + metrics];
  });
}

/** What is not in the row of its model: that it waits, or why it failed. */
function evaluationRows({ project, evaluation }: ProjectStatus, ago: Ago): string[][] {
  if (!evaluation) return [];
  const { status, model, waitingSince, waitingFor, failure, retriedAs, endedAt } = evaluation;
  const name = `${project}/${model}`;
  if (status === 'waiting')
    return [['evaluation', name, ago(waitingSince), paint.yellow(`waiting: ${waitingFor ?? 'no reason given'}`)]];
  if (status !== 'failed' || retriedAs !== undefined) return [];
  return [
    [
      'evaluation',
      name,
      ago(endedAt),
      paint.red(`failed: ${failure ?? 'no reason given'}; flywheel train ${project} asks again`),
    ],
  ];
}

function servingRows({ project, deployments }: ProjectStatus, ago: Ago): string[][] {
  // By time and not by number: an earlier model may have been put back.
  const [newest] = deployments.toSorted((a, b) => ((a.endedAt ?? a.at) < (b.endedAt ?? b.at) ? 1 : -1));
  if (!newest) return [];
  const failure = newest.failure ? paint.red(`: ${newest.failure}`) : '';
  return [['deployment', `${project}/${newest.model}`, ago(newest.endedAt ?? newest.at), newest.status + failure]];
}

export function eventRow(entry: JournalEntry): string[] {
  const { text, mood } = describeEvent(entry);
  const type = { good: paint.green, bad: paint.red, neutral: (each: string) => each }[mood](entry.type);
  return [paint.dim(entry.at.slice(5, 19).replace('T', ' ')), type, text];
}

function section(title: string, rows: readonly string[][]): string[] {
  return rows.length === 0 ? [] : [`  ${paint.dim(title)}`, columns(rows, '    ')];
}
