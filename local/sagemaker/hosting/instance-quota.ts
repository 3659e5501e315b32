/** The instances of endpoints against the account's quotas. */
import type { Scope } from '../core/arn.ts';
import type { Core } from '../core/core.ts';
import { requireInstances } from '../core/instances.ts';
import type { DeployedVariant, EndpointResource } from './endpoint-record.ts';

/**
 * Refuses a fleet whose instances the region or the account has not. A deployment needs its whole new fleet beside the old
 * one (blue/green), so an update asks for all of it.
 * @throws SageMakerError
 */
export function requireFleet(core: Core, scope: Scope, variants: readonly DeployedVariant[]): void {
  const types = new Set(variants.map((variant) => variant.instanceType));
  for (const instanceType of types) {
    const count = instancesOf(variants, instanceType);
    requireInstances(core, scope, { instanceType, count, usage: 'endpoint usage', resource: 'endpoint' });
  }
}

/** Instances of a type that an endpoint holds: those of the fleet in service, and of one that is on its way. */
export function instancesHeld({ description }: EndpointResource, instanceType: string): number {
  const { EndpointStatus, live, pending } = description;
  if (EndpointStatus === 'Failed') return 0;
  return instancesOf(live.variants, instanceType) + instancesOf(pending?.fleet.variants ?? [], instanceType);
}

function instancesOf(variants: readonly DeployedVariant[], instanceType: string): number {
  return variants
    .filter((variant) => variant.instanceType === instanceType)
    .reduce((sum, variant) => sum + variant.instances, 0);
}
