/** Permissions on what Flywheel makes in SageMaker in one environment: its names share a prefix. */
import { Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { sageMakerPrefix } from '../../lambdas/contract/keys.ts';
import { type Access, allow } from './access.ts';
import type { Platform } from './platform.ts';

type ResourceType = 'training-job' | 'processing-job' | 'model' | 'endpoint-config' | 'endpoint';

/** @param actions without the service, `CreateTrainingJob` */
export function sageMaker(
  scope: Construct,
  { environment }: Platform,
  types: readonly ResourceType[],
  actions: readonly string[],
): Access {
  const { partition, region, account } = Stack.of(scope);
  return allow({
    actions: actions.map((action) => `sagemaker:${action}`),
    resources: types.map(
      (type) => `arn:${partition}:sagemaker:${region}:${account}:${type}/${sageMakerPrefix(environment.name)}*`,
    ),
    patternBecause: 'jobs, models and endpoints get their names at run time; all of this environment share the prefix',
  });
}
