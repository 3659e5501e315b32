/**
 * `npm run test:images`: training, evaluation and serving on what AWS's images are made of, the toolkits and packages in the
 * images' versions (models/images/), from the real code archive and without network, as under SageMaker's network isolation;
 * then the Python tests of models/ with the versions of the image that serves.
 *
 *   node scripts/test-images.mjs [vitest arguments]      with arguments: no Python tests
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand, SetupFailure, setUp } from './setup.mjs';

const ROOT = join(fileURLToPath(import.meta.url), '../..');
const VITEST_ARGUMENTS = process.argv.slice(2);
const VITEST = [
  ...['vitest', 'run', '--root', ROOT, '--config', join(ROOT, 'vitest.images.config.ts')],
  ...VITEST_ARGUMENTS,
];
const PYTEST = ['sh', '-c', 'cd "$1" && exec "$2" -m pytest -c pytest.ini', 'sh', join(ROOT, 'models')];

/** A network namespace of its own, with nothing but loopback, where the kernel lets a user make one. */
const ISOLATED = ['unshare', '--map-root-user', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];

function isolation() {
  const { status } = spawnSync(ISOLATED[0], [...ISOLATED.slice(1), 'true'], { stdio: 'ignore' });
  if (status === 0) return { command: ISOLATED, env: {} };
  process.stderr.write(
    'This machine makes no network namespaces (unshare, ip): pip gets an address that nothing answers instead.\n',
  );
  return { command: [], env: { PIP_INDEX_URL: 'http://127.0.0.1:9/', PIP_RETRIES: '0' } };
}

try {
  if (process.platform !== 'linux') throw new SetupFailure('npm run test:images needs Linux, as the images do.');
  setUp({ tabular: true, images: true });
  const { command, env } = isolation();
  Object.assign(process.env, env);
  const run = ([program, ...words]) => runCommand(program, words);
  const python = join(ROOT, '.flywheel/venv/image-xgboost/bin/python');
  const containers = await run([...command, ...VITEST]);
  const tests = VITEST_ARGUMENTS.length > 0 ? 0 : await run([...command, ...PYTEST, python]);
  process.exitCode = containers || tests;
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
