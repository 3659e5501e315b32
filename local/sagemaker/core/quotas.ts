/** The account's quotas of instances, by type and use, as Service Quotas has them for SageMaker. */
import type { Scope } from './arn.ts';
import { SageMakerError } from './errors.ts';

/** What an instance is used for, in the words of the quotas' names: `ml.g5.xlarge for spot training job usage`. */
export const quotaUsages = [
  'training job usage',
  'spot training job usage',
  'processing job usage',
  'endpoint usage',
] as const;
export type QuotaUsage = (typeof quotaUsages)[number];

/** Instances of a type that are in use now. */
type Count = (scope: Scope, instanceType: string) => number;

/** Without a quota an account may use any number, which no account on AWS may: tests and users set them. */
export class Quotas {
  readonly #limits = new Map<string, number>();
  readonly #counts = new Map<QuotaUsage, Count>();

  /** @param limits by name, for example `{'ml.g5.xlarge for spot training job usage': 1}` */
  constructor(limits: Readonly<Record<string, number>> = {}) {
    for (const [name, limit] of Object.entries(limits)) this.#limits.set(name, limit);
  }

  get limits(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#limits);
  }

  /** @param limit undefined takes the quota away */
  set(instanceType: string, usage: QuotaUsage, limit: number | undefined): void {
    if (limit === undefined) this.#limits.delete(nameOf(instanceType, usage));
    else this.#limits.set(nameOf(instanceType, usage), limit);
  }

  /** How a use counts its instances: from its resources, so that no instance is lost or counted twice after a restart. */
  counts(usage: QuotaUsage, count: Count): void {
    this.#counts.set(usage, count);
  }

  /** @throws SageMakerError ResourceLimitExceeded, in the words of public error reports */
  require(scope: Scope, instanceType: string, usage: QuotaUsage, delta: number): void {
    const name = nameOf(instanceType, usage);
    const limit = this.#limits.get(name);
    if (limit === undefined) return;
    const used = this.#counts.get(usage)?.(scope, instanceType) ?? 0;
    if (used + delta <= limit) return;
    throw new SageMakerError(
      'ResourceLimitExceeded',
      `The account-level service limit '${name}' is ${limit} Instances, with current utilization of ${used} Instances ` +
        `and a request delta of ${delta} Instances. Please use AWS Service Quotas to request an increase for this quota. ` +
        'If AWS Service Quotas is not available, contact AWS support to request an increase for this quota.',
    );
  }
}

/** A quota's name into its parts; undefined when it is none of those kept here. */
export function parseQuotaName(
  name: string,
): { readonly instanceType: string; readonly usage: QuotaUsage } | undefined {
  const [, instanceType, words] = /^(ml\.\S+) for (.+)$/.exec(name) ?? [];
  const usage = quotaUsages.find((one) => one === words);
  return instanceType === undefined || usage === undefined ? undefined : { instanceType, usage };
}

function nameOf(instanceType: string, usage: QuotaUsage): string {
  return `${instanceType} for ${usage}`;
}
