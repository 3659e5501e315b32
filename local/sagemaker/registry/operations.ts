import * as z from 'zod';
import { epochSeconds } from '../core/clock.ts';
import type { Core } from '../core/core.ts';
import { conflictException, notImplemented, validationException } from '../core/errors.ts';
import { pick } from '../core/fields.ts';
import { listInput, listResources } from '../core/listing.ts';
import { type Operations, operation } from '../core/operation.ts';
import { type Group, type Package, type PackageDescription, Registry } from './model-package.ts';

const tags = z.array(z.object({ Key: z.string(), Value: z.string() })).optional();
const createGroup = z.looseObject({ ModelPackageGroupName: z.string(), Tags: tags });
const groupNamed = z.looseObject({ ModelPackageGroupName: z.string() });
const packageNamed = z.looseObject({ ModelPackageName: z.string() });
const createPackage = z.looseObject({
  ModelPackageName: z.string().optional(),
  ModelPackageGroupName: z.string().optional(),
  ModelApprovalStatus: z.string().optional(),
  CustomerMetadataProperties: z.record(z.string(), z.string()).optional(),
  AdditionalInferenceSpecifications: z.array(z.unknown()).optional(),
  ClientToken: z.string().optional(),
  Tags: tags,
});
const updatePackage = z.looseObject({
  ModelPackageArn: z.string(),
  CustomerMetadataProperties: z.record(z.string(), z.string()).optional(),
  CustomerMetadataPropertiesToRemove: z.array(z.string()).optional(),
  AdditionalInferenceSpecificationsToAdd: z.array(z.unknown()).optional(),
});

const groupSummary = [
  'ModelPackageGroupName',
  'ModelPackageGroupArn',
  'ModelPackageGroupDescription',
  'CreationTime',
  'ModelPackageGroupStatus',
];
const packageSummary = [
  'ModelPackageName',
  'ModelPackageGroupName',
  'ModelPackageVersion',
  'ModelPackageArn',
  'ModelPackageDescription',
  'CreationTime',
  'ModelPackageStatus',
  'ModelApprovalStatus',
  'ModelLifeCycle',
  'ModelPackageRegistrationType',
];
/** Members that UpdateModelPackage replaces as a whole. */
const replaced = [
  'ModelApprovalStatus',
  'ApprovalDescription',
  'InferenceSpecification',
  'SourceUri',
  'ModelCard',
  'ModelLifeCycle',
  'ModelPackageRegistrationType',
];

export function registryOperations(core: Core): Operations {
  const registry = new Registry(core);
  return { ...groupOperations(core, registry), ...packageOperations(core, registry) };
}

function groupOperations(core: Core, registry: Registry): Operations {
  return {
    CreateModelPackageGroup: operation({
      input: createGroup,
      resources: ({ ModelPackageGroupName }, scope) => [registry.groups.arn(scope, ModelPackageGroupName)],
      handle({ Tags = [], ...request }, { account, region, principalArn }) {
        const scope = { account, region };
        const name = request.ModelPackageGroupName;
        const arn = registry.groups.arn(scope, name);
        if (registry.groups.get(scope, name)) throw validationException(`ModelPackageGroup already exists: ${arn}`);
        registry.groups.create(
          scope,
          name,
          {
            ...request,
            ModelPackageGroupArn: arn,
            CreationTime: epochSeconds(core.clock),
            CreatedBy: { IamIdentity: { Arn: principalArn } },
            ModelPackageGroupStatus: 'Completed',
            lastVersion: 0,
          },
          Tags,
        );
        return { ModelPackageGroupArn: arn };
      },
    }),
    DescribeModelPackageGroup: operation({
      input: groupNamed,
      resources: ({ ModelPackageGroupName }, scope) => [registry.groupArn(ModelPackageGroupName, scope)],
      handle(input, call) {
        const { lastVersion: _, ...description } = registry.group(input.ModelPackageGroupName, call).description;
        return description;
      },
    }),
    ListModelPackageGroups: operation({
      input: listInput.extend({ CrossAccountFilterOption: z.enum(['SameAccount', 'CrossAccount']).optional() }),
      handle: ({ CrossAccountFilterOption, ...input }, call) =>
        listResources(
          {
            collection: registry.groups,
            // Groups that other accounts share are asked for, or those of one's own; here nobody shares any.
            accepts: () => CrossAccountFilterOption !== 'CrossAccount',
            member: 'ModelPackageGroupSummaryList',
            summary: ({ description }) => pick(description, groupSummary),
            defaultOrder: 'Ascending',
          },
          input,
          call,
        ),
    }),
    DeleteModelPackageGroup: operation({
      input: groupNamed,
      resources: ({ ModelPackageGroupName }, scope) => [registry.groupArn(ModelPackageGroupName, scope)],
      handle(input, call) {
        const group = registry.group(input.ModelPackageGroupName, call);
        const versions = registry.versionsOf(group).length;
        if (versions > 0) {
          throw conflictException(
            `Model Package Group ${group.name} cannot be deleted: it holds ${versions} model packages. Delete them first.`,
          );
        }
        registry.groups.delete(group);
        return {};
      },
    }),
  };
}

function packageOperations(core: Core, registry: Registry): Operations {
  return {
    CreateModelPackage: operation({
      input: createPackage,
      resources: (request, scope) =>
        request.ModelPackageGroupName === undefined
          ? [registry.packages.arn(scope, request.ModelPackageName ?? '*')]
          : [registry.packages.arn(scope, `${groupName(request.ModelPackageGroupName)}/*`)],
      handle: (request, call) => createModelPackage(core, registry, request, call),
    }),
    UpdateModelPackage: operation({
      input: updatePackage,
      resources: ({ ModelPackageArn }) => [ModelPackageArn],
      handle(request, call) {
        const present = registry.package(request.ModelPackageArn, call);
        const change = changeOf(request, present);
        const updated = Object.keys(change);
        if (updated.length === 0) return { ModelPackageArn: present.arn };
        const now = epochSeconds(core.clock);
        const changed = registry.packages.update(present, {
          ...change,
          LastModifiedTime: now,
          LastModifiedBy: { IamIdentity: { Arn: call.principalArn } },
        });
        registry.publish(changed, updated);
        return { ModelPackageArn: changed.arn };
      },
    }),
    DescribeModelPackage: operation({
      input: packageNamed,
      resources: ({ ModelPackageName }, scope) => [registry.packageArn(ModelPackageName, scope)],
      handle: (input, call) =>
        registry.describe(registry.packages.described(registry.package(input.ModelPackageName, call))),
    }),
    ListModelPackages: operation({
      input: listInput.extend({
        ModelPackageGroupName: z.string().optional(),
        ModelApprovalStatus: z.string().optional(),
        ModelPackageType: z.enum(['Versioned', 'Unversioned', 'Both']).optional(),
      }),
      handle(input, call) {
        const group =
          input.ModelPackageGroupName === undefined ? undefined : registry.group(input.ModelPackageGroupName, call);
        // Of a group its versions are listed; without one, SageMaker lists the packages that have no version.
        const type = input.ModelPackageType ?? (group ? 'Versioned' : 'Unversioned');
        return listResources(
          {
            collection: registry.packages,
            member: 'ModelPackageSummaryList',
            summary: ({ description }) => pick(description, packageSummary),
            defaultOrder: 'Ascending',
            accepts: ({ description }) =>
              (group === undefined || description.ModelPackageGroupName === group.name) &&
              (type === 'Both' || (type === 'Versioned') === (description.ModelPackageVersion !== undefined)) &&
              (input.ModelApprovalStatus === undefined ||
                description.ModelApprovalStatus === input.ModelApprovalStatus),
          },
          input,
          call,
        );
      },
    }),
    DeleteModelPackage: operation({
      input: packageNamed,
      resources: ({ ModelPackageName }, scope) => [registry.packageArn(ModelPackageName, scope)],
      handle(input, call) {
        registry.packages.delete(registry.package(input.ModelPackageName, call));
        return {};
      },
    }),
  };
}

function createModelPackage(
  core: Core,
  registry: Registry,
  { Tags = [], ClientToken, ...request }: z.infer<typeof createPackage>,
  call: { readonly account: string; readonly region: string; readonly principalArn: string },
) {
  const scope = { account: call.account, region: call.region };
  if ((request.ModelPackageName === undefined) === (request.ModelPackageGroupName === undefined)) {
    throw validationException('Expected exactly one of ModelPackageName and ModelPackageGroupName.');
  }
  for (const part of ['ValidationSpecification', 'SourceAlgorithmSpecification']) {
    if (request[part] !== undefined) throw notImplemented(`${part} is a part of CreateModelPackage`);
  }
  const group =
    request.ModelPackageGroupName === undefined ? undefined : registry.group(request.ModelPackageGroupName, scope);
  if (group && Tags.length > 0) {
    throw validationException('Tags are not allowed on a versioned model package; tag its model package group.');
  }
  const made = ClientToken === undefined ? undefined : registry.madeWith(scope, ClientToken);
  // The same request again, after an answer that was lost.
  if (made) return { ModelPackageArn: made.arn };
  const version = group && takeVersion(registry, group);
  const name = group ? `${group.name}/${version}` : (request.ModelPackageName ?? '');
  const arn = registry.packages.arn(scope, name);
  if (registry.packages.get(scope, name)) throw conflictException(`Model Package already exists: ${arn}`);
  const created = registry.packages.create(
    scope,
    name,
    {
      ...request,
      ...(ClientToken !== undefined && { clientToken: ClientToken }),
      ...(group ? { ModelPackageGroupName: group.name, ModelPackageVersion: version } : {}),
      ...(group ? { ModelApprovalStatus: request.ModelApprovalStatus ?? 'PendingManualApproval' } : {}),
      ModelPackageArn: arn,
      CreationTime: epochSeconds(core.clock),
      CreatedBy: { IamIdentity: { Arn: call.principalArn } },
      ModelPackageStatus: 'Completed',
      ModelPackageStatusDetails: { ValidationStatuses: [], ImageScanStatuses: [] },
    },
    Tags,
  );
  registry.publish(created, []);
  return { ModelPackageArn: arn };
}

function takeVersion(registry: Registry, group: Group): number {
  const version = group.description.lastVersion + 1;
  registry.groups.update(group, { lastVersion: version });
  return version;
}

function changeOf(request: z.infer<typeof updatePackage>, present: Package): Partial<PackageDescription> {
  const { CustomerMetadataPropertiesToRemove: toRemove = [], CustomerMetadataProperties: toAdd } = request;
  const added = request.AdditionalInferenceSpecificationsToAdd;
  const { CustomerMetadataProperties: metadata = {}, AdditionalInferenceSpecifications: specifications = [] } =
    present.description;
  const kept = Object.entries({ ...metadata, ...toAdd }).filter(([key]) => !toRemove.includes(key));
  return {
    ...pick(request, replaced),
    ...(toAdd || toRemove.length > 0 ? { CustomerMetadataProperties: Object.fromEntries(kept) } : {}),
    ...(added ? { AdditionalInferenceSpecifications: [...specifications, ...added] } : {}),
  };
}

function groupName(nameOrArn: string): string {
  return nameOrArn.slice(nameOrArn.lastIndexOf('/') + 1);
}
