/** The platform's own requests, carried out in a container: what SageMaker does with them, without SageMaker. */
import { execFileSync } from 'node:child_process';
import { gunzipSync } from 'node:zlib';
import type { CreateTrainingJobCommandInput } from '@aws-sdk/client-sagemaker';
import { expect } from 'vitest';
import type { ModelRecord, TrainingRunRecord } from '../../../lambdas/contract/records.ts';
import type { ProjectSettings } from '../../../lambdas/contract/settings.ts';
import { deploymentRequests } from '../../../lambdas/domain/deployment.ts';
import { evaluationJobRequest } from '../../../lambdas/domain/evaluation-job.ts';
import { trainingJobRequest } from '../../../lambdas/domain/training-run.ts';
import { makeCodeArchive } from '../../../lib/code-archive.ts';
import { rewriteWord } from '../../../local/sagemaker/container/container-root.ts';
import { modelRecord } from '../../support/records.ts';
import { trialCsv, trialSettings } from '../../support/trial-data.ts';
import { type Ended, freePort, healthy, type ImageContainer, type Running } from './container.ts';

const places = {
  installation: 'aaaaa',
  environment: 'local',
  roleArn: 'role',
  keyArn: 'key',
  datasetBucket: 'data',
  modelBucket: 'models',
  captureBucket: 'captures',
  region: 'us-east-1',
  registries: {
    'sagemaker-xgboost': '683313688378.dkr.ecr.us-east-1.amazonaws.com',
    pytorch: '763104351884.dkr.ecr.us-east-1.amazonaws.com',
  },
  alarms: [],
};

/** A project whose code is the real archive. */
export interface Trial {
  readonly settings: ProjectSettings;
  readonly code: Uint8Array;
}

export async function trial(algorithm?: ProjectSettings['training']['algorithm']): Promise<Trial> {
  const base = trialSettings();
  const settings = { ...base, training: { ...base.training, algorithm: algorithm ?? base.training.algorithm } };
  const { bytes, sha256 } = await makeCodeArchive(process.cwd(), settings);
  return { settings: { ...settings, code: { sha256 } }, code: bytes };
}

export function trainingRequest({ settings }: Trial): CreateTrainingJobCommandInput {
  return trainingJobRequest(settings, runOf(settings), places);
}

/** Lays a job's files down, as SageMaker does before the container starts. */
export function prepareTraining(
  container: ImageContainer,
  { code }: Trial,
  request: CreateTrainingJobCommandInput,
): void {
  const host = 'localhost';
  const channels = request.InputDataConfig ?? [];
  const json = (name: string, content: unknown) =>
    container.write(`input/config/${name}.json`, JSON.stringify(content));
  const hyperParameters = Object.entries(request.HyperParameters ?? {});
  // Here `/opt/ml` is another folder.
  json(
    'hyperparameters',
    Object.fromEntries(hyperParameters.map(([name, value]) => [name, rewriteWord(value, container.root)])),
  );
  json('resourceconfig', { current_host: host, hosts: [host], network_interface_name: 'lo' });
  json(
    'inputdataconfig',
    Object.fromEntries(channels.map(({ ChannelName }) => [ChannelName, { TrainingInputMode: 'File' }])),
  );
  json('checkpointconfig', { LocalPath: '/opt/ml/checkpoints' });
  container.write('input/data/code/sourcedir.tar.gz', code);
  container.write(`input/data/dataset/${'0'.repeat(64)}`, gunzipSync(trialCsv({ from: 0, rows: 400 })));
  for (const folder of ['model', 'output/data', 'checkpoints', 'code']) container.write(`${folder}/.keep`, '');
  for (const folder of ['model', 'output/data', 'checkpoints', 'code'])
    execFileSync('rm', [`${container.root}/${folder}/.keep`]);
}

/** Starts what the request names: its entrypoint, or else the image's `train`. */
export function startTraining(container: ImageContainer, trial: Trial, request = trainingRequest(trial)): Running {
  prepareTraining(container, trial, request);
  return container.start(request.AlgorithmSpecification?.ContainerEntrypoint ?? ['train'], {
    TRAINING_JOB_NAME: request.TrainingJobName ?? '',
    ...request.Environment,
  });
}

/** Runs the evaluation of a model, alone or against a champion. */
export function evaluate(
  container: ImageContainer,
  { settings, code }: Trial,
  candidate: Buffer,
  champion?: Buffer,
): Promise<Ended> {
  const request = evaluationJobRequest(
    settings,
    { jobName: 'evaluation', instance: 0 },
    modelOf(settings, 2),
    settings.code.sha256,
    champion && modelOf(settings, 1),
    places,
  );
  const input = (name: string, file: string, content: Uint8Array) =>
    container.write(`processing/input/${name}/${file}`, content);
  input('code', 'sourcedir.tar.gz', code);
  input('dataset', '0'.repeat(64), gunzipSync(trialCsv({ from: 0, rows: 400 })));
  input('candidate', 'model.tar.gz', candidate);
  if (champion) input('champion', 'model.tar.gz', champion);
  return container.run(request.AppSpecification?.ContainerEntrypoint ?? [], request.Environment);
}

/** Unpacks a model and starts the image's `serve`. @returns where it answers, once it is healthy */
async function serve(
  container: ImageContainer,
  { settings }: Trial,
  model: Buffer,
): Promise<Running & { readonly url: string }> {
  const { createModel } = deploymentRequests(settings, modelOf(settings, 2), places);
  unpackModel(container, model);
  const port = await freePort();
  const running = container.start(['serve'], {
    ...createModel.PrimaryContainer?.Environment,
    SAGEMAKER_BIND_TO_PORT: String(port),
    SAGEMAKER_MODEL_SERVER_WORKERS: '1',
  });
  await healthy(running, port);
  return { ...running, url: `http://127.0.0.1:${port}/invocations` };
}

/** As on an endpoint, where the model cannot be written to. */
export function unpackModel(container: ImageContainer, model: Buffer): void {
  const folder = `${container.root}/model`;
  execFileSync('mkdir', ['-p', folder]);
  execFileSync('tar', ['-xzf', '-', '-C', folder], { input: model });
  execFileSync('chmod', ['-R', 'a-w', folder]);
}

const ROW = { delay: 12, wind: 3.5, carrier: 'UA' };
export const GOOD = [ROW, { ...ROW, delay: -10 }];
export const BAD = [ROW, { ...ROW, delay: 'late' }];
export const REFUSED = "row 2, column 'delay': expected a finite number, got JSON string";

/** A server of this model answers with predictions and the version, and a request that it refuses with 400 and why. */
export async function expectAnswers(container: ImageContainer, trial: Trial, model: Buffer): Promise<void> {
  const server = await serve(container, trial, model);
  const answers = [await ask(server.url, GOOD), await ask(server.url, BAD)];
  server.stop();
  await server.ended;
  expect(answers, server.output()).toEqual([
    { status: 200, body: { predictions: [expect.any(Number), expect.any(Number)], modelVersion: 'trial/2' } },
    { status: 400, body: { error: REFUSED } },
  ]);
}

/** Status and body of one request for predictions. */
async function ask(url: string, instances: readonly object[]): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ instances }),
  });
  return { status: answer.status, body: JSON.parse(await answer.text()) };
}

function runOf({ training, code }: ProjectSettings): TrainingRunRecord {
  return {
    runId: '0123456789ab',
    status: 'requested',
    datasetVersion: 1,
    manifestId: 'm',
    trigger: 'upload',
    cause: 'c',
    reason: 'r',
    image: training.algorithm.image,
    hyperparameters: training.algorithm.hyperparameters,
    codeSha256: code.sha256,
    attempt: 1,
    instance: 0,
    tries: 1,
    requestedAt: '2026-11-24T12:00:00Z',
    at: '2026-11-24T12:00:00Z',
  };
}

function modelOf({ training }: ProjectSettings, model: number): ModelRecord {
  const image = training.algorithm.servingImage ?? training.algorithm.image;
  return modelRecord({ model, status: 'approved', image, artifact: `s3://models/${model}/model.tar.gz` });
}
