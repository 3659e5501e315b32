/** Where a SageMaker job runs, what it means that SageMaker refuses one, how one ended, and what a failure means for the next step. */

export type JobEnd = { readonly outcome: 'completed' } | { readonly outcome: 'failed'; readonly reason: string };

export type TrainingJobEnd = JobEnd & {
  readonly artifact: string;
  /** Full address of the image the job ran. */
  readonly image: string;
  readonly billableSeconds: number;
  /** From the start of the container to its end. */
  readonly trainingSeconds: number;
  readonly endedAt: Date;
};

export type ProcessingJobEnd = JobEnd & { readonly seconds: number; readonly endedAt: Date };

/** Why a type of the list was passed over. */
export interface Refusal {
  readonly instanceType: string;
  readonly reason: string;
}

/**
 * What it means that SageMaker does not take a job.
 * `unavailable`: the account or the region has no such instance to give, now or later: the next type of the list.
 * `in-use`: the account may have some, and others have them: a quota is free again when their jobs end.
 * Undefined: nothing that another type or another time would change.
 *
 * Quotas: `The account-level service limit 'ml.g5.xlarge for training job usage' is 1 Instances, with current utilization of
 * 1 Instances and a request delta of 1 Instances.` (aws/amazon-sagemaker-examples#307, #1543). Types that a region does not
 * have: ResourceLimitExceeded `The requested resource training-job/ml.p2.xlarge is not available in this region` (#1001), or
 * ValidationException `Unsupported instance type ml.p3dn.24xlarge` (#3494), or `Value 'ml.t2.medium' at
 * 'resourceConfig.instanceType' failed to satisfy constraint: Member must satisfy enum value set: [...]`.
 */
export function refusalOf({ name, message }: Error): 'unavailable' | 'in-use' | undefined {
  if (name === 'ResourceLimitExceeded') {
    const quota = / is (\d+) \w+, with current utilization of (\d+) \w+ and a request delta of (\d+) /.exec(message);
    const [, limit, , asked] = quota ?? [];
    return limit !== undefined && Number(limit) >= Number(asked) ? 'in-use' : 'unavailable';
  }
  const aboutType = /instance ?type/i.test(message);
  const notHad = /unsupported|not supported|not available|enum value set/i.test(message);
  return name === 'ValidationException' && aboutType && notHad ? 'unavailable' : undefined;
}

/**
 * capacity: SageMaker had no instance of the type to give; another type may be free.
 * final: the program or the request is at fault, or a person stopped it: the same again ends the same.
 * passing: an error inside SageMaker, or an image that could not be pulled: the same again may succeed.
 *
 * FailureReason begins, where nothing that the container said comes before it, with `CapacityError: Unable to provision requested ML compute capacity` (DIAGNijmegen/
 * rse-grand-challenge#2631), `AlgorithmError: ..., exit code: 1`, `InternalServerError: We encountered an internal error.
 * Please try again.` (aws/sagemaker-python-sdk#2496) or `ClientError: ...`, of which `Cannot pull algorithm container` (#57)
 * may pass. What begins otherwise is taken for passing: tries are bounded.
 */
export type FailureKind = 'capacity' | 'final' | 'passing';

export function failureKind(reason: string): FailureKind {
  if (/CapacityError|InsufficientInstanceCapacity|Unable to provision requested ML compute capacity/i.test(reason))
    return 'capacity';
  if (/Cannot pull algorithm container/i.test(reason)) return 'passing';
  return /\bAlgorithmError\b|\bClientError\b|^the job was stopped/.test(reason) ? 'final' : 'passing';
}

/** A failure that may pass is tried again until there were so many. */
export const MAXIMUM_TRIES = 3;

/** A job waits this long for a quota that others use, and an unannounced step is asked for again as long; then it has failed. */
const PATIENCE_HOURS = 24;

export function isOutOfPatience(since: string, now: Date): boolean {
  return now.getTime() - Date.parse(since) >= PATIENCE_HOURS * 3600_000;
}

/** The type at a position, from 0; the last one where the list has been made shorter since. */
export function instanceOf(instances: readonly string[], position: number): string {
  const instance = instances[Math.min(position, instances.length - 1)];
  if (instance === undefined) throw new Error('a project needs at least one instance type');
  return instance;
}

/** The types that a step has passed over, with the one that it is at. */
export function withRefusal(
  { instance, refusals = [] }: { readonly instance: number; readonly refusals?: readonly Refusal[] | undefined },
  instances: readonly string[],
  reason: string,
): Refusal[] {
  return [...refusals, { instanceType: instanceOf(instances, instance), reason }];
}

/** Why a step is given up that waits for an instance; undefined while it may go on waiting. */
export function waitedTooLong(waitingSince: string | undefined, reason: string, now: Date): string | undefined {
  if (waitingSince === undefined || !isOutOfPatience(waitingSince, now)) return undefined;
  return `waited since ${waitingSince}: ${reason}`;
}

/** Why a step is given up whose job could not be started. */
export function neverStarted(requestedAt: string, error: unknown): string {
  return `no job could be started since ${requestedAt}: ${error instanceof Error ? error.message : String(error)}`;
}

/** One sentence about every type of the list. */
export function noInstance(refusals: readonly Refusal[]): string {
  const each = refusals.map(({ instanceType, reason }) => `${instanceType}: ${reason.trim().replace(/\.$/, '')}`);
  return `no instance could be had: ${each.join('; ')}. Ask AWS for a higher quota, or name other instance types`;
}

/** Repository → host of its registry in this region (variable IMAGE_REGISTRIES). */
export type ImageRegistries = Readonly<Record<string, string>>;

/**
 * @param image repository and tag, `sagemaker-xgboost:3.2-0`
 * @throws for a repository that came with newer settings than the function's environment
 */
export function imageUri(registries: ImageRegistries, image: string): string {
  const [repository = ''] = image.split(':');
  const registry = registries[repository];
  if (registry === undefined)
    throw new Error(
      `IMAGE_REGISTRIES has no registry of ${image}, only of ${Object.keys(registries).join(', ')}: deploy the stacks again`,
    );
  return `${registry}/${image}`;
}

/**
 * Entrypoint of a container that unpacks a code archive and becomes one of its scripts. `exec`, so that the script is the
 * container's first process: SIGTERM goes to that one alone.
 * @param archive path of the archive in the container
 * @param folder where its files go
 */
export function scriptEntrypoint(archive: string, folder: string, script: string): string[] {
  return ['bash', '-c', `mkdir -p ${folder} && tar -xzf ${archive} -C ${folder} && exec python3 ${folder}/${script}`];
}

/** For a container without network: pip, which the images' toolkits start, does not wait for an index that cannot answer. */
export const WITHOUT_NETWORK = { PIP_NO_INDEX: '1' };
