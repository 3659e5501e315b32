import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { pathUnder } from '../../../../local/sagemaker/jobs/data-channel.ts';
import { MetricReader } from '../../../../local/sagemaker/jobs/metrics.ts';
import {
  commandLine,
  decodeHyperParameters,
  installsWithoutNetwork,
  scriptModeOf,
} from '../../../../local/sagemaker/jobs/script-mode.ts';

const image = {
  pattern: 'x:',
  python: '/venv/bin/python',
  serve: ['x'],
  toolkit: 'sagemaker-training' as const,
  environment: {},
};
const resources = {
  current_host: 'algo-1',
  current_instance_type: 'ml.m5.large',
  current_group_name: 'homogeneousCluster',
  hosts: ['algo-1', 'algo-2'],
  instance_groups: [
    { instance_group_name: 'homogeneousCluster', instance_type: 'ml.m5.large', hosts: ['algo-1', 'algo-2'] },
  ],
  network_interface_name: 'lo',
};
const request = {
  image,
  root: '/job',
  jobName: 'job',
  hyperParameters: {
    sagemaker_program: '"train.py"',
    sagemaker_submit_directory: 's3://b/code.tar.gz',
    'learning-rate': '0.1',
    n: '3',
  },
  environment: {},
  resources,
  channels: { train: { TrainingInputMode: 'File' } },
  gpus: 0,
};

test('the command line has the hyperparameters of the user, sorted, and none of the platform', () => {
  expect(scriptModeOf(request)?.argv).toEqual(['/venv/bin/python', 'train.py', '--learning-rate', '0.1', '-n', '3']);
});

test('the toolkit of XGBoost’s image runs the program as a module', () => {
  const argv = scriptModeOf({ ...request, image: { ...image, toolkit: 'sagemaker-containers' } })?.argv;
  expect(argv?.slice(0, 3)).toEqual(['/venv/bin/python', '-m', 'train']);
});

test('pip needs no network for code that says that building it requires nothing', () => {
  expect(installsWithoutNetwork(readFileSync('models/common/pyproject.toml', 'utf8'))).toBe(true);
  expect(installsWithoutNetwork('[build-system]\nrequires = ["setuptools"]\n')).toBe(false);
  expect(installsWithoutNetwork('[project]\nname = "x"\n')).toBe(false);
  expect(installsWithoutNetwork(undefined)).toBe(false);
});

test('values are spelled as the training toolkit spells them', () => {
  const user = decodeHyperParameters({
    on: 'true',
    map: '{"a":1,"b":2}',
    text: '"quoted"',
    raw: 'not json',
    none: 'null',
  });
  expect(commandLine(user)).toEqual([
    '--map',
    'a=1,b=2',
    '--none',
    'None',
    '--on',
    'True',
    '--raw',
    'not json',
    '--text',
    'quoted',
  ]);
});

test('SM_ variables hold strings raw and other values as JSON with sorted keys', () => {
  const environment = scriptModeOf(request)?.environment ?? {};
  expect(environment).toMatchObject({
    SM_MODEL_DIR: '/job/model',
    SM_CHANNEL_TRAIN: '/job/input/data/train',
    SM_CHANNELS: '["train"]',
    SM_HOSTS: '["algo-1","algo-2"]',
    SM_CURRENT_HOST: 'algo-1',
    SM_HPS: '{"learning-rate":0.1,"n":3}',
    'SM_HP_LEARNING-RATE': '0.1',
    SM_NUM_GPUS: '0',
    SM_OUTPUT_DATA_DIR: '/job/output/data',
    SM_USER_ENTRY_POINT: 'train.py',
    SM_MODULE_NAME: 'train',
  });
  expect(JSON.parse(environment.SM_TRAINING_ENV ?? '')).toMatchObject({ model_dir: '/job/model', num_gpus: 0 });
});

test('a job without a program is not in script mode; SAGEMAKER_PROGRAM wins', () => {
  expect(scriptModeOf({ ...request, hyperParameters: { depth: '3' } })).toBeUndefined();
  expect(scriptModeOf({ ...request, environment: { SAGEMAKER_PROGRAM: 'run.sh' } })?.argv.slice(0, 3)).toEqual([
    '/bin/sh',
    '-c',
    './run.sh "$@"',
  ]);
});

test.each([
  ['data/', 'data/a.csv', 'a.csv'],
  ['data', 'data/a.csv', 'a.csv'],
  ['data', 'data/deep/a.csv', 'deep/a.csv'],
  ['data/a.csv', 'data/a.csv', 'a.csv'],
  ['data/part', 'data/part-1.csv', 'part-1.csv'],
  ['', 'a.csv', 'a.csv'],
])('a key under the prefix %j: %s is the file %s', (prefix, key, path) => {
  expect(pathUnder(prefix, key)).toBe(path);
});

test('the last value of a metric is its final value; other lines and values that are no numbers count nothing', () => {
  const reader = new MetricReader([
    { Name: 'auc', Regex: 'auc=(\\S+)' },
    { Name: 'never', Regex: 'never=(.*)' },
  ]);
  for (const [second, line] of ['auc=0.5', 'loss=1', 'x auc=0.75 y', 'auc=high'].entries()) reader.read(line, second);
  expect(reader.finalValues()).toEqual([{ MetricName: 'auc', Value: 0.75, Timestamp: 2 }]);
});
