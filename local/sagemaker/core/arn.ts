/** Whose resource, and where: taken from the credential scope of a request. */
export interface Scope {
  /** 12 digits. */
  readonly account: string;
  readonly region: string;
}

/**
 * ARN of a SageMaker resource. SageMaker lower-cases names inside ARNs, so two names that differ in case only are one resource.
 * @param path kind and name, for example `training-job/my-job` or `model-package/group/2`
 */
export function sagemakerArn(scope: Scope, path: string): string {
  return `arn:aws:sagemaker:${scope.region}:${scope.account}:${path.toLowerCase()}`;
}

export interface ArnParts {
  readonly scope: Scope;
  /** For example `training-job`. */
  readonly kind: string;
  /** What follows the kind, for example `my-job` or `group/2`. */
  readonly name: string;
}

/** The parts of a SageMaker ARN; undefined when it is not one. */
export function parseSagemakerArn(arn: string): ArnParts | undefined {
  const match = /^arn:aws[a-z-]*:sagemaker:([a-z0-9-]+):(\d{12}):([a-z-]+)\/(.+)$/.exec(arn);
  if (!match) return undefined;
  const [, region = '', account = '', kind = '', name = ''] = match;
  return { scope: { account, region }, kind, name };
}
