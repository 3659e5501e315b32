/**
 * How a model gets behind its endpoint. The endpoint is finished only when it is in service with the wanted config: an
 * update that was rolled back is in service too, with the old one.
 */
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
import type { DeploymentRecord, ModelRecord } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';

export interface DeploymentPlaces {
  readonly environment: string;
  readonly roleArn: string;
  readonly keyArn: string;
  readonly captureBucket: string;
  /** Alarms that end a canary. */
  readonly alarms: readonly string[];
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
    servingHash: servingHash(settings),
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
        AutoRollbackConfiguration: { Alarms: places.alarms.map((AlarmName) => ({ AlarmName })) },
      },
    },
  };
}

/**
 * A canary needs a second instance to be a part of. With one, the new fleet takes all traffic at once and the old one
 * stays up for the bake, so that an alarm still brings it back.
 */
function blueGreenPolicy(settings: ProjectSettings) {
  const { canary, instanceCount } = settings.serving;
  const MaximumExecutionTimeoutInSeconds = 1800 + canary.bakeSeconds;
  if (instanceCount === 1)
    return {
      TrafficRoutingConfiguration: { Type: 'ALL_AT_ONCE' as const, WaitIntervalInSeconds: 0 },
      TerminationWaitInSeconds: canary.bakeSeconds,
      MaximumExecutionTimeoutInSeconds,
    };
  return {
    TrafficRoutingConfiguration: {
      Type: 'CANARY' as const,
      CanarySize: { Type: 'CAPACITY_PERCENT' as const, Value: canary.percent },
      WaitIntervalInSeconds: canary.bakeSeconds,
    },
    TerminationWaitInSeconds: 0,
    MaximumExecutionTimeoutInSeconds,
  };
}

/** What SageMaker says of an endpoint. */
export interface EndpointState {
  readonly status: string;
  readonly endpointConfig: string;
  /** Config that an update under way brings. */
  readonly pendingConfig?: string | undefined;
  readonly failure?: string | undefined;
}

export type DeploymentVerdict =
  | { readonly verdict: 'in-progress' }
  | { readonly verdict: 'deployed' }
  | { readonly verdict: 'rolled-back'; readonly reason: string; readonly servesOld: boolean };

/**
 * What has become of a deployment whose request SageMaker took (status `updating`). Statuses in which SageMaker is still
 * at work (Creating, Updating, RollingBack, SystemUpdating, Deleting) decide nothing.
 */
export function judgeDeployment(deployment: DeploymentRecord, endpoint: EndpointState): DeploymentVerdict {
  switch (endpoint.status) {
    case 'InService':
      if (endpoint.endpointConfig === deployment.endpointConfig) return { verdict: 'deployed' };
      return {
        verdict: 'rolled-back',
        servesOld: true,
        reason: endpoint.failure ?? `SageMaker rolled back to ${endpoint.endpointConfig}`,
      };
    case 'Failed':
    case 'OutOfService':
    case 'UpdateRollbackFailed':
      return {
        verdict: 'rolled-back',
        servesOld: false,
        reason: endpoint.failure ?? `the endpoint ended in status ${endpoint.status}`,
      };
    default:
      return { verdict: 'in-progress' };
  }
}

/** Six hexadecimal digits that change with anything in the endpoint config that is not the model. */
export function servingHash(settings: ProjectSettings): string {
  const { instance, instanceCount } = settings.serving;
  const identity = [instance, instanceCount, settings.monitoring.capturePercent];
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 6);
}

type VariantInstanceType = NonNullable<
  NonNullable<CreateEndpointConfigCommandInput['ProductionVariants']>[number]['InstanceType']
>;
/** The list of types grows faster than any SDK: what SageMaker does not know, it refuses by name. */
function instanceType(name: string): VariantInstanceType {
  return name as VariantInstanceType;
}
