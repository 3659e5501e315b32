/** What every request for instances has to pass, whatever they are for: region, volume key, and quota. */
import { hasLocalStorage } from '../../../lambdas/contract/instances.ts';
import type { Scope } from './arn.ts';
import type { Core } from './core.ts';
import { SageMakerError, validationException } from './errors.ts';
import type { QuotaUsage } from './quotas.ts';

export interface InstanceRequest {
  readonly instanceType: string;
  readonly count: number;
  readonly usage: QuotaUsage;
  /** For example `training-job`: how SageMaker names what the region lacks. */
  readonly resource: string;
}

/**
 * Refuses what the region does not have, then what the account may not have. Both words for a type that the region lacks are
 * SageMaker's: a ValidationException (aws/amazon-sagemaker-examples#3494) and a ResourceLimitExceeded (the same, #1001).
 * @throws SageMakerError
 */
export function requireInstances(core: Core, scope: Scope, request: InstanceRequest): void {
  const { instanceType, count, usage, resource } = request;
  const offer = core.faults.offerOf(instanceType);
  if (offer === 'unsupported') throw validationException(`Unsupported instance type ${instanceType}`);
  if (offer === 'unavailable') {
    throw new SageMakerError(
      'ResourceLimitExceeded',
      `The requested resource ${resource}/${instanceType} is not available in this region`,
    );
  }
  core.quotas.require(scope, instanceType, usage, count);
}

/**
 * Refuses a key for a volume that an instance type has not. The rule is the API reference's; its own text for the error is
 * not public.
 * @param member for example `VolumeKmsKeyId`
 * @throws SageMakerError ValidationException
 */
export function refuseVolumeKey(member: string, key: string | undefined, instanceType: string): void {
  if (key === undefined || key === '' || !hasLocalStorage(instanceType)) return;
  throw validationException(
    `${member} is not supported for instance type ${instanceType}: its local storage is encrypted by a hardware module on the instance. Leave ${member} out.`,
  );
}
