import { existsSync, globSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type ChaosMode, chaosModes } from './core/events.ts';
import { parseQuotaName, quotaUsages } from './core/quotas.ts';

export interface Options {
  /** 0 takes a free port. */
  readonly port: number;
  /** URL of MiniStack. */
  readonly cloud: string;
  /** Folder that belongs to the server. */
  readonly state: string;
  /** File of the laptop cloud's secret; one is made where there is none yet. */
  readonly secretFile: string;
  /** Images files, those of the first before all others; without one no image is known, so that jobs and endpoints fail by name. */
  readonly images: readonly string[];
  /** botocore's service-2.json.gz of SageMaker. */
  readonly serviceModel: string;
  readonly chaos: readonly ChaosMode[];
  readonly noCapacity: readonly string[];
  /** Instances by the quota's name: `ml.g5.xlarge for spot training job usage`. */
  readonly quotas: Readonly<Record<string, number>>;
  /** Whether containers get namespaces of their own where the kernel lets them. */
  readonly namespaces: boolean;
  /** Interpreter that prepares them. */
  readonly python: string;
  readonly enforceAccess: boolean;
  readonly keepFolders: boolean;
  /** Seconds between SIGTERM and SIGKILL of a stopped job. */
  readonly jobStopSeconds: number;
  /** Factor on the waits of deployments. */
  readonly timeScale: number;
  /** Longest time, in ms, that a captured invocation waits for its file. */
  readonly captureFlushMs: number;
}

export const usage = `SageMaker local: SageMaker's control plane and runtime on this machine.

  node local/sagemaker/main.ts --cloud http://127.0.0.1:4566 --state DIR [options]

  --port N               port on 127.0.0.1 (4567; 0 takes a free one)
  --cloud URL            MiniStack, for S3, IAM, logs and events (http://127.0.0.1:4566)
  --state DIR            folder of the server's state (.flywheel/sagemaker)
  --secret FILE          the secret of MiniStack's root key (secret in the state's folder, made if missing)
  --images FILE          what stands in for images: [{"pattern", "python", "serve"}]; may be given again
  --service-model FILE   botocore's sagemaker/2017-07-24/service-2.json.gz (found in .flywheel/venv/cloud)
  --chaos MODES          faults of event delivery: ${chaosModes.join(', ')}, separated by commas
  --no-capacity TYPES    instance types that are not to be had, separated by commas
  --quota NAME=N         an account's quota, for example 'ml.g5.xlarge for spot training job usage=1'; may be given again
  --job-stop-seconds N   time between SIGTERM and SIGKILL of a stopped job (120, as SageMaker)
  --time-scale X         factor on the waits of deployments (1)
  --capture-flush-ms N   longest wait of a captured invocation for its file (2000)
  --no-namespaces        run containers as plain processes, with no /opt/ml and no isolation of their own
  --python FILE          interpreter that prepares the namespaces of containers (that of .flywheel/venv/cloud)
  --keep-folders         keep the folders of ended jobs
  --no-auth              do not ask IAM: for tests without MiniStack only
`;

const cloudPython = resolve(import.meta.dirname, '../../.flywheel/venv/cloud/bin/python');

/** @throws Error that names the option, what it got and what it expects */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: 'string', default: '4567' },
      cloud: { type: 'string', default: 'http://127.0.0.1:4566' },
      state: { type: 'string', default: '.flywheel/sagemaker' },
      secret: { type: 'string' },
      images: { type: 'string', multiple: true, default: [] },
      'service-model': { type: 'string' },
      chaos: { type: 'string', default: '' },
      'no-capacity': { type: 'string', default: '' },
      quota: { type: 'string', multiple: true, default: [] },
      'job-stop-seconds': { type: 'string', default: '120' },
      'time-scale': { type: 'string', default: '1' },
      'capture-flush-ms': { type: 'string', default: '2000' },
      'no-namespaces': { type: 'boolean', default: false },
      python: { type: 'string', default: cloudPython },
      'keep-folders': { type: 'boolean', default: false },
      'no-auth': { type: 'boolean', default: false },
    },
  });
  return {
    port: numberOf('port', values.port),
    cloud: values.cloud.replace(/\/+$/, ''),
    state: resolve(values.state),
    secretFile: resolve(values.secret ?? join(values.state, 'secret')),
    images: values.images,
    serviceModel: values['service-model'] ?? findServiceModel(),
    chaos: wordsOf(values.chaos).map(chaosMode),
    noCapacity: wordsOf(values['no-capacity']),
    quotas: Object.fromEntries(values.quota.map(quota)),
    enforceAccess: !values['no-auth'],
    namespaces: !values['no-namespaces'],
    python: values.python,
    keepFolders: values['keep-folders'],
    jobStopSeconds: numberOf('job-stop-seconds', values['job-stop-seconds']),
    timeScale: numberOf('time-scale', values['time-scale']),
    captureFlushMs: numberOf('capture-flush-ms', values['capture-flush-ms']),
  };
}

/** The service model of the botocore that the project's venv holds. */
export function findServiceModel(): string {
  const venv = resolve(import.meta.dirname, '../../.flywheel/venv/cloud');
  const inside = 'lib/python3*/site-packages/botocore/data/sagemaker/2017-07-24/service-2.json.gz';
  const [found] = globSync(inside, { cwd: venv });
  const path = join(venv, found ?? inside);
  if (!existsSync(path)) {
    throw new Error(
      `No service model of SageMaker: expected botocore at ${path}. Make the venv (npm run setup), or name the file with --service-model.`,
    );
  }
  return path;
}

function wordsOf(text: string): string[] {
  return text.split(',').filter((word) => word !== '');
}

function chaosMode(word: string): ChaosMode {
  const mode = chaosModes.find((one) => one === word);
  if (mode) return mode;
  throw new Error(`--chaos: got '${word}', expected one or more of ${chaosModes.join(', ')}, separated by commas.`);
}

function quota(text: string): [string, number] {
  const [, name = '', limit = ''] = /^(.*)=(.*)$/.exec(text) ?? [];
  if (parseQuotaName(name)) return [name, numberOf('quota', limit)];
  const usages = quotaUsages.map((usage) => `'ml.m5.large for ${usage}=1'`).join(', ');
  throw new Error(`--quota: got '${text}', expected a quota and its number: ${usages}.`);
}

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (text === '' || !Number.isFinite(value) || value < 0) {
    throw new Error(`--${name}: got '${text}', expected a number of at least 0.`);
  }
  return value;
}
