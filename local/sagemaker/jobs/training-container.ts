import { cp, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { containerEnvironment, gpuCount } from '../container/container-environment.ts';
import { rewriteWord } from '../container/container-root.ts';
import { imageFor, type LocalImage } from '../container/images.ts';
import { runContainer } from '../container/run-container.ts';
import type { Core } from '../core/core.ts';
import { parseS3Uri } from '../core/s3-uri.ts';
import { algorithmError, type JobControl, JobFailure } from './job-control.ts';
import { downloadFiles, filesBelow } from './s3-files.ts';
import {
  installFailure,
  installsWithoutNetwork,
  type ResourceConfig,
  type ScriptMode,
  scriptFailure,
  scriptModeOf,
} from './script-mode.ts';
import type { Channel, TrainingJob } from './training-job.ts';
import { unpackTarGz } from './unpack.ts';

/** One host of a job: a folder that stands in for its `/opt/ml`. */
export interface Host {
  /** `algo-1`, `algo-2`, … */
  readonly name: string;
  readonly root: string;
  /** The names of all hosts of the job, sorted. */
  readonly all: readonly string[];
}

/** Characters of the end of a script's error output that its failure text repeats. */
const errorOutputLength = 2000;

/** Makes the folders and configuration files that a container finds under `/opt/ml`. */
export async function writeConfiguration(job: TrainingJob, host: Host): Promise<void> {
  const { description } = job;
  const config = join(host.root, 'input/config');
  const folders = ['input/config', 'input/data', 'model', 'output/data', 'output/intermediate', 'code'];
  await Promise.all(folders.map((folder) => mkdir(join(host.root, folder), { recursive: true })));
  const files: Record<string, unknown> = {
    'hyperparameters.json': description.HyperParameters ?? {},
    'inputdataconfig.json': inputDataConfig(job),
    'resourceconfig.json': resourceConfig(job, host),
    ...(description.CheckpointConfig ? { 'checkpointconfig.json': description.CheckpointConfig } : {}),
  };
  const write = ([name, content]: [string, unknown]) => writeFile(join(config, name), JSON.stringify(content));
  await Promise.all(Object.entries(files).map(write));
}

/**
 * Runs the job's container on one host until it ends by itself or is stopped.
 * @throws JobFailure with the failure's text when it ends with an error
 */
export async function runTrainingContainer(
  core: Core,
  job: TrainingJob,
  host: Host,
  control: JobControl,
  onLine: (line: string) => void,
): Promise<void> {
  const { description, scope } = job;
  const image = imageFor(core.images, description.AlgorithmSpecification?.TrainingImage ?? '');
  const script = await scriptMode(job, host, image);
  const environment = await containerEnvironment(core, {
    region: scope.region,
    roleArn: description.RoleArn,
    isolated: description.EnableNetworkIsolation ?? false,
    image,
    own: {
      TRAINING_JOB_NAME: job.name,
      TRAINING_JOB_ARN: job.arn,
      ...description.Environment,
      ...script?.environment,
    },
  });
  if (script) {
    await placeCode(core, job, host, script, onLine);
    await checkInstallation(job, host, image);
  }
  let errorOutput = '';
  const argv = script?.argv ?? containerCommand(job);
  const exit = await runContainer({
    argv,
    cwd: script ? join(host.root, 'code') : host.root,
    environment,
    root: host.root,
    containment: core.containment,
    network: !description.EnableNetworkIsolation,
    signal: control.signal,
    stopTimeoutMs: core.jobStopTimeoutMs,
    onStart: () => core.log(`Training job ${job.name}: process started`),
    onLine: (line, stream) => {
      if (stream === 'stderr') errorOutput = `${errorOutput}${line}\n`.slice(-errorOutputLength);
      onLine(line);
    },
  });
  core.log(`Training job ${job.name}: process ended with ${exit.exitCode}`);
  if (exit.killed || exit.exitCode === 0) return;
  if (script) throw algorithmError(scriptFailure(image, exit.exitCode ?? 1, argv, errorOutput), 1);
  throw algorithmError((await failureText(host)) || 'See job logs for more information', exit.exitCode);
}

/** What XGBoost's image does before it runs a program. Nothing is installed here, but what pip could not do fails. */
async function checkInstallation(job: TrainingJob, host: Host, image: LocalImage): Promise<void> {
  if (image.toolkit !== 'sagemaker-containers' || !job.description.EnableNetworkIsolation) return;
  const pyproject = await readFile(join(host.root, 'code/pyproject.toml'), 'utf8').catch(() => undefined);
  if (!installsWithoutNetwork(pyproject)) throw algorithmError(installFailure(image), 1);
}

function containerCommand(job: TrainingJob): string[] {
  const { ContainerEntrypoint: entrypoint, ContainerArguments: args = [] } =
    job.description.AlgorithmSpecification ?? {};
  if (entrypoint) return [...entrypoint, ...args];
  throw new JobFailure(
    `ClientError: SageMaker local runs an image in script mode or by ContainerEntrypoint, and the job has neither: expected the hyperparameters sagemaker_program and sagemaker_submit_directory, got ${
      Object.keys(job.description.HyperParameters ?? {}).join(', ') || 'none'
    }.`,
  );
}

/** Undefined when the request brings its own command. */
async function scriptMode(job: TrainingJob, host: Host, image: LocalImage): Promise<ScriptMode | undefined> {
  const { description } = job;
  if (description.AlgorithmSpecification?.ContainerEntrypoint) return undefined;
  return scriptModeOf({
    image,
    root: host.root,
    jobName: job.name,
    hyperParameters: description.HyperParameters ?? {},
    environment: description.Environment ?? {},
    resources: resourceConfig(job, host),
    channels: inputDataConfig(job),
    gpus: await gpuCount(),
  });
}

/** Fills `/opt/ml/code` from the submit directory, unless a channel or the image has filled it. */
async function placeCode(
  core: Core,
  job: TrainingJob,
  host: Host,
  script: ScriptMode,
  onLine: (line: string) => void,
): Promise<void> {
  const { description, scope } = job;
  const code = join(host.root, 'code');
  if ((await filesBelow(code)).length === 0) {
    const from = rewriteWord(script.submitDirectory, host.root);
    if (from.startsWith('s3://')) {
      if (description.EnableNetworkIsolation) {
        throw algorithmError(
          `The container cannot download ${from} under network isolation. Bring the code in a channel, and name its path in sagemaker_submit_directory`,
          1,
        );
      }
      const s3 = core.cloud.s3(await core.cloud.roleCredentials(description.RoleArn, scope.region), scope.region);
      const { bucket, key } = parseS3Uri(from);
      try {
        await downloadFiles(s3, [{ bucket, key, path: 'sourcedir.tar.gz' }], join(host.root, 'tmp'));
        await unpackTarGz(join(host.root, 'tmp', 'sourcedir.tar.gz'), code);
      } catch (error) {
        throw algorithmError(`Framework Error: cannot fetch the code from ${from}: ${String(error)}`, 1);
      }
    } else if (from !== code) {
      const found = await stat(from).catch(() => undefined);
      if (!found) throw algorithmError(`Framework Error: no code at ${script.submitDirectory}`, 1);
      if (found.isDirectory()) await cp(from, code, { recursive: true });
      else await unpackTarGz(from, code);
    }
  }
  const files = await filesBelow(code);
  for (const name of ['requirements.txt', 'setup.py'].filter((one) => files.includes(one))) {
    onLine(
      `SageMaker local does not install ${name}: the interpreter that stands in for the image must have the packages.`,
    );
  }
}

async function failureText(host: Host): Promise<string> {
  const text = await readFile(join(host.root, 'output/failure'), 'utf8').catch(() => '');
  return text.slice(0, 1024).trim();
}

function inputDataConfig(job: TrainingJob): Record<string, unknown> {
  const { description } = job;
  const channel = (one: Channel) => ({
    ...(one.ContentType === undefined ? {} : { ContentType: one.ContentType }),
    TrainingInputMode: one.InputMode ?? description.AlgorithmSpecification?.TrainingInputMode ?? 'File',
    S3DistributionType: one.DataSource.S3DataSource?.S3DataDistributionType ?? 'FullyReplicated',
    RecordWrapperType: one.RecordWrapperType ?? 'None',
  });
  return Object.fromEntries((description.InputDataConfig ?? []).map((one) => [one.ChannelName, channel(one)]));
}

function resourceConfig(job: TrainingJob, host: Host): ResourceConfig {
  const instanceType = job.description.ResourceConfig?.InstanceType ?? '';
  const group = 'homogeneousCluster';
  return {
    current_host: host.name,
    current_instance_type: instanceType,
    current_group_name: group,
    hosts: host.all,
    instance_groups: [{ instance_group_name: group, instance_type: instanceType, hosts: host.all }],
    network_interface_name: 'lo',
  };
}
