/** `flywheel deploy`: the CDK app, to an account or to the laptop cloud. */
import { join } from 'node:path';
import { repository } from '../../local/cloud/layout.ts';
import { deployToCloud, startCloud } from '../../local/cloud.ts';
import { runAloud, runCdk } from '../cdk.ts';
import { type CommonOptions, environmentCommand } from '../command.ts';
import { configured, enter, LOCAL, laptopCloud } from '../connection.ts';
import { columns, createOutput, duration } from '../output.ts';

export const deployCommand = environmentCommand('deploy', 'deploy the stacks of an environment (cdk deploy)')
  .option('--yes', 'do not ask before permissions are widened (accounts only)', false)
  .action(async ({ env, json, yes }: CommonOptions & { yes: boolean }) => {
    const output = createOutput(json);
    const started = performance.now();
    if (env !== LOCAL) {
      await enter(env);
      await deployToAccount(env, yes);
      return output.answer(
        { environment: env, ok: true },
        () => `deployed in ${duration(performance.now() - started)}`,
      );
    }
    const { projects } = await configured(env);
    if (projects.some((project) => project.training.algorithm.name === 'tabular')) await bringPyTorch();
    // Starting it is what a person would do next; it is found when it runs.
    const cloud = await startCloud(laptopCloud());
    const stacks = await deployToCloud(cloud, { stacks: [`${env}/**`], onLine: (line) => output.progress(line) });
    output.answer({ environment: env, stacks }, () =>
      [
        `deployed in ${duration(performance.now() - started)}`,
        columns(
          Object.keys(stacks).map((name) => [name]),
          '  ',
        ),
      ].join('\n'),
    );
  });

/** Training on this machine needs it, and no project without a network does: the first deployment of one installs it. */
function bringPyTorch(): Promise<void> {
  return runAloud([join(repository, 'scripts/setup.mjs'), '--tabular'], 'npm run setup -- --tabular');
}

/** The CDK CLI speaks for itself: it asks, shows progress, and knows the user's profiles. */
function deployToAccount(environment: string, yes: boolean): Promise<void> {
  return runCdk(['deploy', `${environment}/**`, ...(yes ? ['--require-approval', 'never'] : [])]);
}
