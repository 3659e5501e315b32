import * as z from 'zod';
import type { Scope } from '../core/arn.ts';
import type { Core } from '../core/core.ts';
import { notImplemented, resourceInUse, validationException } from '../core/errors.ts';
import { pick } from '../core/fields.ts';
import { type InstanceRequest, refuseVolumeKey, requireInstances } from '../core/instances.ts';
import { listInput, listResources } from '../core/listing.ts';
import { type Operations, operation } from '../core/operation.ts';
import { isSageMakerAlgorithm } from './algorithms.ts';
import { type TrainingJob, TrainingJobs, type TrainingRequest, trainingRequest } from './training-job.ts';
import { TrainingRunner } from './training-runner.ts';

const named = z.looseObject({ TrainingJobName: z.string() });
const summaryMembers = [
  'TrainingJobName',
  'TrainingJobArn',
  'CreationTime',
  'TrainingEndTime',
  'LastModifiedTime',
  'TrainingJobStatus',
  'SecondaryStatus',
];

export function trainingOperations(core: Core): Operations {
  const jobs = new TrainingJobs(core);
  const runner = new TrainingRunner(core, jobs);
  runner.failLeftOver();
  core.quotas.counts('training job usage', (scope, type) => jobs.instancesInUse(scope, type, false));
  core.quotas.counts('spot training job usage', (scope, type) => jobs.instancesInUse(scope, type, true));
  const arnOf = ({ TrainingJobName }: { TrainingJobName: string }, scope: Scope) => [
    jobs.collection.arn(scope, TrainingJobName),
  ];
  const find = ({ TrainingJobName }: { TrainingJobName: string }, scope: Scope): TrainingJob => {
    const job = jobs.collection.get(scope, TrainingJobName);
    if (!job) throw validationException('Requested resource not found.');
    return job;
  };
  return {
    CreateTrainingJob: operation({
      input: trainingRequest,
      resources: arnOf,
      roles: ({ RoleArn }) => [RoleArn],
      async handle(request, call) {
        checkRequest(request);
        refuseDuplicate(jobs, request, call);
        await core.cloud.roleCredentials(request.RoleArn, call.region);
        // Another request of the same name may have come while the role was assumed.
        refuseDuplicate(jobs, request, call);
        requireInstances(core, call, instancesOf(request));
        const job = jobs.create({ account: call.account, region: call.region }, request, request.Tags ?? []);
        runner.start(job);
        return { TrainingJobArn: job.arn };
      },
    }),
    DescribeTrainingJob: operation({
      input: named,
      resources: arnOf,
      handle: (input, call) => jobs.collection.described(find(input, call)).description,
    }),
    ListTrainingJobs: operation({
      input: listInput,
      handle: (input, call) =>
        listResources(
          {
            collection: jobs.collection,
            member: 'TrainingJobSummaries',
            summary: ({ description }) => pick(description, summaryMembers),
            status: 'TrainingJobStatus',
            defaultOrder: 'Ascending',
            // Jobs here keep no warm pool and use no training plan, so none has the status or plan asked for.
            accepts: () => input.WarmPoolStatusEquals === undefined && input.TrainingPlanArnEquals === undefined,
          },
          input,
          call,
        ),
    }),
    StopTrainingJob: operation({
      input: named,
      resources: arnOf,
      handle(input, call) {
        const { arn, description } = find(input, call);
        const status = description.TrainingJobStatus;
        if (status === 'InProgress') runner.stop(arn);
        else if (status !== 'Stopping') {
          throw validationException(`The request was rejected because the training job is in status ${status}.`);
        }
        return {};
      },
    }),
    DeleteTrainingJob: operation({
      input: named,
      resources: arnOf,
      handle(input, call) {
        const job = find(input, call);
        if (['InProgress', 'Stopping'].includes(job.description.TrainingJobStatus)) {
          throw resourceInUse(
            `Training job ${job.arn} is in status ${job.description.TrainingJobStatus}; stop it first.`,
          );
        }
        jobs.collection.delete(job);
        return {};
      },
    }),
  };
}

function instancesOf({ ResourceConfig, EnableManagedSpotTraining }: TrainingRequest): InstanceRequest {
  return {
    instanceType: ResourceConfig?.InstanceType ?? '',
    count: ResourceConfig?.InstanceCount ?? 1,
    usage: EnableManagedSpotTraining ? 'spot training job usage' : 'training job usage',
    resource: 'training-job',
  };
}

function refuseDuplicate(jobs: TrainingJobs, request: TrainingRequest, scope: Scope): void {
  const existing = jobs.collection.get(scope, request.TrainingJobName);
  if (!existing) return;
  throw resourceInUse(
    `Training job names must be unique within an AWS account and region, and a training job with this name already exists (${existing.arn})`,
  );
}

/** What the service model cannot say: members that depend on others, and what this server has not. */
function checkRequest(request: TrainingRequest): void {
  const { AlgorithmSpecification: algorithm, ResourceConfig: resources, StoppingCondition: stopping } = request;
  if (request.ServerlessJobConfig !== undefined)
    throw notImplemented('ServerlessJobConfig is a part of CreateTrainingJob');
  const required = { AlgorithmSpecification: algorithm, ResourceConfig: resources, StoppingCondition: stopping };
  for (const [name, value] of Object.entries(required)) {
    if (value === undefined) throw validationException(`${name} is required for a training job on instances.`);
  }
  if ((algorithm?.TrainingImage === undefined) === (algorithm?.AlgorithmName === undefined)) {
    throw validationException('Expected exactly one of TrainingImage and AlgorithmName in AlgorithmSpecification.');
  }
  if (algorithm?.AlgorithmName !== undefined) throw notImplemented('AlgorithmName is a part of CreateTrainingJob');
  if (resources?.InstanceGroups !== undefined) throw notImplemented('InstanceGroups is a part of CreateTrainingJob');
  if (resources?.InstanceType === undefined || resources.InstanceCount === undefined) {
    throw validationException('ResourceConfig must have InstanceType and InstanceCount.');
  }
  refuseVolumeKey('VolumeKmsKeyId', resources.VolumeKmsKeyId, resources.InstanceType);
  checkSpot(request);
  checkChannels(request);
  if ((algorithm?.MetricDefinitions ?? []).length > 0 && isSageMakerAlgorithm(algorithm?.TrainingImage ?? '')) {
    throw validationException(
      "You can't override the metric definitions for Amazon SageMaker algorithms. Please retry the request without specifying metric definitions.",
    );
  }
  for (const { Name, Regex } of algorithm?.MetricDefinitions ?? []) {
    if (!isExpression(Regex)) throw validationException(`The regex of metric '${Name}' is not valid: '${Regex}'`);
  }
  const local = request.CheckpointConfig?.LocalPath;
  if (local !== undefined && !/^\/opt\/ml(\/|$)/.test(local)) {
    throw notImplemented(`CheckpointConfig.LocalPath outside of /opt/ml ('${local}') is a part of CreateTrainingJob`);
  }
}

function checkSpot({ EnableManagedSpotTraining: spot, StoppingCondition: stopping }: TrainingRequest): void {
  const { MaxRuntimeInSeconds: runtime = 86_400, MaxWaitTimeInSeconds: wait } = stopping ?? {};
  if (!spot && wait !== undefined) {
    throw validationException('MaxWaitTimeInSeconds must not be set when EnableManagedSpotTraining is not true.');
  }
  if (spot && wait === undefined) {
    throw validationException('MaxWaitTimeInSeconds must be set when EnableManagedSpotTraining is true.');
  }
  if (spot && wait !== undefined && wait < runtime) {
    throw validationException(
      `Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds (got ${wait}, MaxRuntimeInSeconds is ${runtime}).`,
    );
  }
}

function checkChannels(request: TrainingRequest): void {
  const names = new Set<string>();
  for (const channel of request.InputDataConfig ?? []) {
    const { ChannelName: name, DataSource: source } = channel;
    if (names.has(name.toLowerCase()))
      throw validationException(`Duplicate channel name '${name}' in InputDataConfig.`);
    names.add(name.toLowerCase());
    const type = source.S3DataSource?.S3DataType;
    if (type === undefined) throw notImplemented(`The data source of channel '${name}' is a part of CreateTrainingJob`);
    if (type !== 'S3Prefix' && type !== 'ManifestFile') {
      throw notImplemented(`S3DataType ${type} of channel '${name}' is a part of CreateTrainingJob`);
    }
    const mode = channel.InputMode ?? request.AlgorithmSpecification?.TrainingInputMode;
    if (mode === 'Pipe') throw notImplemented(`Pipe mode of channel '${name}' is a part of CreateTrainingJob`);
  }
}

function isExpression(text: string): boolean {
  try {
    new RegExp(text);
    return true;
  } catch {
    // A SyntaxError: that is the answer.
    return false;
  }
}
