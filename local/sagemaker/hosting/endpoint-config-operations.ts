import * as z from 'zod';
import type { Scope } from '../core/arn.ts';
import { epochSeconds } from '../core/clock.ts';
import { notImplemented, validationException } from '../core/errors.ts';
import { type Fields, pick } from '../core/fields.ts';
import { refuseVolumeKey } from '../core/instances.ts';
import { listInput, listResources } from '../core/listing.ts';
import { type Operations, operation } from '../core/operation.ts';
import type { Resource } from '../core/store.ts';
import { type EndpointConfigRecord, endpointConfigRecord } from './endpoint-config-record.ts';
import type { FleetConfig } from './endpoint-record.ts';
import type { HostedResources } from './hosted-resources.ts';
import { deployedModel } from './model-resource.ts';
import { scopeOf, tagList } from './request.ts';

const createInput = endpointConfigRecord.omit({ CreationTime: true }).extend({ Tags: tagList.optional() });
const nameInput = z.looseObject({ EndpointConfigName: z.string() });
const members = [
  'EndpointConfigName',
  'ProductionVariants',
  'DataCaptureConfig',
  'KmsKeyId',
  'ExecutionRoleArn',
  'VpcConfig',
  'EnableNetworkIsolation',
  'MetricsConfig',
];
/** Members that would change what an endpoint does; accepting one and ignoring it would be a lie. */
const notImplementedMembers = ['AsyncInferenceConfig', 'ShadowProductionVariants', 'ExplainerConfig'];
/** SageMaker's time for a container to answer its first ping. */
const startupTimeoutSeconds = 480;

/** CreateEndpointConfig, DescribeEndpointConfig, ListEndpointConfigs, DeleteEndpointConfig. */
export function endpointConfigOperations(hosted: HostedResources): Operations {
  const { configs, clock, platform } = hosted;
  const resources = ({ EndpointConfigName }: { EndpointConfigName: string }, scope: Scope) => [
    configs.arn(scope, EndpointConfigName),
  ];
  const tell = (config: Resource<EndpointConfigRecord>) =>
    platform.publish(
      'SageMaker Endpoint Config State Change',
      'DescribeEndpointConfigOutput',
      config,
      describe(config),
    );

  return {
    CreateEndpointConfig: operation({
      input: createInput,
      resources,
      handle: (input, call) => {
        const name = input.EndpointConfigName;
        if (configs.get(call, name)) {
          throw validationException(
            `Cannot create already existing endpoint configuration "${configs.arn(call, name)}".`,
          );
        }
        refuseNotImplemented(input);
        checkVariants(hosted, input, call);
        const weighted = input.ProductionVariants.map((variant) => ({ InitialVariantWeight: 1, ...variant }));
        const description = {
          ...pick(input, members),
          EndpointConfigName: name,
          ProductionVariants: weighted,
          CreationTime: epochSeconds(clock),
        };
        const config = configs.create(scopeOf(call), name, description, input.Tags);
        tell(config);
        return { EndpointConfigArn: config.arn };
      },
    }),

    DescribeEndpointConfig: operation({
      input: nameInput,
      resources,
      handle: ({ EndpointConfigName }, call) => describe(hosted.configNamed(call, EndpointConfigName)),
    }),

    ListEndpointConfigs: operation({
      input: listInput,
      handle: (input, call) =>
        listResources(
          {
            collection: configs,
            member: 'EndpointConfigs',
            summary: ({ name, arn, description }) => ({
              EndpointConfigName: name,
              EndpointConfigArn: arn,
              CreationTime: description.CreationTime,
            }),
            defaultOrder: 'Descending',
          },
          input,
          call,
        ),
    }),

    DeleteEndpointConfig: operation({
      input: nameInput,
      resources,
      handle: ({ EndpointConfigName }, call) => {
        const config = hosted.configNamed(call, EndpointConfigName);
        configs.delete(config);
        tell(config);
        return {};
      },
    }),
  };
}

/** A config with its models, as a fleet runs it. @throws SageMakerError when a model is gone */
export function fleetConfigOf(hosted: HostedResources, config: Resource<EndpointConfigRecord>): FleetConfig {
  const { EndpointConfigName, ProductionVariants, DataCaptureConfig, ExecutionRoleArn } = config.description;
  return {
    configName: EndpointConfigName,
    variants: ProductionVariants.map((variant) => ({
      name: variant.VariantName,
      model: deployedModel(hosted.modelNamed(config.scope, variant.ModelName ?? '').description, hosted.store),
      instanceType: variant.InstanceType ?? '',
      weight: variant.InitialVariantWeight ?? 1,
      instances: variant.InitialInstanceCount ?? 1,
      startupTimeoutSeconds: variant.ContainerStartupHealthCheckTimeoutInSeconds ?? startupTimeoutSeconds,
    })),
    ...(DataCaptureConfig && { capture: DataCaptureConfig }),
    ...(ExecutionRoleArn !== undefined && { roleArn: ExecutionRoleArn }),
  };
}

function describe(config: Resource<EndpointConfigRecord>): Fields {
  return { ...config.description, EndpointConfigArn: config.arn };
}

function refuseNotImplemented(input: z.infer<typeof createInput>): void {
  const member = notImplementedMembers.find((name) => input[name] !== undefined);
  if (member !== undefined) throw notImplemented(`CreateEndpointConfig has ${member}`);
  if (input.ProductionVariants.some((variant) => variant.ServerlessConfig !== undefined)) {
    throw notImplemented('CreateEndpointConfig has ServerlessConfig');
  }
  if (input.ProductionVariants.some((variant) => variant.ModelName === undefined)) {
    throw notImplemented('CreateEndpointConfig has a variant without ModelName, for inference components,');
  }
}

function checkVariants(hosted: HostedResources, input: z.infer<typeof createInput>, scope: Scope): void {
  const names = input.ProductionVariants.map((variant) => variant.VariantName);
  if (new Set(names).size !== names.length) {
    throw validationException(
      `Production variant names must be unique within an endpoint configuration, got ${names.join(', ')}.`,
    );
  }
  for (const variant of input.ProductionVariants) {
    hosted.modelNamed(scope, variant.ModelName ?? '');
    if (variant.InstanceType === undefined || variant.InitialInstanceCount === undefined) {
      throw validationException(`Variant ${variant.VariantName} needs InstanceType and InitialInstanceCount.`);
    }
    refuseVolumeKey('KmsKeyId', input.KmsKeyId, variant.InstanceType);
  }
  if (input.ProductionVariants.every((variant) => variant.InitialVariantWeight === 0)) {
    throw validationException('At least one production variant must have a weight greater than 0.');
  }
}
