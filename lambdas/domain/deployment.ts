/** The SageMaker requests that put a model behind its endpoint. */
import { createHash } from 'node:crypto';
import type {
  CreateEndpointCommandInput,
  CreateEndpointConfigCommandInput,
  CreateModelCommandInput,
  UpdateEndpointCommandInput,
} from '@aws-sdk/client-sagemaker';
import { hasLocalStorage } from '../contract/instances.ts';
import {
  captureKey,
  endpointConfigName,
  endpointName,
  modelVersionName,
  PRODUCTION_VARIANT,
} from '../contract/keys.ts';
import type { ModelRecord } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { WITHOUT_NETWORK } from './jobs.ts';
import { rollbackAlarmNames } from './serving/rollback-alarms.ts';

export interface DeploymentPlaces {
  readonly environment: string;
  readonly installation: string;
  readonly roleArn: string;
  readonly keyArn: string;
  readonly captureBucket: string;
}

export interface DeploymentRequests {
  readonly endpoint: string;
  readonly endpointConfig: string;
  readonly createModel: CreateModelCommandInput;
  readonly createEndpointConfig: CreateEndpointConfigCommandInput;
  readonly createEndpoint: CreateEndpointCommandInput;
  readonly updateEndpoint: UpdateEndpointCommandInput;
}

/** The requests of a deployment; their names are a function of model version and serving settings. */
export function deploymentRequests(
  settings: ProjectSettings,
  model: ModelRecord,
  places: DeploymentPlaces,
): DeploymentRequests {
  const project = settings.name;
  const endpoint = endpointName.build(places.environment, project);
  const endpointConfig = endpointConfigName.build(places.environment, {
    project,
    model: model.model,
    servingHash: servingHash(settings, places.installation),
  });
  const tags = [
    { Key: 'flywheel:project', Value: project },
    { Key: 'flywheel:model', Value: String(model.model) },
  ];
  return {
    endpoint,
    endpointConfig,
    createModel: {
      ModelName: endpointConfig,
      ExecutionRoleArn: places.roleArn,
      EnableNetworkIsolation: true,
      PrimaryContainer: {
        Image: model.image,
        ModelDataUrl: model.artifact,
        Environment: {
          ...WITHOUT_NETWORK,
          SAGEMAKER_PROGRAM: 'inference.py',
          SAGEMAKER_SUBMIT_DIRECTORY: '/opt/ml/model/code',
          FLYWHEEL_MODEL_VERSION: modelVersionName.build(project, model.model),
        },
      },
      Tags: tags,
    },
    createEndpointConfig: {
      EndpointConfigName: endpointConfig,
      ...(hasLocalStorage(settings.serving.instance) ? {} : { KmsKeyId: places.keyArn }),
      ProductionVariants: [
        {
          VariantName: PRODUCTION_VARIANT,
          ModelName: endpointConfig,
          InstanceType: instanceType(settings.serving.instance),
          InitialInstanceCount: settings.serving.instanceCount,
          InitialVariantWeight: 1,
        },
      ],
      DataCaptureConfig: {
        EnableCapture: settings.monitoring.capturePercent > 0,
        InitialSamplingPercentage: settings.monitoring.capturePercent,
        DestinationS3Uri: `s3://${places.captureBucket}/${captureKey.prefix(project)}`,
        KmsKeyId: places.keyArn,
        CaptureOptions: [{ CaptureMode: 'Input' }, { CaptureMode: 'Output' }],
        CaptureContentTypeHeader: { JsonContentTypes: ['application/json'] },
      },
      Tags: tags,
    },
    createEndpoint: { EndpointName: endpoint, EndpointConfigName: endpointConfig, Tags: tags.slice(0, 1) },
    updateEndpoint: {
      EndpointName: endpoint,
      EndpointConfigName: endpointConfig,
      RetainAllVariantProperties: false,
      DeploymentConfig: {
        BlueGreenUpdatePolicy: blueGreenPolicy(settings),
        AutoRollbackConfiguration: { Alarms: rollbackAlarmNames(endpointConfig).map((AlarmName) => ({ AlarmName })) },
      },
    },
  };
}

/**
 * A fleet is watched for the bake while it has a part of the traffic, and again once it has all of it
 * (TerminationWaitInSeconds), when the old fleet is still there to go back to. A canary needs a second instance to be a part
 * of: with one, the new fleet takes all traffic at once, and is watched after that only.
 *
 * The canary is a number of instances, because SageMaker does not say how it rounds CAPACITY_PERCENT of a small fleet; it takes
 * at most half of one.
 */
function blueGreenPolicy({ serving: { canary, instanceCount } }: ProjectSettings) {
  const bakes = {
    TerminationWaitInSeconds: canary.bakeSeconds,
    MaximumExecutionTimeoutInSeconds: FLEET_START_SECONDS + 2 * canary.bakeSeconds,
  };
  if (instanceCount === 1)
    return {
      TrafficRoutingConfiguration: { Type: 'ALL_AT_ONCE' as const, WaitIntervalInSeconds: 0 },
      ...bakes,
    };
  return {
    TrafficRoutingConfiguration: {
      Type: 'CANARY' as const,
      CanarySize: {
        Type: 'INSTANCE_COUNT' as const,
        Value: Math.max(1, Math.floor((instanceCount * canary.percent) / 100)),
      },
      WaitIntervalInSeconds: canary.bakeSeconds,
    },
    ...bakes,
  };
}

/** For a new fleet to be provisioned, to load the model and to pass its health check. */
const FLEET_START_SECONDS = 1800;

/** Six hexadecimal digits that change with anything in the endpoint config that is not the model, and with the installation. */
export function servingHash(settings: ProjectSettings, installation: string): string {
  const { instance, instanceCount } = settings.serving;
  const identity = [installation, instance, instanceCount, settings.monitoring.capturePercent];
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 6);
}

type VariantInstanceType = NonNullable<
  NonNullable<CreateEndpointConfigCommandInput['ProductionVariants']>[number]['InstanceType']
>;
/** The list of types grows faster than any SDK: what SageMaker does not know, it refuses by name. */
function instanceType(name: string): VariantInstanceType {
  return name as VariantInstanceType;
}
