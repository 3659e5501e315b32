import * as z from 'zod';
import type { Scope } from '../core/arn.ts';
import { parseSagemakerArn } from '../core/arn.ts';
import type { Core } from '../core/core.ts';
import { validationException } from '../core/errors.ts';
import { eventDetail } from '../core/events.ts';
import type { Collection, Resource } from '../core/store.ts';

const groupDescription = z.looseObject({
  ModelPackageGroupName: z.string(),
  ModelPackageGroupArn: z.string(),
  CreationTime: z.number(),
  ModelPackageGroupStatus: z.string(),
  /** Highest version that the group has given: a deleted version's number is not given again. Kept out of answers. */
  lastVersion: z.number(),
});

const packageDescription = z.looseObject({
  ModelPackageName: z.string().optional(),
  ModelPackageGroupName: z.string().optional(),
  ModelPackageVersion: z.number().optional(),
  ModelPackageArn: z.string(),
  CreationTime: z.number(),
  LastModifiedTime: z.number().optional(),
  ModelPackageStatus: z.string(),
  ModelApprovalStatus: z.string().optional(),
  CustomerMetadataProperties: z.record(z.string(), z.string()).optional(),
  AdditionalInferenceSpecifications: z.array(z.unknown()).optional(),
  /** ClientToken of the request that made it: the same one makes no other. Kept out of answers. */
  clientToken: z.string().optional(),
});

export type GroupDescription = z.infer<typeof groupDescription>;
export type PackageDescription = z.infer<typeof packageDescription>;
export type Group = Resource<GroupDescription>;
export type Package = Resource<PackageDescription>;

/** Model package groups and their versions. */
export class Registry {
  readonly groups: Collection<GroupDescription>;
  readonly packages: Collection<PackageDescription>;
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
    this.groups = core.store.collection('model-package-group', groupDescription);
    this.packages = core.store.collection('model-package', packageDescription);
  }

  groupArn(nameOrArn: string, scope: Scope): string {
    return parseSagemakerArn(nameOrArn) ? nameOrArn : this.groups.arn(scope, nameOrArn);
  }

  packageArn(nameOrArn: string, scope: Scope): string {
    return parseSagemakerArn(nameOrArn) ? nameOrArn : this.packages.arn(scope, nameOrArn);
  }

  /** @throws SageMakerError ValidationException */
  group(nameOrArn: string, scope: Scope): Group {
    const arn = this.groupArn(nameOrArn, scope);
    const group = this.groups.byArn(arn);
    if (!group) throw validationException(`ModelPackageGroup ${arn} does not exist.`);
    return group;
  }

  /** @throws SageMakerError ValidationException */
  package(nameOrArn: string, scope: Scope): Package {
    const arn = this.packageArn(nameOrArn, scope);
    const found = this.packages.byArn(arn);
    if (!found) throw validationException(`ModelPackage ${arn} does not exist.`);
    return found;
  }

  madeWith(scope: Scope, clientToken: string): Package | undefined {
    return this.packages.list(scope).find(({ description }) => description.clientToken === clientToken);
  }

  /** DescribeModelPackage's answer. */
  describe({ description: { clientToken: _, ...description } }: Package) {
    return description;
  }

  versionsOf(group: Group): Package[] {
    return this.packages
      .list(group.scope)
      .filter(({ description }) => description.ModelPackageGroupName === group.name);
  }

  /** @param updated members of UpdateModelPackage that changed; none for a new package */
  publish(changed: Package, updated: readonly string[]): void {
    const detail = eventDetail(
      this.#core.model,
      'DescribeModelPackageOutput',
      { ...changed, description: this.describe(changed) },
      'iso',
    );
    this.#core.events.publish({
      scope: changed.scope,
      detailType: 'SageMaker Model Package State Change',
      resource: changed.arn,
      detail: updated.length === 0 ? detail : { ...detail, UpdatedModelPackageFields: updated },
    });
  }
}
