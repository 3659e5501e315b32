/**
 * What a function may do, together with what it must know to do it: one value, so that a permission cannot be given
 * without its environment variable, nor the other way round. `table.readWrite("model").and(bus.publish(ModelTrained))`.
 */
import { Stack, Validations } from 'aws-cdk-lib';
import { type IRole, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { flattenCfnReference } from 'cdk-nag/lib/utils/flatten-cfn-reference.js';
import type { IConstruct } from 'constructs';

export interface Permission {
  /** `s3:GetObject`; never a pattern. */
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly conditions?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
  /** Why a resource is a pattern; must be given for one. */
  readonly patternBecause?: string;
}

export class Access<Variables extends object = object> {
  readonly variables: Variables;
  readonly permissions: readonly Permission[];

  constructor(variables: Variables, permissions: readonly Permission[]) {
    this.variables = variables;
    this.permissions = permissions;
  }

  and<More extends object>(more: Access<More>): Access<Variables & More> {
    return new Access({ ...this.variables, ...more.variables }, [...this.permissions, ...more.permissions]);
  }
}

/** A permission that comes with no variable. */
export const allow = (...permissions: readonly Permission[]): Access => new Access({}, permissions);

/** Adds the permissions to the role, and gives cdk-nag the reason for each pattern. */
export function grant(role: IRole, permissions: readonly Permission[]): void {
  for (const { actions, resources, conditions } of permissions)
    role.addToPrincipalPolicy(
      new PolicyStatement({ actions: [...actions], resources: [...resources], ...(conditions && { conditions }) }),
    );
  acknowledgePatterns(role, permissions);
}

/**
 * Acknowledges the finding `IAM5[Resource::...]` of each pattern. Its text holds the resource as the template will spell
 * it, which is known only when references between stacks have been resolved: at validation.
 */
function acknowledgePatterns(scope: IConstruct, permissions: readonly Permission[]): void {
  scope.node.addValidation({
    validate: () =>
      permissions.flatMap(({ resources, patternBecause }) =>
        resources
          .map((resource): string => flattenCfnReference(Stack.of(scope).resolve(resource)))
          .filter((resource) => resource.includes('*'))
          .flatMap((resource) => {
            if (patternBecause === undefined)
              return [`got the resource pattern ${resource}, expected a reason for it: set patternBecause`];
            Validations.of(scope).acknowledge({
              id: `AwsSolutions-IAM5[Resource::${resource}]`,
              reason: patternBecause,
            });
            return [];
          }),
      ),
  });
}
