import * as z from 'zod';
import type { Scope } from '../core/arn.ts';
import { epochSeconds } from '../core/clock.ts';
import type { Core } from '../core/core.ts';
import { eventDetail } from '../core/events.ts';
import { pick } from '../core/fields.ts';
import type { Collection, Resource, Tag } from '../core/store.ts';
import { joinS3Uri } from './s3-files.ts';

const strings = z.record(z.string(), z.string());

const channelSchema = z.looseObject({
  ChannelName: z.string(),
  ContentType: z.string().optional(),
  CompressionType: z.string().optional(),
  RecordWrapperType: z.string().optional(),
  InputMode: z.string().optional(),
  DataSource: z.looseObject({
    S3DataSource: z
      .looseObject({
        S3DataType: z.string(),
        S3Uri: z.string(),
        S3DataDistributionType: z.enum(['FullyReplicated', 'ShardedByS3Key']).optional(),
      })
      .optional(),
  }),
});

/** The members of CreateTrainingJob that are read; the others are kept for Describe. */
export const trainingRequest = z.looseObject({
  TrainingJobName: z.string(),
  RoleArn: z.string(),
  HyperParameters: strings.optional(),
  Environment: strings.optional(),
  AlgorithmSpecification: z
    .looseObject({
      TrainingImage: z.string().optional(),
      AlgorithmName: z.string().optional(),
      TrainingInputMode: z.string(),
      MetricDefinitions: z.array(z.object({ Name: z.string(), Regex: z.string() })).optional(),
      ContainerEntrypoint: z.array(z.string()).optional(),
      ContainerArguments: z.array(z.string()).optional(),
    })
    .optional(),
  InputDataConfig: z.array(channelSchema).optional(),
  OutputDataConfig: z.looseObject({
    S3OutputPath: z.string(),
    KmsKeyId: z.string().optional(),
    CompressionType: z.enum(['GZIP', 'NONE']).optional(),
  }),
  ResourceConfig: z
    .looseObject({
      InstanceType: z.string().optional(),
      InstanceCount: z.number().optional(),
      InstanceGroups: z.array(z.unknown()).optional(),
      VolumeKmsKeyId: z.string().optional(),
    })
    .optional(),
  StoppingCondition: z
    .looseObject({ MaxRuntimeInSeconds: z.number().optional(), MaxWaitTimeInSeconds: z.number().optional() })
    .optional(),
  EnableNetworkIsolation: z.boolean().optional(),
  EnableManagedSpotTraining: z.boolean().optional(),
  CheckpointConfig: z.looseObject({ S3Uri: z.string(), LocalPath: z.string().optional() }).optional(),
  Tags: z.array(z.object({ Key: z.string(), Value: z.string() })).optional(),
});

export type TrainingRequest = z.infer<typeof trainingRequest>;
export type Channel = z.infer<typeof channelSchema>;

const transition = z.object({
  Status: z.string(),
  StartTime: z.number(),
  EndTime: z.number().optional(),
  StatusMessage: z.string().optional(),
});

/** What DescribeTrainingJob answers. Times in epoch seconds. */
const trainingDescription = trainingRequest.extend({
  TrainingJobArn: z.string(),
  TrainingJobStatus: z.string(),
  SecondaryStatus: z.string(),
  SecondaryStatusTransitions: z.array(transition),
  CreationTime: z.number(),
  LastModifiedTime: z.number(),
  TrainingStartTime: z.number().optional(),
  TrainingEndTime: z.number().optional(),
  TrainingTimeInSeconds: z.number().optional(),
  BillableTimeInSeconds: z.number().optional(),
  FailureReason: z.string().optional(),
  ModelArtifacts: z.object({ S3ModelArtifacts: z.string() }).optional(),
});

export type TrainingDescription = z.infer<typeof trainingDescription>;
export type TrainingJob = Resource<TrainingDescription>;

/** S3 URI that DescribeTrainingJob answers as the model's. */
export function modelArtifactsUri(jobName: string, output: TrainingRequest['OutputDataConfig']): string {
  const name = output.CompressionType === 'NONE' ? 'model/' : 'model.tar.gz';
  return joinS3Uri(output.S3OutputPath, jobName, 'output', name);
}

/** What SageMaker answers for members that a request leaves out. */
const defaults = {
  EnableNetworkIsolation: false,
  EnableInterContainerTrafficEncryption: false,
  EnableManagedSpotTraining: false,
};

export type SecondaryStatus =
  | 'Starting'
  | 'Downloading'
  | 'Training'
  | 'Uploading'
  | 'Interrupted'
  | 'Stopping'
  | 'Completed'
  | 'Failed'
  | 'Stopped'
  | 'MaxRuntimeExceeded'
  | 'MaxWaitTimeExceeded';

const statusOf: Record<SecondaryStatus, string> = {
  Starting: 'InProgress',
  Downloading: 'InProgress',
  Training: 'InProgress',
  Uploading: 'InProgress',
  Interrupted: 'InProgress',
  Stopping: 'Stopping',
  Completed: 'Completed',
  Failed: 'Failed',
  Stopped: 'Stopped',
  MaxRuntimeExceeded: 'Stopped',
  MaxWaitTimeExceeded: 'Stopped',
};

const messageOf: Record<SecondaryStatus, string> = {
  Starting: 'Preparing the instances for training',
  Downloading: 'Downloading input data',
  Training: 'Training image download completed. Training in progress.',
  Uploading: 'Uploading generated training model',
  Interrupted: 'Training job interrupted',
  Stopping: 'Stopping the training job',
  Completed: 'Training job completed',
  Failed: 'Training job failed',
  Stopped: 'Training job stopped',
  MaxRuntimeExceeded: 'Training job runtime exceeded MaxRuntimeInSeconds provided',
  MaxWaitTimeExceeded: 'Training job exceeded MaxWaitTimeInSeconds provided',
};

/** The training jobs of the server; every change of status is written down, and then published. */
export class TrainingJobs {
  readonly collection: Collection<TrainingDescription>;
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
    this.collection = core.store.collection('training-job', trainingDescription);
  }

  create(scope: Scope, request: TrainingRequest, tags: readonly Tag[]): TrainingJob {
    const now = epochSeconds(this.#core.clock);
    const { Tags: _, ...kept } = request;
    const name = request.TrainingJobName;
    const job = this.collection.create(
      scope,
      name,
      {
        ...defaults,
        ...kept,
        // SageMaker answers an empty key where none was given; its own SDK reads the member without asking.
        OutputDataConfig: { KmsKeyId: '', CompressionType: 'GZIP', ...kept.OutputDataConfig },
        // Where the model will be, and would have been if the job had not failed.
        ModelArtifacts: { S3ModelArtifacts: modelArtifactsUri(name, kept.OutputDataConfig) },
        TrainingJobArn: this.collection.arn(scope, name),
        TrainingJobStatus: 'InProgress',
        SecondaryStatus: 'Starting',
        SecondaryStatusTransitions: [{ Status: 'Starting', StartTime: now, StatusMessage: messageOf.Starting }],
        CreationTime: now,
        LastModifiedTime: now,
      },
      tags,
    );
    this.#publish(job);
    return job;
  }

  /** Moves a job to a secondary status, and its status with it. Answers the job as it is now. */
  move(arn: string, to: SecondaryStatus, change: Partial<TrainingDescription> = {}): TrainingJob {
    const job = this.get(arn);
    const now = epochSeconds(this.#core.clock);
    const past = job.description.SecondaryStatusTransitions.map((one) => ({ ...one, EndTime: one.EndTime ?? now }));
    const isOver = ['Completed', 'Failed', 'Stopped'].includes(statusOf[to]);
    const started = change.TrainingStartTime ?? job.description.TrainingStartTime;
    const moved = this.collection.update(job, {
      ...change,
      TrainingJobStatus: statusOf[to],
      SecondaryStatus: to,
      SecondaryStatusTransitions: [
        ...past,
        { Status: to, StartTime: now, ...(isOver ? { EndTime: now } : {}), StatusMessage: messageOf[to] },
      ],
      LastModifiedTime: now,
      ...(isOver ? { TrainingEndTime: now } : {}),
      ...(isOver && started !== undefined ? { TrainingTimeInSeconds: Math.ceil(now - started) } : {}),
    });
    this.#publish(moved);
    return moved;
  }

  /** Instances of a type that jobs use now. */
  instancesInUse(scope: Scope, instanceType: string, spot: boolean): number {
    return this.collection
      .list(scope)
      .map(({ description }) => description)
      .filter((job) => ['InProgress', 'Stopping'].includes(job.TrainingJobStatus))
      .filter((job) => (job.EnableManagedSpotTraining ?? false) === spot)
      .filter((job) => job.ResourceConfig?.InstanceType === instanceType)
      .reduce((sum, job) => sum + (job.ResourceConfig?.InstanceCount ?? 1), 0);
  }

  get(arn: string): TrainingJob {
    const job = this.collection.byArn(arn);
    if (!job) throw new Error(`${arn} was deleted while it was running`);
    return job;
  }

  #publish(job: TrainingJob): void {
    const detail = eventDetail(this.#core.model, 'DescribeTrainingJobResponse', job);
    this.#core.events.publish({
      scope: job.scope,
      detailType: 'SageMaker Training Job State Change',
      resource: job.arn,
      // Environment may hold secrets, and the event sample of the documentation has none.
      detail: pick(
        detail,
        Object.keys(detail).filter((name) => name !== 'Environment'),
      ),
    });
  }
}
