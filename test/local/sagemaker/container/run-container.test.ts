import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ContainerOptions } from '../../../../local/sagemaker/container/container-options.ts';
import {
  officialWord,
  rewriteCommand,
  rewriteEnvironment,
  rewriteWord,
} from '../../../../local/sagemaker/container/container-root.ts';
import {
  type Containment,
  describeContainment,
  findContainment,
} from '../../../../local/sagemaker/container/containment.ts';
import { imageFor, readImages, servingImageFor } from '../../../../local/sagemaker/container/images.ts';
import { keepProcessesIn } from '../../../../local/sagemaker/container/processes.ts';
import { runContainer } from '../../../../local/sagemaker/container/run-container.ts';

let folder: string;
const python = resolve('.flywheel/venv/cloud/bin/python');
const plain: Containment = { kind: 'processes', reason: 'of this test' };
const best = await findContainment(python);
/** What this machine has: tests of plain processes run everywhere, those of namespaces where the kernel gives them. */
const containments = best.kind === 'namespaces' ? [plain, best] : [plain];

beforeAll(() => {
  mkdirSync('.flywheel/test', { recursive: true });
  folder = realpathSync(mkdtempSync('.flywheel/test/container-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a shell script as a container and gathers what it says. */
async function runIn(containment: Containment, script: string, more: Partial<ContainerOptions> = {}) {
  const lines: string[] = [];
  const exit = await runContainer({
    argv: ['/bin/sh', '-c', script],
    environment: {},
    root: folder,
    containment,
    onLine: (line, stream) => lines.push(`${stream}: ${line}`),
    ...more,
  });
  return { ...exit, lines };
}

describe.each(containments)('runContainer: $kind', (containment) => {
  const runScript = (script: string, more: Partial<ContainerOptions> = {}) => runIn(containment, script, more);
  const seenRoot = () => (containment.kind === 'namespaces' ? '/opt/ml' : folder);

  test('gives output by lines and streams, and the exit code', async () => {
    const run = await runScript('printf "one\\r\\ntwo\\nthree"; echo bad >&2; exit 7');
    expect(run.lines.filter((line) => line.startsWith('stdout'))).toEqual([
      'stdout: one',
      'stdout: two',
      'stdout: three',
    ]);
    expect(run.lines).toContain('stderr: bad');
    expect(run).toMatchObject({ exitCode: 7, killed: false });
  });

  test('shows the program its own root and nothing of the server', async () => {
    process.env.SERVER_SECRET = 'do not tell';
    const run = await runScript('env', { environment: { MODEL: '/opt/ml/model' } });
    const seen = Object.fromEntries(run.lines.map((line) => line.slice('stdout: '.length).split(/=(.*)/s)));
    expect(seen).toMatchObject({ HOME: seenRoot(), LANG: 'C.UTF-8', MODEL: `${seenRoot()}/model` });
    // AWS sets no SAGEMAKER_BASE_DIR: it stands in for an /opt/ml that is not there.
    const standIn = containment.kind === 'processes' ? ['SAGEMAKER_BASE_DIR'] : [];
    expect(Object.keys(seen).sort()).toEqual(['HOME', 'LANG', 'MODEL', 'PATH', 'PWD', ...standIn].sort());
  });

  test('runs a script that names /opt/ml in its own root', async () => {
    await runScript('mkdir -p /opt/ml/model && echo x >/opt/ml/model/made');
    expect(readdirSync(join(folder, 'model'))).toEqual(['made']);
    rmSync(join(folder, 'model'), { recursive: true });
  });

  test('asks with SIGTERM first, and lets the program end in its own way', async () => {
    const stop = new AbortController();
    const run = runScript('trap "echo saved; exit 3" TERM; echo ready; while :; do sleep 0.01; done', {
      signal: stop.signal,
      onLine: () => stop.abort(),
    });
    expect(await run).toMatchObject({ exitCode: 3, killed: true });
  });

  test('kills a program that ignores SIGTERM, with all that it started', async () => {
    const stop = new AbortController();
    const lines: string[] = [];
    const exit = await runContainer({
      argv: ['/bin/sh', '-c', 'trap "" TERM; sleep 1000 & echo $!; while :; do sleep 0.01; done'],
      environment: {},
      root: folder,
      containment,
      signal: stop.signal,
      stopTimeoutMs: 50,
      onLine: (line) => {
        lines.push(line);
        stop.abort();
      },
    });
    expect(exit).toEqual({ exitCode: 137, killed: true });
    await gone(Number(lines[0]));
  });

  test('ends what the first process left behind', async () => {
    const run = await runScript('sleep 1000 & echo $!');
    expect(run.exitCode).toBe(0);
    await gone(Number(run.lines[0]?.slice('stdout: '.length)));
  });

  test('names a program that cannot be started', async () => {
    const run = runContainer({
      argv: ['/no/such/program'],
      environment: {},
      root: folder,
      containment,
      onLine: () => {},
    });
    await expect(run).rejects.toThrow(/Cannot start '\/no\/such\/program'.*ENOENT/);
  });

  test('a stop before the start starts nothing', async () => {
    expect(await runScript('echo never', { signal: AbortSignal.abort() })).toEqual({
      exitCode: null,
      killed: true,
      lines: [],
    });
  });

  test('a server that was killed leaves no container after its next start; one that exits leaves none at all', async () => {
    const pids = join(folder, `pids of ${containment.kind}`);
    const start = (end: string) =>
      spawn(process.execPath, ['--input-type=module-typescript', '-e', serverScript(pids, end, containment)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
    const killed = start("process.kill(process.pid, 'SIGKILL')");
    const pid = Number(await firstOutput(killed));
    await once(killed, 'close');
    expect(alive(pid)).toBe(true);
    expect(keepProcessesIn(pids)).toEqual([pid]);
    await gone(pid);

    const exited = start('process.exit(0)');
    const otherPid = Number(await firstOutput(exited));
    await gone(otherPid);
    expect(readdirSync(pids)).toEqual([]);
  });

  test('does not end a stranger that has the pid of an earlier container', () => {
    const pids = join(folder, `other pids of ${containment.kind}`);
    mkdirSync(pids);
    writeFileSync(join(pids, String(process.pid)), 'another start time');
    expect(keepProcessesIn(pids)).toEqual([]);
  });
});

test('what keeps containers from having namespaces is told', async () => {
  expect(await findContainment('/no/such/python')).toEqual({
    kind: 'processes',
    reason: 'there is no /no/such/python',
  });
  const refused = await findContainment('/bin/false');
  expect(describeContainment(refused)).toMatch(
    /^plain processes \(.+\): a literal \/opt\/ml in a program is not theirs/,
  );
});

describe('the folder that stands in for /opt/ml', () => {
  test('replaces it in words, options and search paths', () => {
    expect(
      rewriteCommand(['/opt/ml/code/run', '--dir=/opt/ml/model', '/opt/ml', '/opt/mlflow', 'see:/opt/ml/x'], '/r'),
    ).toEqual(['/r/code/run', '--dir=/r/model', '/r', '/opt/mlflow', 'see:/r/x']);
    expect(rewriteEnvironment({ PYTHONPATH: '/opt/ml/code:/lib:/opt/ml/lib' }, '/r')).toEqual({
      PYTHONPATH: '/r/code:/lib:/r/lib',
    });
  });

  test('replaces it inside the script of a shell only', () => {
    expect(rewriteCommand(['/bin/bash', '-c', 'chmod +x /opt/ml/a && "/opt/ml/a"'], '/r')[2]).toBe(
      'chmod +x /r/a && "/r/a"',
    );
    expect(rewriteCommand(['tool', '-c', 'see /opt/ml/a'], '/r')[2]).toBe('see /opt/ml/a');
  });

  test('is /opt/ml for a container that has one of its own, and its neighbour is not', () => {
    const words = ['/r/algo-1', '--dir=/r/algo-1/model', '/r/algo-10/model', 'a:/r/algo-1:b'];
    expect(words.map((word) => officialWord(word, '/r/algo-1'))).toEqual([
      '/opt/ml',
      '--dir=/opt/ml/model',
      '/r/algo-10/model',
      'a:/opt/ml:b',
    ]);
  });

  test('leaves every word alone that does not name it', () => {
    fc.assert(fc.property(fc.string(), (word) => word.includes('/opt/ml') || rewriteWord(word, '/r') === word));
  });
});

describe('images', () => {
  test('the first pattern that occurs in the URI wins; an unknown image names the file to edit', () => {
    const file = join(folder, 'images.json');
    writeFileSync(
      file,
      JSON.stringify([{ pattern: 'sagemaker-xgboost:', python: '/venv/bin/python', serve: ['{python}', '/serve.py'] }]),
    );
    const images = readImages(file);
    expect(imageFor(images, '683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0').serve).toEqual([
      '/venv/bin/python',
      '/serve.py',
    ]);
    expect(() => imageFor(images, 'registry/torch:2')).toThrow(`No local image stands in for 'registry/torch:2'`);
    expect(() => imageFor(images, 'registry/torch:2')).toThrow(file);
  });

  test('of a first file come before those of a second', () => {
    const [own, ours] = [join(folder, 'images.json'), join(folder, 'stand-ins.json')];
    writeFileSync(own, JSON.stringify([{ pattern: 'a:', python: '/own' }]));
    writeFileSync(ours, JSON.stringify(['a:', 'b:'].map((pattern) => ({ pattern, python: '/ours' }))));
    const images = readImages(own, ours);
    expect(['a:1', 'b:1'].map((uri) => imageFor(images, uri).python)).toEqual(['/own', '/ours']);
    expect(() => imageFor(images, 'c:1')).toThrow(own);
  });

  test('whose packages are not installed name the command that installs them', () => {
    const file = join(folder, 'images.json');
    const needs = { file: join(folder, 'installed.json'), command: 'npm run setup -- --tabular' };
    writeFileSync(file, JSON.stringify([{ pattern: '/pytorch:', python: '/venv/bin/python', needs }]));
    const images = readImages(file);
    expect(() => imageFor(images, 'registry/pytorch:2.13')).toThrow(
      `'registry/pytorch:2.13' is not installed here (there is no ${needs.file}). Install it:  npm run setup -- --tabular`,
    );
    writeFileSync(needs.file, '{}');
    expect(imageFor(images, 'registry/pytorch:2.13').python).toBe('/venv/bin/python');
  });

  test('without a server run jobs, and no endpoint', () => {
    const file = join(folder, 'images.json');
    writeFileSync(file, JSON.stringify([{ pattern: '/pytorch:', python: '/venv/bin/python' }]));
    expect(() => servingImageFor(readImages(file), 'registry/pytorch:2.13')).toThrow(
      `entry '/pytorch:' has no "serve"`,
    );
  });
});

function serverScript(pids: string, end: string, containment: Containment): string {
  const source = resolve('local/sagemaker/container');
  return `
    import { keepProcessesIn } from '${source}/processes.ts';
    import { runContainer } from '${source}/run-container.ts';
    keepProcessesIn(${JSON.stringify(pids)});
    runContainer({ argv: ['/bin/sh', '-c', 'echo $$; sleep 1000'], environment: {}, root: ${JSON.stringify(folder)},
      containment: ${JSON.stringify(containment)},
      onLine: (line) => process.stdout.write(line + '\\n', () => { ${end}; }) });`;
}

async function firstOutput(child: ReturnType<typeof spawn>): Promise<string> {
  if (!child.stdout) throw new Error('the server was started without a pipe');
  const [chunk] = await once(child.stdout, 'data');
  return String(chunk);
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Waits until a process has gone; a zombie counts as gone. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    const state = await promisify(execFile)('ps', ['-o', 'stat=', '-p', String(pid)]).then(
      ({ stdout }) => stdout.trim(),
      () => '',
    );
    if (state === '' || state.startsWith('Z')) return;
    await delay(10);
  }
}
