import * as z from 'zod';
import type { Scope } from '../core/arn.ts';
import { epochSeconds } from '../core/clock.ts';
import type { Core } from '../core/core.ts';
import { eventDetail } from '../core/events.ts';
import { pick } from '../core/fields.ts';
import type { Collection, Resource, Tag } from '../core/store.ts';

const inputSchema = z.looseObject({
  InputName: z.string(),
  AppManaged: z.boolean().optional(),
  S3Input: z
    .looseObject({
      S3Uri: z.string(),
      LocalPath: z.string().optional(),
      S3DataType: z.enum(['ManifestFile', 'S3Prefix']),
      S3InputMode: z.string().optional(),
      S3DataDistributionType: z.enum(['FullyReplicated', 'ShardedByS3Key']).optional(),
      S3CompressionType: z.string().optional(),
    })
    .optional(),
});

const outputSchema = z.looseObject({
  OutputName: z.string(),
  AppManaged: z.boolean().optional(),
  S3Output: z
    .looseObject({
      S3Uri: z.string(),
      LocalPath: z.string().optional(),
      S3UploadMode: z.enum(['Continuous', 'EndOfJob']),
    })
    .optional(),
});

/** The members of CreateProcessingJob that are read; the others are kept for Describe. */
export const processingRequest = z.looseObject({
  ProcessingJobName: z.string(),
  RoleArn: z.string(),
  AppSpecification: z.looseObject({
    ImageUri: z.string(),
    ContainerEntrypoint: z.array(z.string()).optional(),
    ContainerArguments: z.array(z.string()).optional(),
  }),
  ProcessingInputs: z.array(inputSchema).optional(),
  ProcessingOutputConfig: z.looseObject({ KmsKeyId: z.string().optional(), Outputs: z.array(outputSchema) }).optional(),
  ProcessingResources: z.looseObject({
    ClusterConfig: z
      .looseObject({
        InstanceCount: z.number().optional(),
        InstanceType: z.string().optional(),
        VolumeKmsKeyId: z.string().optional(),
      })
      .optional(),
  }),
  StoppingCondition: z.looseObject({ MaxRuntimeInSeconds: z.number() }).optional(),
  NetworkConfig: z.looseObject({ EnableNetworkIsolation: z.boolean().optional() }).optional(),
  Environment: z.record(z.string(), z.string()).optional(),
  Tags: z.array(z.object({ Key: z.string(), Value: z.string() })).optional(),
});

export type ProcessingRequest = z.infer<typeof processingRequest>;
export type ProcessingOutput = z.infer<typeof outputSchema>;

/** What DescribeProcessingJob answers. Times in epoch seconds. */
const processingDescription = processingRequest.extend({
  ProcessingJobArn: z.string(),
  ProcessingJobStatus: z.enum(['InProgress', 'Completed', 'Failed', 'Stopping', 'Stopped']),
  CreationTime: z.number(),
  LastModifiedTime: z.number(),
  ProcessingStartTime: z.number().optional(),
  ProcessingEndTime: z.number().optional(),
  FailureReason: z.string().optional(),
  ExitMessage: z.string().optional(),
});

export type ProcessingDescription = z.infer<typeof processingDescription>;
export type ProcessingJob = Resource<ProcessingDescription>;
export type ProcessingStatus = ProcessingDescription['ProcessingJobStatus'];

/** The processing jobs of the server; every change of status is written down, and then published. */
export class ProcessingJobs {
  readonly collection: Collection<ProcessingDescription>;
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
    this.collection = core.store.collection('processing-job', processingDescription);
  }

  create(scope: Scope, request: ProcessingRequest, tags: readonly Tag[]): ProcessingJob {
    const now = epochSeconds(this.#core.clock);
    const { Tags: _, ...kept } = request;
    const name = request.ProcessingJobName;
    const description: ProcessingDescription = {
      ...kept,
      ProcessingJobArn: this.collection.arn(scope, name),
      ProcessingJobStatus: 'InProgress',
      CreationTime: now,
      LastModifiedTime: now,
    };
    const job = this.collection.create(scope, name, description, tags);
    this.#publish(job);
    return job;
  }

  /** Moves a job to a status. Answers the job as it is now. */
  move(arn: string, to: ProcessingStatus, change: Partial<ProcessingDescription> = {}): ProcessingJob {
    const now = epochSeconds(this.#core.clock);
    const moved = this.collection.update(this.get(arn), {
      ...change,
      ProcessingJobStatus: to,
      LastModifiedTime: now,
      ...(['Completed', 'Failed', 'Stopped'].includes(to) ? { ProcessingEndTime: now } : {}),
    });
    this.#publish(moved);
    return moved;
  }

  /** Instances of a type that jobs use now. */
  instancesInUse(scope: Scope, instanceType: string): number {
    return this.collection
      .list(scope)
      .filter(({ description }) => ['InProgress', 'Stopping'].includes(description.ProcessingJobStatus))
      .map(({ description }) => description.ProcessingResources.ClusterConfig)
      .filter((cluster) => cluster?.InstanceType === instanceType)
      .reduce((sum, cluster) => sum + (cluster?.InstanceCount ?? 1), 0);
  }

  get(arn: string): ProcessingJob {
    const job = this.collection.byArn(arn);
    if (!job) throw new Error(`${arn} was deleted while it was running`);
    return job;
  }

  #publish(job: ProcessingJob): void {
    const detail = eventDetail(this.#core.model, 'DescribeProcessingJobResponse', job);
    this.#core.events.publish({
      scope: job.scope,
      detailType: 'SageMaker Processing Job State Change',
      resource: job.arn,
      // Environment may hold secrets, and the event sample of the documentation has none.
      detail: pick(
        detail,
        Object.keys(detail).filter((name) => name !== 'Environment'),
      ),
    });
  }
}
