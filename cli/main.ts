/** The `flywheel` command line. `cli/bin/flywheel.mjs` launches it on the right Node. */
import { Command } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { approveCommand, driftCommand, rejectCommand, trainCommand } from './commands/demands.ts';
import { deployCommand } from './commands/deploy.ts';
import { destroyCommand } from './commands/destroy.ts';
import { lineageCommand } from './commands/lineage.ts';
import { localCommand } from './commands/local.ts';
import { predictCommand } from './commands/predict.ts';
import { redriveCommand } from './commands/redrive.ts';
import { statusCommand } from './commands/status.ts';
import { uploadCommand } from './commands/upload.ts';
import { explain } from './failure.ts';

const program = new Command('flywheel')
  .version(packageJson.version)
  .description('From an upload to a monitored model, and round again.')
  .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 wrong command line, 3 not there or not ready.');

for (const command of [
  localCommand,
  deployCommand,
  uploadCommand,
  trainCommand,
  statusCommand,
  predictCommand,
  lineageCommand,
  driftCommand,
  approveCommand,
  rejectCommand,
  redriveCommand,
  destroyCommand,
]) {
  program.addCommand(command);
}
throwInsteadOfExit(program);

try {
  await program.parseAsync();
} catch (error) {
  const { text, exitCode } = explain(error);
  if (text !== undefined) process.stderr.write(`${text}\n`);
  process.exitCode = exitCode;
}

/** One place decides about exit codes, so no command of the tree may end the process by itself. */
function throwInsteadOfExit(command: Command): void {
  command.exitOverride();
  command.commands.forEach(throwInsteadOfExit);
}
