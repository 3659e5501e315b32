import { join } from 'node:path';
import { HeadBucketCommand, NotFound, type S3Client } from '@aws-sdk/client-s3';
import { epochSeconds } from '../core/clock.ts';
import type { Core } from '../core/core.ts';
import { LogStream } from '../core/log-stream.ts';
import { parseS3Uri } from '../core/s3-uri.ts';
import { channelFiles, pathUnder } from './data-channel.ts';
import { FolderSync } from './folder-sync.ts';
import { type JobControl, orClientError } from './job-control.ts';
import type { MetricReader } from './metrics.ts';
import { downloadFiles, filesBelow, joinS3Uri, listKeys, uploadFolder, uploadTarGz } from './s3-files.ts';
import { type Host, runTrainingContainer, writeConfiguration } from './training-container.ts';
import { modelArtifactsUri, type TrainingJob, type TrainingJobs } from './training-job.ts';

export interface Attempt {
  readonly core: Core;
  readonly jobs: TrainingJobs;
  readonly job: TrainingJob;
  /** Folder of the attempt; each host's root lies in it. */
  readonly folder: string;
  readonly control: JobControl;
  readonly metrics: MetricReader;
  /** 1, and one more after each spot interruption. */
  readonly number: number;
}

const logGroup = '/aws/sagemaker/TrainingJobs';

/**
 * Downloads, trains and uploads once. Returns when the container has ended by itself or was stopped (`control.reason`).
 * @throws JobFailure, or StoppedError when it was stopped before its container ran
 */
export async function runAttempt(attempt: Attempt): Promise<void> {
  const { core, jobs, job, control } = attempt;
  const { description, scope } = job;
  control.signal.throwIfAborted();
  const started = jobs.get(job.arn).description.TrainingStartTime ?? epochSeconds(core.clock);
  jobs.move(job.arn, 'Downloading', { TrainingStartTime: started });
  const s3 = await orClientError('', async () =>
    core.cloud.s3(await core.cloud.roleCredentials(description.RoleArn, scope.region), scope.region),
  );
  const hosts = hostsOf(attempt);
  await Promise.all([
    ...hosts.map((host) => writeConfiguration(job, host)),
    orClientError('Data download failed:', () =>
      Promise.all([downloadChannels(attempt, s3, hosts), restoreCheckpoints(attempt, s3, hosts)]),
    ),
  ]);
  control.signal.throwIfAborted();
  jobs.move(job.arn, 'Training');
  const sync = await checkpointSync(attempt, s3, hosts);
  try {
    await orClientError('', () => train(attempt, hosts));
  } catch (error) {
    await uploadOutput(attempt, s3, hosts).catch((problem) => core.log(`Output of ${job.name}: ${String(problem)}`));
    throw error;
  } finally {
    // Checkpoints are best effort on AWS, too: a job does not fail for them.
    await sync?.stop().catch((problem) => core.log(`Checkpoints of ${job.name}: ${String(problem)}`));
  }
  if (control.reason === 'interrupted') return;
  if (control.reason === undefined) jobs.move(job.arn, 'Uploading');
  await orClientError('Artifact upload failed:', () =>
    Promise.all([uploadModel(attempt, s3, hosts), uploadOutput(attempt, s3, hosts)]),
  );
}

function hostsOf({ job, folder }: Attempt): Host[] {
  const count = job.description.ResourceConfig?.InstanceCount ?? 1;
  const all = Array.from({ length: count }, (_, index) => `algo-${index + 1}`).sort();
  return all.map((name) => ({ name, root: join(folder, name), all }));
}

async function downloadChannels({ job, control }: Attempt, s3: S3Client, hosts: readonly Host[]): Promise<void> {
  const channels = job.description.InputDataConfig ?? [];
  await Promise.all(
    channels.map(async ({ ChannelName, DataSource: { S3DataSource: source } }) => {
      if (!source) return;
      const type = source.S3DataType === 'ManifestFile' ? 'ManifestFile' : 'S3Prefix';
      const distribution = source.S3DataDistributionType ?? 'FullyReplicated';
      const files = await channelFiles(s3, { uri: source.S3Uri, type, distribution }, hosts.length);
      await Promise.all(
        hosts.map(({ root }, index) =>
          downloadFiles(s3, files[index] ?? [], join(root, 'input/data', ChannelName), control.signal),
        ),
      );
    }),
  );
}

async function train({ core, job, control, metrics, number }: Attempt, hosts: readonly Host[]): Promise<void> {
  const second = Math.floor(job.description.CreationTime);
  const ended = await Promise.allSettled(
    hosts.map(async (host) => {
      const stream = `${job.name}/${host.name}-${second}${number > 1 ? `-${number}` : ''}`;
      const client = () => core.cloud.logs(job.description.RoleArn, job.scope.region);
      const log = new LogStream(client, logGroup, stream, core.log);
      try {
        await runTrainingContainer(core, job, host, control, (line) => {
          metrics.read(line, epochSeconds(core.clock));
          log.write(line);
        });
      } catch (error) {
        // A host that fails ends the job; the others must not run on without it.
        control.stop('host-failed');
        throw error;
      } finally {
        // The last lines travel while the model is uploaded.
        void log.close();
      }
    }),
  );
  const failed = ended.find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
}

async function uploadModel(attempt: Attempt, s3: S3Client, hosts: readonly Host[]): Promise<void> {
  const { job } = attempt;
  const folders = hosts.map(({ root }) => join(root, 'model'));
  await upload(attempt, s3, folders, modelArtifactsUri(job.name, job.description.OutputDataConfig));
}

async function uploadOutput(attempt: Attempt, s3: S3Client, hosts: readonly Host[]): Promise<void> {
  const { job } = attempt;
  const { OutputDataConfig: output } = job.description;
  const name = output.CompressionType === 'NONE' ? 'data/' : 'output.tar.gz';
  const folders = hosts.map(({ root }) => join(root, 'output/data'));
  await upload(attempt, s3, folders, joinS3Uri(output.S3OutputPath, job.name, 'output', name));
}

/** One archive, or loose objects when the URI names a folder; nothing when there is no file. */
async function upload({ core, job }: Attempt, s3: S3Client, folders: readonly string[], uri: string): Promise<void> {
  const settings = { kmsKeyId: job.description.OutputDataConfig.KmsKeyId };
  const counts = await Promise.all(folders.map(async (folder) => (await filesBelow(folder)).length));
  if (counts.every((count) => count === 0)) return requireBucket(core, job, uri);
  if (!uri.endsWith('/')) return uploadTarGz(s3, folders, uri, settings);
  for (const folder of folders) await uploadFolder(s3, folder, uri, settings);
}

/** A job that has nothing to upload still ends in a bucket that is there. */
async function requireBucket(core: Core, job: TrainingJob, uri: string): Promise<void> {
  const { account, region } = job.scope;
  const { bucket } = parseS3Uri(uri);
  const s3 = core.cloud.s3(core.cloud.platformCredentials(account), region);
  await s3.send(new HeadBucketCommand({ Bucket: bucket })).catch((error: unknown) => {
    if (!(error instanceof NotFound)) throw error;
    throw new Error(`NoSuchBucket: The specified bucket does not exist (${bucket})`);
  });
}

function checkpointFolder(job: TrainingJob, host: Host): string {
  const local = job.description.CheckpointConfig?.LocalPath ?? '/opt/ml/checkpoints';
  return join(host.root, local.slice('/opt/ml'.length));
}

async function restoreCheckpoints({ job, control }: Attempt, s3: S3Client, hosts: readonly Host[]): Promise<void> {
  const uri = job.description.CheckpointConfig?.S3Uri;
  if (uri === undefined) return;
  const { bucket, key: prefix } = parseS3Uri(joinS3Uri(uri, ''));
  const keys = await listKeys(s3, { bucket, key: prefix });
  const files = keys.map((key) => ({ bucket, key, path: pathUnder(prefix, key) }));
  await Promise.all(hosts.map((host) => downloadFiles(s3, files, checkpointFolder(job, host), control.signal)));
}

/** All hosts write to one prefix, as on AWS; it is theirs to use different names. */
async function checkpointSync(attempt: Attempt, s3: S3Client, hosts: readonly Host[]) {
  const { core, job } = attempt;
  const uri = job.description.CheckpointConfig?.S3Uri;
  if (uri === undefined) return undefined;
  const syncs = hosts.map((host) => {
    return new FolderSync(s3, {
      folder: checkpointFolder(job, host),
      uri,
      propagateDeletions: true,
      kmsKeyId: job.description.OutputDataConfig.KmsKeyId,
      onProblem: (problem) => core.log(`Checkpoints of ${job.name}: ${String(problem)}`),
    });
  });
  await Promise.all(syncs.map((sync) => sync.start()));
  return { stop: async () => void (await Promise.all(syncs.map((sync) => sync.stop()))) };
}
