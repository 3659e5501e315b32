/**
 * `npm run test:models`: what needs PyTorch, which is downloaded the first time (about 3 GB on Linux) and which `npm test` and
 * the demo do without. The Python tests of models/, XGBoost's and the network's, each in its own environment with locked
 * versions; then a network through the whole loop on the laptop cloud.
 *
 *   node scripts/test-models.mjs [pytest arguments]      with arguments: the Python tests alone
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand, SetupFailure, setUp } from './setup.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PYTEST_ARGUMENTS = process.argv.slice(2);

/** Exit status of pytest in an environment, with this configuration. */
function pytest(name, environment, configuration) {
  process.stderr.write(`testing ${name}\n`);
  const python = join(ROOT, '.flywheel/venv', environment, 'bin/python');
  const words = ['-m', 'pytest', '-c', configuration, ...PYTEST_ARGUMENTS];
  const { status, error } = spawnSync(python, words, { cwd: join(ROOT, 'models'), stdio: 'inherit' });
  if (error) throw error;
  return status ?? 1;
}

function loop() {
  process.stderr.write('testing a network through the loop\n');
  return runCommand('vitest', ['run', '--root', ROOT, '--config', join(ROOT, 'vitest.models.config.ts')]);
}

try {
  setUp({ tabular: true });
  const failed = [
    pytest('common and XGBoost', 'models', 'pytest.ini'),
    pytest('the network', 'tabular', 'tabular.ini'),
    PYTEST_ARGUMENTS.length > 0 ? 0 : await loop(),
  ].filter((status) => status !== 0);
  process.exitCode = failed[0] ?? 0;
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
