import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import { containerEnvironment } from '../container/container-environment.ts';
import { imageFor } from '../container/images.ts';
import { runContainer } from '../container/run-container.ts';
import { epochSeconds } from '../core/clock.ts';
import type { Core } from '../core/core.ts';
import { LogStream } from '../core/log-stream.ts';
import { channelFiles } from './data-channel.ts';
import { FolderSync } from './folder-sync.ts';
import { algorithmError, type JobControl, JobFailure, orClientError } from './job-control.ts';
import type { ProcessingJob, ProcessingJobs, ProcessingOutput } from './processing-job.ts';
import { downloadFiles, uploadFolder } from './s3-files.ts';

export interface ProcessingRun {
  readonly core: Core;
  readonly jobs: ProcessingJobs;
  readonly job: ProcessingJob;
  /** Each host's root lies in it. */
  readonly folder: string;
  readonly control: JobControl;
}

interface Host {
  readonly name: string;
  readonly root: string;
}

const logGroup = '/aws/sagemaker/ProcessingJobs';

/**
 * Downloads, runs and uploads. Returns when the container has ended by itself or was stopped (`control.reason`).
 * @returns what the container left in `/opt/ml/output/message`, SageMaker's ExitMessage
 * @throws JobFailure, or StoppedError when it was stopped before its container ran
 */
export async function runProcessing(run: ProcessingRun): Promise<string | undefined> {
  const { core, jobs, job, control } = run;
  const { description, scope } = job;
  const s3 = await orClientError('', async () =>
    core.cloud.s3(await core.cloud.roleCredentials(description.RoleArn, scope.region), scope.region),
  );
  const count = description.ProcessingResources.ClusterConfig?.InstanceCount ?? 1;
  const names = Array.from({ length: count }, (_, index) => `algo-${index + 1}`).sort();
  const hosts = names.map((name) => ({ name, root: join(run.folder, name) }));
  await Promise.all(hosts.map((host) => writeConfiguration(job, host, names)));
  await orClientError('Data download failed:', () => downloadInputs(run, s3, hosts));
  control.signal.throwIfAborted();
  jobs.collection.update(jobs.get(job.arn), { ProcessingStartTime: epochSeconds(core.clock) });
  const syncs = await startContinuousOutputs(run, s3, hosts);
  try {
    await orClientError('', () => runHosts(run, hosts));
  } catch (error) {
    if (!(error instanceof JobFailure)) throw error;
    throw new ProcessingFailure(error.message, await exitMessage(hosts));
  } finally {
    const problem = await stopAll(syncs);
    if (problem !== undefined) core.log(`Outputs of ${job.name}: ${String(problem)}`);
  }
  await orClientError('Artifact upload failed:', () => uploadOutputs(run, s3, hosts));
  return exitMessage(hosts);
}

/** A container that failed, and what it said in `/opt/ml/output/message`. */
export class ProcessingFailure extends JobFailure {
  readonly exitMessage: string | undefined;

  constructor(reason: string, message: string | undefined) {
    super(reason);
    this.exitMessage = message;
  }
}

async function writeConfiguration(job: ProcessingJob, host: Host, hosts: readonly string[]): Promise<void> {
  const { description } = job;
  const config = join(host.root, 'config');
  const folders = [
    'config',
    'processing',
    'output',
    ...outputsOf(job).map(({ path }) => path.slice('/opt/ml/'.length)),
  ];
  for (const folder of folders) await mkdir(join(host.root, folder), { recursive: true });
  const { ProcessingJobStatus: _, CreationTime: _created, LastModifiedTime: _modified, ...request } = description;
  await writeFile(join(config, 'processingjobconfig.json'), JSON.stringify(request));
  await writeFile(join(config, 'resourceconfig.json'), JSON.stringify({ current_host: host.name, hosts }));
}

async function downloadInputs({ job, control }: ProcessingRun, s3: S3Client, hosts: readonly Host[]): Promise<void> {
  await Promise.all(
    (job.description.ProcessingInputs ?? []).map(async ({ InputName, AppManaged, S3Input: input }) => {
      if (AppManaged || !input) return;
      const { S3Uri: uri, S3DataType: type, S3DataDistributionType: distribution = 'FullyReplicated' } = input;
      const files = await channelFiles(s3, { uri, type, distribution }, hosts.length);
      const path = input.LocalPath ?? `/opt/ml/processing/input/${InputName}`;
      await Promise.all(
        hosts.map((host, index) => downloadFiles(s3, files[index] ?? [], inRoot(host, path), control.signal)),
      );
    }),
  );
}

async function runHosts({ core, job, control }: ProcessingRun, hosts: readonly Host[]): Promise<void> {
  const { description, scope } = job;
  const { ContainerEntrypoint: entrypoint, ContainerArguments: args = [], ImageUri } = description.AppSpecification;
  if (!entrypoint) {
    throw new JobFailure(
      "ClientError: SageMaker local does not know an image's own entrypoint. Give AppSpecification.ContainerEntrypoint.",
    );
  }
  const image = imageFor(core.images, ImageUri);
  const environment = await containerEnvironment(core, {
    region: scope.region,
    roleArn: description.RoleArn,
    isolated: description.NetworkConfig?.EnableNetworkIsolation ?? false,
    image,
    own: { PROCESSING_JOB_NAME: job.name, PROCESSING_JOB_ARN: job.arn, ...description.Environment },
  });
  const second = Math.floor(description.CreationTime);
  const ended = await Promise.allSettled(
    hosts.map(async (host) => {
      const stream = `${job.name}/${host.name}-${second}`;
      const client = () => core.cloud.logs(description.RoleArn, scope.region);
      const log = new LogStream(client, logGroup, stream, core.log);
      try {
        const exit = await runContainer({
          argv: [...entrypoint, ...args],
          environment,
          root: host.root,
          containment: core.containment,
          network: !description.NetworkConfig?.EnableNetworkIsolation,
          signal: control.signal,
          stopTimeoutMs: core.jobStopTimeoutMs,
          onStart: () => core.log(`Processing job ${job.name}: process started`),
          onLine: (line) => log.write(line),
        });
        core.log(`Processing job ${job.name}: process ended with ${exit.exitCode}`);
        if (exit.killed || exit.exitCode === 0) return;
        // What the container says is ExitMessage's; whether FailureReason repeats it, SageMaker's documentation leaves open.
        throw algorithmError('See job logs for more information', exit.exitCode);
      } catch (error) {
        // A host that fails ends the job; the others must not run on without it.
        control.stop('host-failed');
        throw error;
      } finally {
        void log.close();
      }
    }),
  );
  const failed = ended.find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
}

interface Output {
  readonly uri: string;
  /** Below `/opt/ml`. */
  readonly path: string;
  readonly mode: 'Continuous' | 'EndOfJob';
}

function outputsOf(job: ProcessingJob): Output[] {
  const toOutput = ({ OutputName, AppManaged, S3Output: output }: ProcessingOutput): Output[] => {
    if (AppManaged || !output) return [];
    const path = output.LocalPath ?? `/opt/ml/processing/output/${OutputName}`;
    return [{ uri: output.S3Uri, path, mode: output.S3UploadMode }];
  };
  return (job.description.ProcessingOutputConfig?.Outputs ?? []).flatMap(toOutput);
}

async function startContinuousOutputs({ core, job }: ProcessingRun, s3: S3Client, hosts: readonly Host[]) {
  const kmsKeyId = job.description.ProcessingOutputConfig?.KmsKeyId;
  const syncs = outputsOf(job)
    .filter(({ mode }) => mode === 'Continuous')
    .flatMap(({ uri, path }) =>
      hosts.map((host) => {
        const onProblem = (problem: unknown) => core.log(`Outputs of ${job.name}: ${String(problem)}`);
        return new FolderSync(s3, { folder: inRoot(host, path), uri, propagateDeletions: false, kmsKeyId, onProblem });
      }),
    );
  await Promise.all(syncs.map((sync) => sync.start()));
  return syncs;
}

/** @returns what went wrong, if anything did */
async function stopAll(syncs: readonly FolderSync[]): Promise<unknown> {
  const stopped = await Promise.allSettled(syncs.map((sync) => sync.stop()));
  return stopped.find((one) => one.status === 'rejected')?.reason;
}

async function uploadOutputs({ job }: ProcessingRun, s3: S3Client, hosts: readonly Host[]): Promise<void> {
  const kmsKeyId = job.description.ProcessingOutputConfig?.KmsKeyId;
  for (const { uri, path, mode } of outputsOf(job)) {
    if (mode !== 'EndOfJob') continue;
    await Promise.all(hosts.map((host) => uploadFolder(s3, inRoot(host, path), uri, { kmsKeyId })));
  }
}

async function exitMessage(hosts: readonly Host[]): Promise<string | undefined> {
  for (const { root } of hosts) {
    // No such file: the container said nothing.
    const text = await readFile(join(root, 'output/message'), 'utf8').catch(() => '');
    if (text !== '') return text.slice(0, 1024);
  }
  return undefined;
}

function inRoot(host: Host, path: string): string {
  return join(host.root, path.slice('/opt/ml'.length));
}
