import * as z from 'zod';
import type { Scope } from '../core/arn.ts';
import { epochSeconds } from '../core/clock.ts';
import { notImplemented, validationException } from '../core/errors.ts';
import { listInput, listResources } from '../core/listing.ts';
import { type Operations, operation } from '../core/operation.ts';
import {
  type DeploymentConfig,
  deploymentConfig,
  deploymentConfigProblem,
  instanceCountProblem,
  timeLimitProblem,
} from './deployment-plan.ts';
import type { Endpoint } from './endpoint.ts';
import { fleetConfigOf } from './endpoint-config-operations.ts';
import { describeEndpoint, type FleetConfig } from './endpoint-record.ts';
import type { HostedResources } from './hosted-resources.ts';
import { requireFleet } from './instance-quota.ts';
import { scopeOf, tagList } from './request.ts';

const nameInput = z.looseObject({ EndpointName: z.string() });
const createInput = z.looseObject({
  EndpointName: z.string(),
  EndpointConfigName: z.string(),
  DeploymentConfig: deploymentConfig.optional(),
  Tags: tagList.optional(),
});
const updateInput = z.looseObject({
  EndpointName: z.string(),
  EndpointConfigName: z.string(),
  DeploymentConfig: deploymentConfig.optional(),
  RetainAllVariantProperties: z.boolean().optional(),
  ExcludeRetainedVariantProperties: z.array(z.object({ VariantPropertyType: z.string() })).optional(),
  RetainDeploymentConfig: z.boolean().optional(),
});
type UpdateInput = z.infer<typeof updateInput>;
const adjustInput = z.looseObject({
  EndpointName: z.string(),
  DesiredWeightsAndCapacities: z.array(
    z.looseObject({
      VariantName: z.string(),
      DesiredWeight: z.number().optional(),
      DesiredInstanceCount: z.number().optional(),
      ServerlessUpdateConfig: z.unknown().optional(),
    }),
  ),
});

/** CreateEndpoint, UpdateEndpoint, UpdateEndpointWeightsAndCapacities, DescribeEndpoint, ListEndpoints, DeleteEndpoint. */
export function endpointOperations(hosted: HostedResources): Operations {
  const { endpoints, configs, clock } = hosted;
  const resources = ({ EndpointName }: { EndpointName: string }, scope: Scope) => [endpoints.arn(scope, EndpointName)];
  const withConfig = (input: { EndpointName: string; EndpointConfigName: string }, scope: Scope) => [
    ...resources(input, scope),
    configs.arn(scope, input.EndpointConfigName),
  ];

  return {
    CreateEndpoint: operation({
      input: createInput,
      resources: withConfig,
      handle: (input, call) => {
        const arn = endpoints.arn(call, input.EndpointName);
        if (endpoints.get(call, input.EndpointName))
          throw validationException(`Cannot create already existing endpoint "${arn}".`);
        checkDeployment(input.DeploymentConfig);
        const live = fleetConfigOf(hosted, hosted.configNamed(call, input.EndpointConfigName));
        requireFleet(hosted.platform.core, call, live.variants);
        const now = epochSeconds(clock);
        const description = {
          EndpointStatus: 'Creating' as const,
          CreationTime: now,
          LastModifiedTime: now,
          LastDeploymentConfig: input.DeploymentConfig,
          live,
        };
        hosted.add(endpoints.create(scopeOf(call), input.EndpointName, description, input.Tags)).create();
        return { EndpointArn: arn };
      },
    }),

    UpdateEndpoint: operation({
      input: updateInput,
      resources: withConfig,
      handle: (input, call) => {
        const endpoint = hosted.endpointNamed(call, input.EndpointName);
        refuseUnlessInService(endpoint);
        const { live, LastDeploymentConfig } = endpoint.resource.description;
        const deployment = input.RetainDeploymentConfig ? LastDeploymentConfig : input.DeploymentConfig;
        checkDeployment(deployment);
        const wanted = retain(input, live, fleetConfigOf(hosted, hosted.configNamed(call, input.EndpointConfigName)));
        checkSizes(deployment, wanted);
        requireFleet(hosted.platform.core, call, wanted.variants);
        endpoint.update(wanted, deployment);
        return { EndpointArn: endpoint.resource.arn };
      },
    }),

    UpdateEndpointWeightsAndCapacities: operation({
      input: adjustInput,
      resources,
      handle: ({ EndpointName, DesiredWeightsAndCapacities: desired }, call) => {
        const endpoint = hosted.endpointNamed(call, EndpointName);
        refuseUnlessInService(endpoint);
        const { live } = endpoint.resource.description;
        const unknown = desired
          .map((one) => one.VariantName)
          .filter((name) => !live.variants.some((variant) => variant.name === name));
        if (unknown.length > 0) {
          throw validationException(
            `The variant name(s) "${unknown.join(', ')}" is/are not present within endpoint configuration "${live.configName}".`,
          );
        }
        const names = desired.map((one) => one.VariantName);
        const twice = names.find((name, index) => names.indexOf(name) !== index);
        if (twice !== undefined) {
          throw validationException(`Variant "${twice}" is given more than once in DesiredWeightsAndCapacities.`);
        }
        if (desired.some((one) => one.ServerlessUpdateConfig !== undefined)) {
          throw notImplemented('UpdateEndpointWeightsAndCapacities has ServerlessUpdateConfig');
        }
        const adjusted = live.variants.map((variant) => {
          const wish = desired.find((one) => one.VariantName === variant.name);
          const { weight, instances } = variant;
          return {
            ...variant,
            weight: wish?.DesiredWeight ?? weight,
            instances: wish?.DesiredInstanceCount ?? instances,
          };
        });
        const added = adjusted.map((variant, index) => {
          return { ...variant, instances: Math.max(0, variant.instances - (live.variants[index]?.instances ?? 0)) };
        });
        requireFleet(hosted.platform.core, call, added);
        endpoint.adjust(adjusted);
        return { EndpointArn: endpoint.resource.arn };
      },
    }),

    DescribeEndpoint: operation({
      input: nameInput,
      resources,
      handle: ({ EndpointName }, call) =>
        describeEndpoint(endpoints.described(hosted.endpointNamed(call, EndpointName).resource)),
    }),

    ListEndpoints: operation({
      input: listInput,
      handle: (input, call) =>
        listResources(
          {
            collection: endpoints,
            member: 'Endpoints',
            summary: ({ name, arn, description }) => ({
              EndpointName: name,
              EndpointArn: arn,
              CreationTime: description.CreationTime,
              LastModifiedTime: description.LastModifiedTime,
              EndpointStatus: description.EndpointStatus,
            }),
            status: 'EndpointStatus',
            defaultOrder: 'Descending',
          },
          input,
          call,
        ),
    }),

    DeleteEndpoint: operation({
      input: nameInput,
      resources,
      handle: ({ EndpointName }, call) => {
        const endpoint = hosted.endpointNamed(call, EndpointName);
        if (endpoint.status !== 'Failed') refuseUnlessInService(endpoint);
        hosted.remove(endpoint);
        return {};
      },
    }),
  };
}

function refuseUnlessInService(endpoint: Endpoint): void {
  const { arn } = endpoint.resource;
  if (endpoint.status === 'InService') return;
  if (endpoint.status === 'Failed')
    throw validationException(`Cannot update endpoint "${arn}" in status Failed; delete it and create it again.`);
  throw validationException(`Cannot update in-progress endpoint "${arn}".`);
}

function checkDeployment(config: DeploymentConfig | undefined): void {
  const problem = config && deploymentConfigProblem(config);
  if (problem !== undefined) throw validationException(problem);
}

/** Sizes in instances, and the number of steps, depend on the fleet that they are of. */
function checkSizes(config: DeploymentConfig | undefined, fleet: FleetConfig): void {
  const instances = fleet.variants.reduce((sum, variant) => sum + variant.instances, 0);
  const problem = config && (instanceCountProblem(config, instances) ?? timeLimitProblem(config, instances));
  if (problem !== undefined) throw validationException(problem);
}

/** The wanted fleet with the properties that RetainAllVariantProperties keeps: weights, instance counts, data capture. */
function retain(input: UpdateInput, live: FleetConfig, wanted: FleetConfig): FleetConfig {
  if (!input.RetainAllVariantProperties) return wanted;
  const excluded = new Set(input.ExcludeRetainedVariantProperties?.map((property) => property.VariantPropertyType));
  const variants = wanted.variants.map((variant) => {
    const old = live.variants.find((one) => one.name === variant.name);
    if (!old) return variant;
    return {
      ...variant,
      weight: excluded.has('DesiredWeight') ? variant.weight : old.weight,
      instances: excluded.has('DesiredInstanceCount') ? variant.instances : old.instances,
    };
  });
  const { capture: wantedCapture, ...rest } = wanted;
  const capture = excluded.has('DataCaptureConfig') ? wantedCapture : live.capture;
  return { ...rest, variants, ...(capture && { capture }) };
}
