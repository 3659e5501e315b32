/** Where a SageMaker job runs, how it ended, and what a failure means for the next step. */

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

/** SageMaker had no instance of the type to give: another type may be free (`CapacityError: Unable to provision requested ML compute capacity`). */
export function isCapacityError(reason: string): boolean {
  return /CapacityError|InsufficientInstanceCapacity|Unable to provision requested ML compute capacity/i.test(reason);
}

/** The instance type of an attempt (from 1): the list in order, and again from its start. */
export function instanceOfAttempt(instances: readonly string[], attempt: number): string {
  const instance = instances[(attempt - 1) % instances.length];
  if (instance === undefined) throw new Error('a project needs at least one instance type');
  return instance;
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
