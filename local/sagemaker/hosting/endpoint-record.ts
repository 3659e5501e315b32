import * as z from 'zod';
import type { Resource } from '../core/store.ts';
import { dataCaptureConfig } from './capture-record.ts';
import { deploymentConfig } from './deployment-plan.ts';

/** What a variant needs of its model, copied when a deployment starts: deleting the model later does not stop the endpoint. */
const deployedModel = z.object({
  name: z.string(),
  image: z.string(),
  source: z.object({ uri: z.string(), layout: z.enum(['tar.gz', 'prefix', 'object']) }).optional(),
  environment: z.record(z.string(), z.string()),
  roleArn: z.string(),
  networkIsolation: z.boolean(),
});
export type DeployedModel = z.infer<typeof deployedModel>;

const deployedVariant = z.object({
  name: z.string(),
  model: deployedModel,
  /** Empty in records of earlier versions. */
  instanceType: z.string().default(''),
  weight: z.number(),
  instances: z.number(),
  startupTimeoutSeconds: z.number(),
});
export type DeployedVariant = z.infer<typeof deployedVariant>;

/** An endpoint config as one fleet runs it. */
const fleetConfig = z.object({
  configName: z.string(),
  variants: z.array(deployedVariant).min(1),
  capture: dataCaptureConfig.optional(),
  /** ExecutionRoleArn of the config; else the role of the first model reads the alarms. */
  roleArn: z.string().optional(),
});
export type FleetConfig = z.infer<typeof fleetConfig>;

/** A deployment under way: where it goes, and how far it is. Times in epoch seconds. */
const pendingDeployment = z.object({
  fleet: fleetConfig,
  deploymentConfig: deploymentConfig.optional(),
  startedAt: z.number(),
  phase: z.object({
    status: z.enum(['Creating', 'Updating', 'Deleting', 'ActivatingTraffic', 'Baking']),
    message: z.string(),
    since: z.number(),
    greenShare: z.number(),
  }),
});
export type PendingDeployment = z.infer<typeof pendingDeployment>;

const endpointStatus = z.enum(['Creating', 'InService', 'Updating', 'RollingBack', 'Failed', 'Deleting']);
export type EndpointStatus = z.infer<typeof endpointStatus>;

/** An endpoint as it is stored. The members that List operations filter and sort by have the API's names. */
export const endpointRecord = z.looseObject({
  EndpointStatus: endpointStatus,
  CreationTime: z.number(),
  LastModifiedTime: z.number(),
  FailureReason: z.string().optional(),
  LastDeploymentConfig: deploymentConfig.optional(),
  live: fleetConfig,
  pending: pendingDeployment.optional(),
});
export type EndpointRecord = z.infer<typeof endpointRecord>;
export type EndpointResource = Resource<EndpointRecord>;

/** DescribeEndpoint's answer. Times in epoch seconds, as everywhere in the API. */
export function describeEndpoint({ name, arn, description }: EndpointResource) {
  const { live, pending, ...members } = description;
  const share = members.EndpointStatus === 'Creating' ? 0 : 1;
  return {
    EndpointName: name,
    EndpointArn: arn,
    EndpointConfigName: live.configName,
    ProductionVariants: live.variants.map((variant) => describeVariant(variant, share, members.CreationTime)),
    ...(live.capture && { DataCaptureConfig: describeCapture(live.capture) }),
    ...members,
    ...(pending && { PendingDeploymentSummary: describePending(pending) }),
  };
}

/** `InService` as events spell it: `IN_SERVICE`. */
export function eventStatus(status: EndpointStatus): string {
  return status.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
}

function describePending({ fleet, startedAt, phase }: PendingDeployment) {
  const status = { Status: phase.status, StatusMessage: phase.message, StartTime: phase.since };
  return {
    EndpointConfigName: fleet.configName,
    ProductionVariants: fleet.variants.map((variant) => ({
      ...describeVariant(variant, phase.greenShare, startedAt),
      VariantStatus: [status],
    })),
    StartTime: startedAt,
  };
}

function describeVariant(variant: DeployedVariant, share: number, resolvedAt: number) {
  const { image } = variant.model;
  return {
    VariantName: variant.name,
    DeployedImages: [{ SpecifiedImage: image, ResolvedImage: image, ResolutionTime: resolvedAt }],
    CurrentWeight: share > 0 ? variant.weight : 0,
    DesiredWeight: variant.weight,
    CurrentInstanceCount: Math.ceil(variant.instances * share),
    DesiredInstanceCount: variant.instances,
  };
}

function describeCapture(capture: NonNullable<FleetConfig['capture']>) {
  const enabled = capture.EnableCapture ?? false;
  return {
    EnableCapture: enabled,
    CaptureStatus: enabled ? 'Started' : 'Stopped',
    CurrentSamplingPercentage: capture.InitialSamplingPercentage,
    DestinationS3Uri: capture.DestinationS3Uri,
    KmsKeyId: capture.KmsKeyId ?? '',
  };
}
