/**
 * `npm run test:models`: the Python tests of models/, XGBoost's and the network's, each in its own environment with
 * locked versions. PyTorch is downloaded the first time (about 3 GB on Linux); `npm test` and the demo do without it.
 *
 *   node scripts/test-models.mjs [pytest arguments]
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupFailure, setUp } from './setup.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MODELS = join(ROOT, 'models');

/** Makes .flywheel/venv/tabular what models/tabular/requirements.txt says, and returns its Python. */
function tabularPython() {
  const folder = join(ROOT, '.flywheel', 'venv', 'tabular');
  const python = join(folder, 'bin', 'python');
  const requirements = join(MODELS, 'tabular', 'requirements.txt');
  const stamp = join(folder, 'installed.sha256');
  const wanted = createHash('sha256').update(readFileSync(requirements)).digest('hex');
  if (existsSync(python) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return python;
  process.stderr.write(
    'setup: installing PyTorch (models/tabular/requirements.txt → .flywheel/venv/tabular), minutes the first time\n',
  );
  // The environment that setUp has made brings a Python that is new enough.
  if (!existsSync(python)) run(join(ROOT, '.flywheel/venv/models/bin/python'), ['-m', 'venv', folder]);
  run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements]);
  writeFileSync(stamp, wanted);
  return python;
}

function run(command, commandArguments) {
  const { status, error } = spawnSync(command, commandArguments, { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (error) throw error;
  if (status !== 0) {
    throw new SetupFailure(
      `\`${command} ${commandArguments.join(' ')}\` failed (exit status ${status}); its message is above.`,
    );
  }
}

/** Exit status of pytest with this configuration. */
function test(name, python, configuration) {
  process.stderr.write(`testing ${name}\n`);
  const pytest = ['-m', 'pytest', '-c', configuration, ...process.argv.slice(2)];
  const { status, error } = spawnSync(python, pytest, { cwd: MODELS, stdio: 'inherit' });
  if (error) throw error;
  return status ?? 1;
}

try {
  setUp();
  const network = tabularPython();
  const failed = [
    test('common and XGBoost', join(ROOT, '.flywheel/venv/models/bin/python'), 'pytest.ini'),
    test('the network', network, 'tabular.ini'),
  ].filter((status) => status !== 0);
  process.exitCode = failed[0] ?? 0;
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
