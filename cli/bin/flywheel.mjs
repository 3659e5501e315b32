#!/usr/bin/env node
/** Launches the command line on the project's own Node, whatever Node the caller has; makes a fresh clone ready first. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand, SetupFailure, setUp } from '../../scripts/setup.mjs';

const cli = dirname(dirname(fileURLToPath(import.meta.url)));
try {
  setUp();
  process.exitCode = await runCommand('node', [join(cli, 'main.ts'), ...process.argv.slice(2)]);
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
