/** Commands that ask for a step over the HTTP API, which knows who asks: `train`, `drift`, `approve`, `reject`. */
import type { Command } from 'commander';
import {
  DriftMeasured,
  EvaluationRequested,
  ModelApproved,
  ModelRejected,
  TrainingRequested,
  TrainingSuppressed,
} from '../../lambdas/contract/events.ts';
import { routes } from '../../lambdas/contract/http.ts';
import { modelVersionName } from '../../lambdas/contract/keys.ts';
import { connectApi, demand } from '../api.ts';
import { type CommonOptions, environmentCommand, open, type Session } from '../command.ts';
import { projectOf } from '../connection.ts';
import { describeEvent } from '../describe-event.ts';
import { CommandFailed, exitCodes } from '../failure.ts';
import { type JournalEntry, waitForEntry } from '../journal.ts';
import { columns, paint } from '../output.ts';

export const trainCommand = environmentCommand('train', 'ask for a training run on the newest data')
  .argument('<project>')
  .requiredOption('--reason <text>', 'why; stays in the lineage')
  .option('--force', 'in spite of budget and cooldown', false)
  .action(async (name: string, options: CommonOptions & { reason: string; force: boolean }) => {
    const session = await open(options);
    const project = projectOf(session.environment, name).name;
    const { reason, force } = options;
    const { at } = await demand(apiOf(session), routes.requestTraining, project, { reason, force });
    const answers = [TrainingRequested, EvaluationRequested, TrainingSuppressed].map((each) => each.detailType);
    const entry = await answerTo(session, project, at, answers);
    tell(session, entry);
    // In progress: it is decided when the run under way has ended.
    if (entry.type === TrainingSuppressed.detailType && entry.detail.rule !== 'in-progress')
      process.exitCode = exitCodes.failed;
  });

export const driftCommand = environmentCommand('drift', 'measure drift now')
  .argument('<project>')
  .action(async (name: string, options: CommonOptions) => {
    const session = await open(options);
    const project = projectOf(session.environment, name).name;
    const { at } = await demand(apiOf(session), routes.requestDriftCheck, project, {});
    const entry = await answerTo(session, project, at, [DriftMeasured.detailType]);
    const { decision, features } = DriftMeasured.detail.parse(entry.detail);
    session.output.answer(entry.detail, () =>
      [
        describeEvent(entry).text,
        columns(
          features
            .toSorted((a, b) => b.psi - a.psi)
            .map(({ name: feature, psi, drifted }) => [
              feature,
              psi.toFixed(3).padStart(7),
              // What so few rows say is shown, not judged.
              drifted && decision !== 'too-few-rows' ? paint.red('drifted') : '',
            ]),
          '  ',
        ),
      ].join('\n'),
    );
  });

export const approveCommand = answerCommand(
  'approve',
  'let a model that waits for approval into service, or put an earlier one back',
);
export const rejectCommand = answerCommand('reject', 'keep a model that waits for approval out of service');

function answerCommand(decision: 'approve' | 'reject', description: string): Command {
  return environmentCommand(decision, description)
    .argument('<model>', 'model version: flights/3')
    .requiredOption('--reason <text>', 'why; stays in the lineage')
    .action(async (name: string, options: CommonOptions & { reason: string }) => {
      const model = modelVersionName.parse(name);
      if (!model) throw new CommandFailed(`Got ${name}, expected a model version such as flights/3.`, exitCodes.usage);
      const session = await open(options);
      const project = projectOf(session.environment, model.project).name;
      const parameters = { project, model: `${model.model}` };
      const { reason } = options;
      const { at } = await demand(apiOf(session), routes.decide, parameters, { decision, reason });
      tell(session, await answerTo(session, project, at, [ModelApproved.detailType, ModelRejected.detailType]));
    });
}

const apiOf = ({ outputs }: Session) => connectApi(outputs.ApiUrl);

const ANSWER_TIMEOUT_MS = 60_000;

async function answerTo(
  session: Session,
  project: string,
  since: string,
  types: readonly string[],
): Promise<JournalEntry> {
  session.output.progress(`asked; waiting for ${types.join(' or ')}`);
  const wait = { since, timeoutMs: ANSWER_TIMEOUT_MS };
  const entry = await waitForEntry(session.store, project, wait, ({ type }) => types.includes(type));
  if (entry) return entry;
  throw new CommandFailed(
    `The demand was taken, but no ${types.join(' or ')} followed in ${ANSWER_TIMEOUT_MS / 1000} s.\n` +
      `See what failed:  flywheel status ${project}`,
  );
}

function tell({ output }: Session, entry: JournalEntry): void {
  output.answer({ type: entry.type, ...entry.detail }, () => `${paint.bold(entry.type)} ${describeEvent(entry).text}`);
}
