import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
// @ts-expect-error plain JavaScript that runs before TypeScript is installed
import { requireNode, setUp } from '../../scripts/setup.mjs';

let root: string;
const said: string[] = [];
const say = (line: string) => said.push(line);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'flywheel-setup-'));
  said.length = 0;
  for (const folder of ['local', 'models', 'node_modules', 'bin']) mkdirSync(join(root, folder));
  writeFileSync(join(root, 'local/requirements.txt'), '');
  writeFileSync(join(root, 'models/requirements.txt'), '');
  cpSync('package-lock.json', join(root, 'package-lock.json'));
  cpSync('node_modules/.package-lock.json', join(root, 'node_modules/.package-lock.json'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A program of that name that prints and exits as told, first and alone on the path. */
function fakeProgram(name: string, script: string) {
  writeFileSync(join(root, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}
const onlyFakes = () => ({ PATH: join(root, 'bin') });

test('a Node that is too old is named with the version that is needed', () => {
  expect(() => requireNode('18.20.4')).toThrow(/Node 18\.20\.4 is too old.*20\.19.*\nInstall it: {2}\S/s);
  expect(() => requireNode('20.18.9')).toThrow(/too old/);
  expect(() => requireNode('20.19.0')).not.toThrow();
  expect(() => requireNode('24.1.0')).not.toThrow();
});

test('a machine without Python is told the command that installs it', () => {
  expect(() => setUp({ root, env: onlyFakes(), say })).toThrow(
    /Python 3\.11 or newer.*Found none.*\nInstall it: {2}\S/s,
  );
});

test('an old Python is not taken for a missing one', () => {
  fakeProgram('python3', 'echo 3.9.2');
  expect(() => setUp({ root, env: onlyFakes(), say })).toThrow(/python3 is 3\.9\.2, too old/);
});

test('a Python without venv or ensurepip is recognized (Debian packs them apart)', () => {
  fakeProgram('python3', 'echo 3.12.1; exit 1');
  expect(() => setUp({ root, env: onlyFakes(), say })).toThrow(/3\.12\.1 without venv and ensurepip/);
});

test('environments are made once, and again when the locked versions change', () => {
  setUp({ root, say });
  expect(said).toHaveLength(2);
  setUp({ root, say });
  expect(said).toHaveLength(2);
  writeFileSync(join(root, 'models/requirements.txt'), '# changed\n');
  setUp({ root, say });
  expect(said.slice(2)).toEqual([expect.stringContaining('models/requirements.txt')]);
  execFileSync(join(root, '.flywheel/venv/models/bin/python'), ['-m', 'pip', '--version']);
}, 60_000);

test('PyTorch gets its environment where it is asked for, with its size told, and nowhere else', () => {
  mkdirSync(join(root, 'models/tabular'));
  writeFileSync(join(root, 'models/tabular/requirements.txt'), '');
  setUp({ root, say });
  expect(said.join()).not.toContain('tabular');
  setUp({ root, tabular: true, say });
  expect(said.slice(2)).toEqual([expect.stringMatching(/PyTorch, .* 4\.9 GB on disk .*\.flywheel\/venv\/tabular/)]);
  setUp({ root, tabular: true, say });
  expect(said).toHaveLength(3);
}, 60_000);

test('npm ci runs when what is installed is not what is locked, whatever the times of the files', () => {
  fakeProgram('npm', `echo "$@" > ${join(root, 'npm-called')}`);
  const lockPath = join(root, 'package-lock.json');
  const lock = JSON.parse(readFileSync(lockPath, 'utf8'));
  lock.packages['node_modules/zod'].version = '0.0.1';
  writeFileSync(lockPath, JSON.stringify(lock));
  expect(() => setUp({ root, env: onlyFakes(), say })).toThrow(/Python/);
  expect(readFileSync(join(root, 'npm-called'), 'utf8')).toMatch(/^ci /);
});

test('a failed installation names the command and stops', () => {
  fakeProgram('npm', 'exit 7');
  rmSync(join(root, 'node_modules'), { recursive: true });
  expect(() => setUp({ root, env: onlyFakes(), say })).toThrow(/`npm ci .*failed \(exit status 7\)/);
});

test('a command runs on the Node of the project, with its arguments and exit status', () => {
  const link = join(root, 'setup-link.mjs');
  symlinkSync(join(process.cwd(), 'scripts/setup.mjs'), link);
  const run = spawnSync('node', [link, '--run', 'node', '-e', 'console.log(process.version); process.exit(3)'], {
    encoding: 'utf8',
  });
  expect(run.stdout.trim()).toMatch(/^v24\./);
  expect(run.status).toBe(3);
});

test('what AWS’s images have is locked whole: nothing else is installed, and an absent Python of theirs is told', () => {
  mkdirSync(join(root, 'models/images'));
  writeFileSync(join(root, 'models/images/xgboost.txt'), 'retrying==1.3.3\nsetuptools==80.10.2\n');
  writeFileSync(join(root, 'models/images/pytorch.txt'), '');
  const python3 = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
  fakeProgram('python3', `exec ${python3} "$@"`);
  setUp({ root, images: true, env: { ...onlyFakes(), HOME: root }, say });
  expect(said).toContainEqual(expect.stringContaining('there is no Python 3.12 here'));
  const list = ['-m', 'pip', 'list', '--format=freeze', '--exclude', 'pip'];
  const installed = execFileSync(join(root, '.flywheel/venv/image-xgboost/bin/python'), list, { encoding: 'utf8' });
  // retrying 1.3.3 asks for six, and comes as a source that setuptools builds.
  expect(installed.trim().split('\n')).toEqual(['retrying==1.3.3', 'setuptools==80.10.2']);
}, 90_000);
