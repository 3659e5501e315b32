import { join } from 'node:path';
import * as z from 'zod';
import type { Scope } from '../core/arn.ts';
import type { Core } from '../core/core.ts';
import { notImplemented, resourceInUse, validationException } from '../core/errors.ts';
import { pick } from '../core/fields.ts';
import { refuseVolumeKey, requireInstances } from '../core/instances.ts';
import { listInput, listResources } from '../core/listing.ts';
import { type Operations, operation } from '../core/operation.ts';
import { BackgroundJobs } from './background-jobs.ts';
import { capacityError, internalServerError, type JobControl, JobFailure, StoppedError } from './job-control.ts';
import { type ProcessingJob, ProcessingJobs, type ProcessingRequest, processingRequest } from './processing-job.ts';
import { ProcessingFailure, runProcessing } from './processing-run.ts';
import { removeFolder } from './s3-files.ts';

const named = z.looseObject({ ProcessingJobName: z.string() });
const summaryMembers = [
  'ProcessingJobName',
  'ProcessingJobArn',
  'CreationTime',
  'ProcessingEndTime',
  'LastModifiedTime',
  'ProcessingJobStatus',
  'FailureReason',
  'ExitMessage',
];

export function processingOperations(core: Core): Operations {
  const jobs = new ProcessingJobs(core);
  const runner = new ProcessingRunner(core, jobs);
  runner.failLeftOver();
  core.quotas.counts('processing job usage', (scope, type) => jobs.instancesInUse(scope, type));
  const arnOf = ({ ProcessingJobName }: { ProcessingJobName: string }, scope: Scope) => [
    jobs.collection.arn(scope, ProcessingJobName),
  ];
  const find = ({ ProcessingJobName }: { ProcessingJobName: string }, scope: Scope): ProcessingJob => {
    const job = jobs.collection.get(scope, ProcessingJobName);
    if (!job) throw validationException('Could not find requested job');
    return job;
  };
  const refuseDuplicate = (request: ProcessingRequest, scope: Scope) => {
    const existing = jobs.collection.get(scope, request.ProcessingJobName);
    if (!existing) return;
    throw resourceInUse(
      `Job name must be unique within an AWS account and region, and a job with this name already exists (${existing.arn})`,
    );
  };
  return {
    CreateProcessingJob: operation({
      input: processingRequest,
      resources: arnOf,
      roles: ({ RoleArn }) => [RoleArn],
      async handle(request, call) {
        checkRequest(request);
        refuseDuplicate(request, call);
        await core.cloud.roleCredentials(request.RoleArn, call.region);
        // Another request of the same name may have come while the role was assumed.
        refuseDuplicate(request, call);
        const { InstanceType: instanceType = '', InstanceCount: count = 1 } =
          request.ProcessingResources.ClusterConfig ?? {};
        requireInstances(core, call, {
          instanceType,
          count,
          usage: 'processing job usage',
          resource: 'processing-job',
        });
        const job = jobs.create({ account: call.account, region: call.region }, request, request.Tags ?? []);
        runner.start(job);
        return { ProcessingJobArn: job.arn };
      },
    }),
    DescribeProcessingJob: operation({
      input: named,
      resources: arnOf,
      handle: (input, call) => jobs.collection.described(find(input, call)).description,
    }),
    ListProcessingJobs: operation({
      input: listInput,
      handle: (input, call) =>
        listResources(
          {
            collection: jobs.collection,
            member: 'ProcessingJobSummaries',
            summary: ({ description }) => pick(description, summaryMembers),
            status: 'ProcessingJobStatus',
            defaultOrder: 'Ascending',
          },
          input,
          call,
        ),
    }),
    StopProcessingJob: operation({
      input: named,
      resources: arnOf,
      handle(input, call) {
        const { arn, description } = find(input, call);
        const status = description.ProcessingJobStatus;
        if (status === 'InProgress') runner.stop(arn);
        else if (status !== 'Stopping') {
          throw validationException(`The request was rejected because the processing job is in status ${status}.`);
        }
        return {};
      },
    }),
    DeleteProcessingJob: operation({
      input: named,
      resources: arnOf,
      handle(input, call) {
        const job = find(input, call);
        const status = job.description.ProcessingJobStatus;
        if (status === 'InProgress' || status === 'Stopping') {
          throw resourceInUse(`Processing job ${job.arn} is in status ${status}; stop it first.`);
        }
        jobs.collection.delete(job);
        return {};
      },
    }),
  };
}

/** Runs processing jobs to their end. */
class ProcessingRunner {
  readonly #core: Core;
  readonly #jobs: ProcessingJobs;
  readonly #running: BackgroundJobs<ProcessingJob>;

  constructor(core: Core, jobs: ProcessingJobs) {
    this.#core = core;
    this.#jobs = jobs;
    this.#running = new BackgroundJobs(core, {
      label: 'Processing job',
      run: (job, control) => this.#run(job, control),
      fail: (job) => jobs.move(job.arn, 'Failed', { FailureReason: internalServerError }),
    });
  }

  start(job: ProcessingJob): void {
    this.#running.start(job);
  }

  stop(arn: string): void {
    this.#running.control(arn)?.stop('requested');
  }

  /** Jobs that ran when an earlier server ended: their processes are gone, and they must not hang. */
  failLeftOver(): void {
    for (const { arn, description } of this.#jobs.collection.all()) {
      if (!['InProgress', 'Stopping'].includes(description.ProcessingJobStatus)) continue;
      this.#jobs.move(arn, 'Failed', { FailureReason: internalServerError });
    }
  }

  async #run(job: ProcessingJob, control: JobControl): Promise<void> {
    const { core, jobs } = { core: this.#core, jobs: this.#jobs };
    const { arn, description, scope } = job;
    const folder = join(core.directory, 'jobs', scope.account, scope.region, 'processing', job.name);
    control.onStop((reason) => {
      if (reason !== 'host-failed') jobs.move(arn, 'Stopping');
    });
    // The answer to the request goes out first.
    await new Promise((resolve) => setImmediate(resolve));
    await removeFolder(folder);
    const instance = description.ProcessingResources.ClusterConfig?.InstanceType ?? '';
    if (!core.faults.hasCapacity(instance)) {
      jobs.move(arn, 'Failed', { FailureReason: capacityError });
      return;
    }
    const seconds = description.StoppingCondition?.MaxRuntimeInSeconds ?? 86_400;
    control.stopAfter(seconds * 1000, 'max-runtime');
    try {
      const message = await runProcessing({ core, jobs, job, folder, control });
      const change = message === undefined ? {} : { ExitMessage: message };
      jobs.move(arn, control.reason === undefined ? 'Completed' : 'Stopped', change);
    } catch (error) {
      if (error instanceof StoppedError) jobs.move(arn, 'Stopped');
      else if (error instanceof JobFailure) {
        const message = error instanceof ProcessingFailure ? error.exitMessage : undefined;
        const change = message === undefined ? {} : { ExitMessage: message };
        jobs.move(arn, 'Failed', { FailureReason: error.message, ...change });
      } else throw error;
    } finally {
      if (!core.keepFolders) await removeFolder(folder);
    }
  }
}

/** What the service model cannot say: members that depend on others, and what this server has not. */
function checkRequest(request: ProcessingRequest): void {
  const cluster = request.ProcessingResources.ClusterConfig;
  if (cluster?.InstanceType === undefined || cluster.InstanceCount === undefined) {
    throw validationException('ProcessingResources.ClusterConfig must have InstanceType and InstanceCount.');
  }
  refuseVolumeKey('VolumeKmsKeyId', cluster.VolumeKmsKeyId, cluster.InstanceType);
  for (const { InputName: name, S3Input: input, ...rest } of request.ProcessingInputs ?? []) {
    if (!input) throw notImplemented(`The input '${name}' without S3Input is a part of CreateProcessingJob`);
    if (input.S3InputMode === 'Pipe') {
      throw notImplemented(`Pipe mode of input '${name}' is a part of CreateProcessingJob`);
    }
    if (input.S3CompressionType === 'Gzip') {
      throw notImplemented(`Unpacking of input '${name}' (S3CompressionType Gzip) is a part of CreateProcessingJob`);
    }
    if (!rest.AppManaged) checkPath(`input '${name}'`, input.LocalPath);
  }
  for (const { OutputName: name, S3Output: output } of request.ProcessingOutputConfig?.Outputs ?? []) {
    if (!output) throw notImplemented(`The output '${name}' without S3Output is a part of CreateProcessingJob`);
    checkPath(`output '${name}'`, output.LocalPath);
  }
}

function checkPath(what: string, path: string | undefined): void {
  if (path === undefined || /^\/opt\/ml\/processing(\/|$)/.test(path)) return;
  throw validationException(`LocalPath of ${what} must be under /opt/ml/processing, got '${path}'.`);
}
