/**
 * `flywheel destroy`: takes an environment away, in an order in which nothing is made anew and nothing is needed that is
 * gone. Data go only with both keys: `removal: 'destroy'` in flywheel.config.ts, and the environment's name again.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { type StackId, stackIds, stackName } from '../../lib/stack-names.ts';
import { runCdk } from '../cdk.ts';
import { type CommonOptions, environmentCommand } from '../command.ts';
import { configured, type Environment, enter } from '../connection.ts';
import { bucketsOf, emptyBucket } from '../destroy/buckets.ts';
import {
  deleteEndpointLogs,
  type RunTimeResources,
  removeRunTimeResources,
  stopJobs,
} from '../destroy/run-time-resources.ts';
import { CommandFailed, exitCodes } from '../failure.ts';
import { createOutput, duration, type Output } from '../output.ts';

interface Options extends CommonOptions {
  readonly yes: boolean;
  readonly destroyData?: string;
}

export const destroyCommand = environmentCommand('destroy', 'take an environment away; its data stay')
  .option('--destroy-data <environment>', "its data go, too; needs removal: 'destroy' in flywheel.config.ts")
  .option('--yes', 'do not ask', false)
  .action(async ({ env, json, yes, destroyData }: Options) => {
    const output = createOutput(json);
    const started = performance.now();
    const withData = keysTurned(await configured(env), destroyData);
    await confirmed(env, withData, yes);
    await enter(env);
    const assembly = mkdtempSync(join(tmpdir(), 'flywheel-destroy-'));
    try {
      const data = withData ? ['--context', `destroyData=${env}`] : [];
      const context = ['--context', `environment=${env}`, ...data];
      await runCdk(['synth', `${env}/**`, '--quiet', '--output', assembly, ...context]);
      const destroyed = await destroy(env, assembly, withData, output);
      output.answer({ environment: env, ...destroyed }, () =>
        [
          `${env} is gone after ${duration(performance.now() - started)}`,
          withData
            ? 'and its data with it; the key is deleted when its waiting period ends'
            : 'its data are in the stack State',
        ].join('; '),
      );
    } finally {
      rmSync(assembly, { recursive: true });
    }
  });

/** @throws CommandFailed when data are to go and one of the keys is missing */
function keysTurned({ name, removal }: Environment, destroyData: string | undefined): boolean {
  if (destroyData === undefined) return false;
  if (destroyData !== name)
    throw new CommandFailed(
      `Got --destroy-data ${destroyData}, expected the environment of --env: ${name}.`,
      exitCodes.usage,
    );
  if (removal !== 'destroy')
    throw new CommandFailed(
      `Environment ${name} keeps its data. To let them go, set removal: 'destroy' for it in flywheel.config.ts.`,
      exitCodes.usage,
    );
  return true;
}

/** @throws CommandFailed when nobody is there to ask, or the answer is no */
async function confirmed(environment: string, withData: boolean, yes: boolean): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY) throw new CommandFailed('Nobody is there to ask: give --yes.', exitCodes.usage);
  const questions = createInterface({ input: process.stdin, output: process.stderr });
  const what = withData ? 'and all its data' : 'and keep its data';
  const answer = await questions.question(`Destroy the environment ${environment} ${what}? Type its name: `);
  questions.close();
  if (answer.trim() !== environment) throw new CommandFailed('Nothing was destroyed.');
}

interface Destroyed extends RunTimeResources {
  readonly logGroups: readonly string[];
  /** Versions of objects deleted, by bucket. */
  readonly buckets: Readonly<Record<string, number>>;
}

async function destroy(environment: string, assembly: string, withData: boolean, output: Output): Promise<Destroyed> {
  const say = (line: string) => output.progress(line);
  const cdk = (command: readonly string[], ...stacks: readonly StackId[]) =>
    runCdk([...command, ...stacks.map((stack) => `${environment}/${stack}`), '--app', assembly, '--exclusively']);

  // Without the functions of these two, no endpoint is made and no lost step is taken again.
  await cdk(['destroy', '--force'], stackIds.monitoring, stackIds.serving);
  const first = await removeRunTimeResources(environment, say);
  await cdk(['destroy', '--force'], stackIds.pipeline);
  // Until its functions were gone, they answered the end of a job: with the evaluation of what it had trained, or with the
  // run that had waited for it.
  const removed = { ...first, jobs: [...new Set([...first.jobs, ...(await stopJobs(environment))])] };
  say(`stopped jobs: ${removed.jobs.join(', ') || 'none'}`);
  if (!withData) return { ...removed, logGroups: [], buckets: {} };

  const buckets: Record<string, number> = {};
  const present = await bucketsOf(stackName(environment, stackIds.state));
  if (present.length > 0) {
    // Its protection ends, and what the stack would retain is marked to be deleted.
    await cdk(['deploy', '--require-approval', 'never'], stackIds.state);
    for (const bucket of present) {
      say(`emptying ${bucket}`);
      buckets[bucket] = await emptyBucket(bucket);
    }
  }
  await cdk(['destroy', '--force'], stackIds.state);
  return { ...removed, buckets, logGroups: await deleteEndpointLogs(environment) };
}
