import * as z from 'zod';
import { dataCaptureConfig } from './capture-record.ts';

const productionVariant = z.looseObject({
  VariantName: z.string(),
  ModelName: z.string().optional(),
  InitialInstanceCount: z.number().optional(),
  InstanceType: z.string().optional(),
  InitialVariantWeight: z.number().optional(),
  ContainerStartupHealthCheckTimeoutInSeconds: z.number().optional(),
  ServerlessConfig: z.unknown().optional(),
});

/** An endpoint config as it is stored: the members of its request. */
export const endpointConfigRecord = z.looseObject({
  EndpointConfigName: z.string(),
  ProductionVariants: z.array(productionVariant).min(1),
  DataCaptureConfig: dataCaptureConfig.loose().optional(),
  KmsKeyId: z.string().optional(),
  ExecutionRoleArn: z.string().optional(),
  CreationTime: z.number(),
});
export type EndpointConfigRecord = z.infer<typeof endpointConfigRecord>;
