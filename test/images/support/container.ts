/**
 * A container of one of AWS's images, as near as a machine without Docker comes: the image's Python packages in a copy of their
 * own, its environment and its commands, a folder that stands for `/opt/ml`, and no network (scripts/test-images.mjs).
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll } from 'vitest';
import { runContainer } from '../../../local/sagemaker/container/run-container.ts';

const venvs = join(process.cwd(), '.flywheel/venv');
// Beside the environments: files are linked, not copied, and links do not cross file systems.
const containers = join(process.cwd(), '.flywheel/containers');
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

export interface Running {
  readonly ended: Promise<Ended>;
  /** What it has printed. */
  readonly output: () => string;
  /** SIGTERM, as SageMaker stops a container. */
  readonly stop: () => void;
}

export class ImageContainer {
  /** Stands for `/opt/ml`. */
  readonly root: string;
  readonly #folder: string;
  readonly #running: AbortController[] = [];
  readonly #environment: Readonly<Record<string, string>>;

  private constructor(folder: string, environment: Readonly<Record<string, string>>) {
    this.#folder = folder;
    this.root = join(folder, 'ml');
    mkdirSync(this.root);
    // Where there is no network namespace, scripts/test-images.mjs points pip to nowhere.
    const pip = Object.entries(process.env).flatMap(([name, value]) =>
      name.startsWith('PIP_') && value !== undefined ? [[name, value]] : [],
    );
    this.#environment = {
      PATH: `${join(folder, 'venv/bin')}:${systemPath}`,
      ...Object.fromEntries(pip),
      ...environment,
    };
  }

  /** `sagemaker-xgboost:3.2-0`. */
  static xgboost(): ImageContainer {
    const folder = newFolder();
    const packages = copyPackages('image-xgboost', folder);
    cpSync('test/images/sagemaker_xgboost_container', join(packages, 'sagemaker_xgboost_container'), {
      recursive: true,
    });
    // What the image's Dockerfile does to run this package on Python 3.12.
    edit(join(packages, 'sagemaker_containers/_mapping.py'), (text) =>
      text.replace('collections.Mapping', 'collections.abc.Mapping'),
    );
    edit(join(folder, 'venv/bin/serve'), (text) =>
      text.replace(
        'sagemaker_containers.cli.serve import main',
        'sagemaker_xgboost_container.serving import serving_entrypoint as main',
      ),
    );
    return new ImageContainer(folder, {
      SM_MODEL_DIR: '/opt/ml/model',
      SAGEMAKER_TRAINING_MODULE: 'sagemaker_xgboost_container.training:main',
      SAGEMAKER_SERVING_MODULE: 'sagemaker_xgboost_container.serving:main',
      // The image has nginx in front of gunicorn; this machine may not.
      SAGEMAKER_USE_NGINX: 'false',
      PYTHONUNBUFFERED: '1',
      PYTHONDONTWRITEBYTECODE: '1',
    });
  }

  /** `pytorch:2.13-cu133-amzn2023-sagemaker`, with the PyTorch of the environment that trains networks here. */
  static pytorch(): ImageContainer {
    const folder = newFolder();
    const packages = copyPackages('image-pytorch', folder);
    writeFileSync(join(packages, 'torch.pth'), `${sitePackages(join(venvs, 'tabular'))}\n`);
    return new ImageContainer(folder, {
      SAGEMAKER_TRAINING_MODULE: 'sagemaker_pytorch_container.training:main',
      PYTHONUNBUFFERED: '1',
      PYTHONDONTWRITEBYTECODE: '1',
    });
  }

  start(argv: readonly string[], environment: Readonly<Record<string, string>> = {}): Running {
    const stopping = new AbortController();
    this.#running.push(stopping);
    const lines: string[] = [];
    const output = () => lines.join('\n');
    const ended = runContainer({
      argv,
      environment: { ...this.#environment, ...environment },
      root: this.root,
      signal: stopping.signal,
      onLine: (line) => lines.push(line),
    }).then(({ exitCode }) => ({ code: exitCode, output: output() }));
    return { ended, output, stop: () => stopping.abort() };
  }

  run(argv: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return this.start(argv, environment).ended;
  }

  /** Puts a file under `/opt/ml`. */
  write(path: string, content: string | Uint8Array): void {
    const file = join(this.root, path);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, content);
  }

  /** A file under `/opt/ml`; undefined when there is none. */
  read(path: string): string | undefined {
    const file = join(this.root, path);
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  }

  has(path: string): boolean {
    return existsSync(join(this.root, path));
  }

  /** A tar.gz of these files. */
  archive(files: Readonly<Record<string, string>>): Buffer {
    for (const [name, content] of Object.entries(files)) this.write(`archive/${name}`, content);
    return execFileSync('tar', ['-czf', '-', '-C', join(this.root, 'archive'), ...Object.keys(files)]);
  }

  /** The folder `/opt/ml/model` as SageMaker stores it. */
  modelArchive(): Buffer {
    const model = join(this.root, 'model');
    return execFileSync('tar', ['-czf', '-', '-C', model, ...readdirSync(model)], { maxBuffer: 1 << 28 });
  }

  /** Ends what runs in it, and forgets it. */
  remove(): void {
    for (const each of this.#running) each.abort();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Keeps containers for the tests of a file, and removes them at its end. */
export function containersOfFile(): (made: ImageContainer) => ImageContainer {
  const containers: ImageContainer[] = [];
  afterAll(() => {
    for (const each of containers) each.remove();
  });
  return (made) => {
    containers.push(made);
    return made;
  };
}

const startLimitMs = 60_000;

/** Waits until a server in a container answers `/ping` with 200. @throws Error with its output when it ends before, or does not */
export async function healthy(running: Running, port: number): Promise<void> {
  let ended = false;
  void running.ended.then(() => {
    ended = true;
  });
  const deadline = Date.now() + startLimitMs;
  const answers = () =>
    fetch(`http://127.0.0.1:${port}/ping`).then(
      ({ status }) => status === 200,
      () => false,
    );
  while (!(await answers())) {
    if (ended || Date.now() > deadline) throw new Error(`the server is not healthy:\n${running.output()}`);
    await wait(100);
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('expected an address with a port');
  return address.port;
}

function newFolder(): string {
  mkdirSync(containers, { recursive: true });
  return mkdtempSync(join(containers, 'c'));
}

/** A linked copy of an environment, whose commands run in the copy. @returns its folder of packages */
function copyPackages(environment: string, folder: string): string {
  const venv = join(folder, 'venv');
  execFileSync('cp', ['-al', `${join(venvs, environment)}/`, venv]);
  const commands = join(venv, 'bin');
  for (const { name } of readdirSync(commands, { withFileTypes: true }).filter((each) => each.isFile())) {
    edit(join(commands, name), (text) => text.replace(/^#!.*\/bin\/python.*/, `#!${join(commands, 'python')}`));
  }
  return sitePackages(venv);
}

function sitePackages(venv: string): string {
  const [python] = readdirSync(join(venv, 'lib'));
  return join(venv, 'lib', python ?? '', 'site-packages');
}

/** Anew, never in place: the file is a link. */
function edit(file: string, change: (text: string) => string): void {
  const text = change(readFileSync(file, 'utf8'));
  rmSync(file);
  writeFileSync(file, text, { mode: 0o755 });
}
