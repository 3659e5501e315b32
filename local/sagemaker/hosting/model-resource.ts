import * as z from 'zod';
import type { Scope } from '../core/arn.ts';
import { notImplemented, validationException } from '../core/errors.ts';
import { isFields } from '../core/fields.ts';
import type { Resource, Store } from '../core/store.ts';
import type { DeployedModel } from './endpoint-record.ts';
import type { ModelSource } from './model-files.ts';

export const containerDefinition = z.looseObject({
  Image: z.string().optional(),
  ModelDataUrl: z.string().optional(),
  ModelDataSource: z
    .looseObject({
      S3DataSource: z
        .looseObject({ S3Uri: z.string(), S3DataType: z.string().optional(), CompressionType: z.string().optional() })
        .optional(),
    })
    .optional(),
  AdditionalModelDataSources: z.array(z.unknown()).optional(),
  Environment: z.record(z.string(), z.string()).optional(),
  Mode: z.string().optional(),
  ModelPackageName: z.string().optional(),
});
type ContainerDefinition = z.infer<typeof containerDefinition>;

/** A model as it is stored: the members of its CreateModel request. */
export const modelRecord = z.looseObject({
  ModelName: z.string(),
  ExecutionRoleArn: z.string(),
  PrimaryContainer: containerDefinition.optional(),
  Containers: z.array(containerDefinition).optional(),
  EnableNetworkIsolation: z.boolean().optional(),
  CreationTime: z.number(),
});
export type ModelRecord = z.infer<typeof modelRecord>;

/**
 * What runs for a model: its only container, with image and data of its model package filled in.
 * @throws SageMakerError when the package is missing or not approved, or the model needs what is not implemented
 */
export function deployedModel(
  model: Pick<
    ModelRecord,
    'ModelName' | 'ExecutionRoleArn' | 'PrimaryContainer' | 'Containers' | 'EnableNetworkIsolation'
  >,
  store: Store,
): DeployedModel {
  const containers = model.PrimaryContainer ? [model.PrimaryContainer] : (model.Containers ?? []);
  const [only] = containers;
  if (!only) throw validationException('Either PrimaryContainer or Containers must be specified.');
  if (model.PrimaryContainer && model.Containers)
    throw validationException('PrimaryContainer and Containers cannot both be specified.');
  if (containers.length > 1) throw notImplemented('The model has several containers, an inference pipeline,');
  const container =
    only.ModelPackageName === undefined ? only : { ...packageContainer(only.ModelPackageName, store), ...only };
  if (container.Mode === 'MultiModel') throw notImplemented('The container has Mode MultiModel');
  if (container.AdditionalModelDataSources?.length)
    throw notImplemented('The container has AdditionalModelDataSources');
  if (container.Image === undefined)
    throw validationException('Either Image or ModelPackageName must be specified for a container.');
  const source = modelSource(container);
  return {
    name: model.ModelName,
    image: container.Image,
    ...(source && { source }),
    environment: container.Environment ?? {},
    roleArn: model.ExecutionRoleArn,
    networkIsolation: model.EnableNetworkIsolation ?? false,
  };
}

/** Texts for model data that the role cannot read, in the words of CreateModel. */
export function modelDataProblem(error: unknown, uri: string, roleArn: string, scope: Scope): string {
  const isMissing =
    error instanceof Error &&
    (error.name === 'NotFound' || error.name === 'NoSuchKey' || error.name === 'NoSuchBucket');
  if (isMissing) return `Could not find model data at ${uri}.`;
  return (
    `Could not access model data at ${uri}. Please ensure that the role "${roleArn}" exists and that its trust relationship policy ` +
    'allows the action "sts:AssumeRole" for the service principal "sagemaker.amazonaws.com". Also ensure that the role has ' +
    `"s3:GetObject" permissions and that the object is located in ${scope.region}.`
  );
}

function modelSource(container: ContainerDefinition): ModelSource | undefined {
  const data = container.ModelDataSource?.S3DataSource;
  if (data) {
    if (data.S3DataType === 'S3Prefix') {
      if (data.CompressionType === 'Gzip')
        throw validationException('CompressionType Gzip needs S3DataType S3Object, got S3Prefix.');
      return { uri: data.S3Uri, layout: 'prefix' };
    }
    return { uri: data.S3Uri, layout: data.CompressionType === 'Gzip' ? 'tar.gz' : 'object' };
  }
  return container.ModelDataUrl === undefined ? undefined : { uri: container.ModelDataUrl, layout: 'tar.gz' };
}

const modelPackage = z.looseObject({
  ModelApprovalStatus: z.string().optional(),
  InferenceSpecification: z.looseObject({ Containers: z.array(containerDefinition).min(1) }).optional(),
});

function packageContainer(arn: string, store: Store): ContainerDefinition {
  const found: Resource<Record<string, unknown>> | undefined = store.byArn(arn);
  if (!found || !isFields(found.description)) throw validationException(`Could not find model package "${arn}".`);
  const { ModelApprovalStatus, InferenceSpecification } = modelPackage.parse(found.description);
  if (ModelApprovalStatus !== 'Approved') {
    throw validationException(
      `Model package "${arn}" must be Approved to be deployed, got ${ModelApprovalStatus ?? 'no approval status'}.`,
    );
  }
  const [container, ...more] = InferenceSpecification?.Containers ?? [];
  if (!container) throw validationException(`Model package "${arn}" has no InferenceSpecification.`);
  if (more.length > 0) throw notImplemented('The model package has several containers, an inference pipeline,');
  return container;
}
