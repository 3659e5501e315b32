/**
 * Makes a fresh clone ready: npm packages, and two Python environments with locked versions in `.flywheel/venv`; a third one,
 * with PyTorch, where the network is trained; and two with the packages of AWS's images, for `npm run test:images`.
 *
 *   node scripts/setup.mjs [--cuda] [--tabular] [--images] [--run command argument...]
 *
 * Runs before every npm script, so it is plain JavaScript for the host's Node, has no dependency, and reads only a few
 * small files when there is nothing to do. What it does goes to stderr; stdout belongs to the command.
 * Linux and macOS.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { constants, homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** The lowest versions that can install the packages; the product itself runs on the Node 24 of node_modules. */
const MINIMUM_NODE = [20, 19];
const MINIMUM_PYTHON = [3, 11];

const PYTHON_ENVIRONMENTS = [
  { name: 'cloud', requirements: 'local/requirements.txt', purpose: 'the laptop cloud and the checks' },
  { name: 'models', requirements: 'models/requirements.txt', purpose: 'training and serving' },
];

/** Gigabytes, so it is brought only where it is asked for: by the tests of models/, and for a project with `tabular()`. */
const TABULAR_ENVIRONMENT = {
  name: 'tabular',
  requirements: 'models/tabular/requirements.txt',
  purpose: 'training the network: PyTorch, on Linux about 3 GB to download and 4.9 GB on disk',
};

/**
 * The packages of AWS's images. Locked whole by AWS, which overrides what some packages ask for, so pip asks for nothing
 * else. `python` is the images'; where a machine has none, the environment is made of the one it has.
 */
const IMAGE_ENVIRONMENTS = [
  {
    name: 'image-xgboost',
    requirements: 'models/images/xgboost.txt',
    purpose: "what AWS's XGBoost image has",
    python: '3.12',
    lockedWhole: true,
  },
  // On the Python of the environment with PyTorch, whose packages it uses.
  {
    name: 'image-pytorch',
    requirements: 'models/images/pytorch.txt',
    purpose: "what AWS's PyTorch image has",
    lockedWhole: true,
  },
];

/** Something is missing or failed, and what to do about it: printed without a stack. */
export class SetupFailure extends Error {}

/**
 * Brings packages and Python environments up to date.
 * @param {{ root?: string, cuda?: boolean, tabular?: boolean, images?: boolean, env?: NodeJS.ProcessEnv, say?: (line: string) => void }} [options]
 *   `cuda`: train on an NVIDIA GPU (the full xgboost instead of xgboost-cpu); a machine keeps the choice.
 *   `tabular`: PyTorch, too. `images`: what AWS's images have, too.
 * @throws {SetupFailure} for a Node or Python that is absent, too old, or incomplete.
 */
export function setUp({
  root = ROOT,
  cuda = false,
  tabular = false,
  images = false,
  env = process.env,
  say = sayOnStderr,
} = {}) {
  requireNode(process.versions.node);
  if (!packagesInstalled(root)) {
    say('installing npm packages (npm ci)');
    runOrThrow('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { root, env });
  }
  const wanted = [
    ...PYTHON_ENVIRONMENTS,
    ...(tabular ? [TABULAR_ENVIRONMENT] : []),
    ...(images ? IMAGE_ENVIRONMENTS : []),
  ];
  for (const environment of wanted) makePythonEnvironment(environment, { root, cuda, env, say });
}

/**
 * Runs a command with the project's own Node and tools first on the path.
 * @returns {Promise<number>} its exit status, 128 + signal number when a signal ended it
 */
export function runCommand(command, commandArguments) {
  const child = spawn(command, commandArguments, {
    env: { ...process.env, PATH: [join(ROOT, 'node_modules', '.bin'), process.env.PATH].join(delimiter) },
    stdio: 'inherit',
  });
  // A terminal sends Ctrl-C to the whole process group: wait for the child to finish its own cleaning up.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}

/** @param {string} version `20.19.1` */
export function requireNode(version) {
  if (atLeast(version.split('.').map(Number), MINIMUM_NODE)) return;
  throw new SetupFailure(
    `Node ${version} is too old: Flywheel needs Node ${MINIMUM_NODE.join('.')} or newer.\n${nodeInstallHint()}`,
  );
}

/**
 * npm writes what it installed to `node_modules/.package-lock.json`: equal to the lock file means nothing to do. The
 * content decides, not the time, because a checkout gives files any time.
 */
function packagesInstalled(root) {
  const installedPath = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installedPath)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedPath, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, { version, integrity, optional }]) =>
      path === '' ||
      // Packages of other operating systems are optional and stay away.
      (optional && !installed[path]) ||
      (installed[path]?.version === version && installed[path]?.integrity === integrity),
  );
}

function makePythonEnvironment(
  { name, requirements, purpose, python: version, lockedWhole },
  { root, cuda, env, say },
) {
  const folder = join(root, '.flywheel', 'venv', name);
  const python = join(folder, 'bin', 'python');
  const stampPath = join(folder, 'installed.json');
  const locked = readFileSync(join(root, requirements), 'utf8');
  const hash = createHash('sha256').update(locked).digest('hex');
  const stamp = existsSync(python) && existsSync(stampPath) ? JSON.parse(readFileSync(stampPath, 'utf8')) : {};
  const hasXgboost = /^xgboost-cpu==/m.test(locked);
  const wantsCuda = hasXgboost && (cuda || stamp.cuda === true);
  if (stamp.hash === hash && (stamp.cuda ?? false) === wantsCuda) return;

  const base = existsSync(python) ? undefined : ((version && findVersion(version, env, say)) ?? findPython(env));
  say(`installing Python packages for ${purpose} (${requirements} → .flywheel/venv/${name})`);
  if (base) runOrThrow(base, ['-m', 'venv', '--clear', folder], { root, env });
  const list = join(folder, 'requirements.txt');
  // xgboost-cpu has no macOS build; the full package has no CUDA in it there, and no CPU-only twin.
  const full = wantsCuda || process.platform === 'darwin';
  writeFileSync(list, full ? locked.replace(/^xgboost-cpu==/m, 'xgboost==') : locked);
  if (hasXgboost && full) {
    // Both packages own the same folder, so they must not be installed over each other.
    runOrThrow(python, ['-m', 'pip', 'uninstall', '--quiet', '--yes', 'xgboost-cpu'], { root, env });
  }
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
  if (lockedWhole) {
    // Some come as sources, to be built with the locked setuptools: that one first, and nothing that it would replace.
    const builder = /^setuptools==\S+/m.exec(locked)?.[0];
    if (builder) runOrThrow(python, [...install, builder], { root, env });
    install.push('--no-deps', '--no-build-isolation');
  }
  runOrThrow(python, [...install, '-r', list], { root, env });
  writeFileSync(stampPath, JSON.stringify({ hash, cuda: wantsCuda }));
  if (hasXgboost && !wantsCuda && hasNvidiaGpu()) {
    say(
      'this machine has an NVIDIA GPU: `node scripts/setup.mjs --cuda` lets local training use it (about 300 MB more)',
    );
  }
}

/** @returns {string | undefined} a Python of this version (`3.12`), on the path or among pyenv's */
function findVersion(version, env, say) {
  const versions = join(env.PYENV_ROOT ?? join(env.HOME ?? homedir(), '.pyenv'), 'versions');
  const installed = existsSync(versions) ? readdirSync(versions).filter((name) => name.startsWith(`${version}.`)) : [];
  const candidates = [`python${version}`, ...installed.map((name) => join(versions, name, 'bin/python'))];
  const found = candidates.find((each) => spawnSync(each, ['-c', 'import venv, ensurepip'], { env }).status === 0);
  if (!found) say(`there is no Python ${version} here, the version of the image: the environment is made with another`);
  return found;
}

/** @returns {string} a Python that is new enough and can make virtual environments */
function findPython(env) {
  const seen = [];
  for (const candidate of ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python']) {
    const probe = 'import sys; print(*sys.version_info[:3], sep=".")\nimport venv, ensurepip';
    const { status, stdout, error } = spawnSync(candidate, ['-c', probe], { env, encoding: 'utf8' });
    if (error || !stdout) continue;
    const version = stdout.trim();
    if (!atLeast(version.split('.').map(Number), MINIMUM_PYTHON)) seen.push(`${candidate} is ${version}, too old`);
    else if (status !== 0) seen.push(`${candidate} is ${version} without venv and ensurepip`);
    else return candidate;
  }
  const found = seen.length > 0 ? `Found: ${seen.join('; ')}.` : 'Found none on PATH.';
  throw new SetupFailure(
    `Flywheel needs Python ${MINIMUM_PYTHON.join('.')} or newer with venv and ensurepip. ${found}\n` +
      `Install it:  ${pythonInstallCommand()}`,
  );
}

function nodeInstallHint() {
  return `Install it:  ${process.platform === 'darwin' ? 'brew install node' : 'see https://nodejs.org/en/download'}`;
}

function pythonInstallCommand() {
  if (process.platform === 'darwin') return 'brew install python@3.13';
  if (existsSync('/etc/debian_version')) return 'sudo apt-get install python3 python3-venv';
  if (existsSync('/etc/fedora-release') || existsSync('/etc/redhat-release')) return 'sudo dnf install python3.12';
  if (existsSync('/etc/arch-release')) return 'sudo pacman -S python';
  if (existsSync('/etc/alpine-release')) return 'sudo apk add python3';
  return 'see https://www.python.org/downloads';
}

function hasNvidiaGpu() {
  return existsSync('/proc/driver/nvidia/version');
}

function atLeast([major = 0, minor = 0], [wantedMajor, wantedMinor]) {
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

function runOrThrow(command, commandArguments, { root, env }) {
  const { status, error } = spawnSync(command, commandArguments, { cwd: root, env, stdio: ['ignore', 2, 2] });
  if (error?.code === 'ENOENT') throw new SetupFailure(`${command} is not on PATH. ${nodeInstallHint()}`);
  if (error) throw error;
  if (status !== 0) {
    throw new SetupFailure(
      `\`${command} ${commandArguments.join(' ')}\` failed (exit status ${status}); its message is above.`,
    );
  }
}

function sayOnStderr(line) {
  process.stderr.write(`setup: ${line}\n`);
}

async function main(words) {
  const runAt = words.indexOf('--run');
  const own = runAt < 0 ? words : words.slice(0, runAt);
  const unknown = own.find((word) => !['--cuda', '--tabular', '--images'].includes(word));
  if (unknown)
    throw new SetupFailure(
      `unknown option ${unknown}; usage: setup.mjs [--cuda] [--tabular] [--images] [--run command...]`,
    );
  setUp({
    cuda: own.includes('--cuda'),
    tabular: own.includes('--tabular'),
    images: own.includes('--images'),
  });
  const [command, ...rest] = runAt < 0 ? [] : words.slice(runAt + 1);
  return command ? runCommand(command, rest) : 0;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof SetupFailure)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
