/** Runs the project's CDK CLI, or another program of Node's, with this process's settings of AWS. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { repository } from '../local/cloud/layout.ts';
import { CommandFailed } from './failure.ts';

/** @throws CommandFailed that names the command as a person would type it */
export const runCdk = (words: readonly string[]): Promise<void> =>
  runAloud([join(repository, 'node_modules/aws-cdk/bin/cdk'), ...words], `cdk ${words.join(' ')}`);

/** @throws CommandFailed that names the command as a person would type it */
export function runAloud(words: readonly string[], command: string): Promise<void> {
  // stdout is for the answer of the command that calls.
  const child = spawn(process.execPath, words, { cwd: repository, stdio: ['inherit', 2, 2] });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) =>
      code === 0 ? resolve() : reject(new CommandFailed(`${command} ended with exit code ${code}.`)),
    );
  });
}
