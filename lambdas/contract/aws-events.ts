/**
 * The AWS events that wake a function: only the fields that are read. They may come twice, late or out of order, so a
 * handler reads the present state through the API and takes from the event only the name of what changed.
 */
import * as z from 'zod/mini';
import { projectName } from './settings.ts';

export const s3ObjectCreated = {
  source: 'aws.s3',
  detailType: 'Object Created',
  detail: z.object({
    bucket: z.object({ name: z.string() }),
    object: z.object({
      /** Not URL-encoded, unlike in S3's own notifications. */
      key: z.string(),
      size: z.optional(z.number()),
      etag: z.optional(z.string()),
      'version-id': z.optional(z.string()),
    }),
    /** By S3's own record: the account, or the AWS service, that sent the request. S3 tells no user and no role. */
    requester: z.optional(z.string()),
  }),
} as const;

export const trainingJobStateChange = {
  source: 'aws.sagemaker',
  detailType: 'SageMaker Training Job State Change',
  detail: z.object({ TrainingJobName: z.string(), TrainingJobStatus: z.string() }),
} as const;

export const processingJobStateChange = {
  source: 'aws.sagemaker',
  detailType: 'SageMaker Processing Job State Change',
  detail: z.object({ ProcessingJobName: z.string(), ProcessingJobStatus: z.string() }),
} as const;

/** `EndpointStatus` is spelled `IN_SERVICE` here and `InService` in the API. */
export const endpointStateChange = {
  source: 'aws.sagemaker',
  detailType: 'SageMaker Endpoint State Change',
  detail: z.object({ EndpointName: z.string(), EndpointStatus: z.string() }),
} as const;

export const endpointDeploymentStateChange = {
  source: 'aws.sagemaker',
  detailType: 'SageMaker Endpoint Deployment State Change',
  detail: z.object({ EndpointName: z.string(), EndpointStatus: z.string() }),
} as const;

/**
 * Something is due in all projects, or, with a project, in one. EventBridge Scheduler sends the first: the construct passes
 * `{id: <aws.scheduler.execution-id>, source, 'detail-type', detail: {}}` as the input. The function that gets it publishes
 * the second for each project, on the bus, so that each has an invocation, its retries and its time limit to itself.
 */
export const SCHEDULE_SOURCE = 'flywheel.schedule';
const due = z.object({ project: z.optional(projectName) });

export const driftMeasurementDue = {
  source: SCHEDULE_SOURCE,
  detailType: 'DriftMeasurementDue',
  detail: due,
} as const;

export const reconciliationDue = {
  source: SCHEDULE_SOURCE,
  detailType: 'ReconciliationDue',
  detail: due,
} as const;
