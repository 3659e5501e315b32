import { describe, expect, it } from 'vitest';
import { failureKind, noInstance, refusalOf } from '../../lambdas/domain/jobs.ts';

const error = (name: string, message: string) => Object.assign(new Error(message), { name });
const quota = (what: string, limit: number, used: number) =>
  error(
    'ResourceLimitExceeded',
    `The account-level service limit '${what}' is ${limit} Instances, with current utilization of ${used} Instances and a request delta of 1 Instances. Please use AWS Service Quotas to request an increase for this quota.`,
  );

describe('refusalOf', () => {
  it('tells a quota of none from one that others use', () => {
    expect(refusalOf(quota('ml.g5.xlarge for spot training job usage', 0, 0))).toBe('unavailable');
    expect(refusalOf(quota('ml.g5.xlarge for spot training job usage', 1, 1))).toBe('in-use');
    expect(refusalOf(quota('Number of instances across all processing jobs', 4, 4))).toBe('in-use');
    // The wording of 2017.
    const old =
      'The account-level service limit for training-job/ml.p2.xlarge is 0 Instances, with current utilization of 0 Instances and a request delta of 2 Instances.';
    expect(refusalOf(error('ResourceLimitExceeded', old))).toBe('unavailable');
  });

  it.each([
    ['ResourceLimitExceeded', 'The requested resource training-job/ml.p2.xlarge is not available in this region'],
    ['ValidationException', 'Unsupported instance type ml.p3dn.24xlarge'],
    [
      'ValidationException',
      "1 validation error detected: Value 'ml.t2.medium' at 'resourceConfig.instanceType' failed to satisfy constraint: Member must satisfy enum value set: [ml.p2.xlarge]",
    ],
    ['ResourceLimitExceeded', "The request delta of 1025 GBs for 'Size of EBS volume' is greater than the limit"],
  ])('takes a type that is not offered for one that is never to be had: %s %s', (name, message) => {
    expect(refusalOf(error(name, message))).toBe('unavailable');
  });

  it.each([
    ['ValidationException', 'Could not assume role arn:aws:iam::1:role/r'],
    ['AccessDeniedException', 'not authorized to perform: sagemaker:CreateTrainingJob'],
    ['ThrottlingException', 'Rate exceeded'],
  ])('leaves what no other type would change to the caller: %s', (name, message) => {
    expect(refusalOf(error(name, message))).toBeUndefined();
  });
});

describe('failureKind', () => {
  it.each([
    ['CapacityError: Unable to provision requested ML compute capacity. Please retry.', 'capacity'],
    ['AlgorithmError: ExecuteUserScriptError: ExitCode 1', 'final'],
    ['ClientError: Failed to invoke sagemaker:CreateModel', 'final'],
    ['no rows were held out (AlgorithmError: See job logs for more information)', 'final'],
    ['the job was stopped (MaxRuntimeExceeded)', 'final'],
    ['InternalServerError: We encountered an internal error. Please try again.', 'passing'],
    [
      'ClientError: Cannot pull algorithm container. Either the image does not exist or its permissions are incorrect.',
      'passing',
    ],
  ])('%s is %s', (reason, kind) => {
    expect(failureKind(reason)).toBe(kind);
  });
});

it('noInstance says why of every type', () => {
  const refusals = [
    { instanceType: 'ml.g5.xlarge', reason: 'the limit is 0 Instances.' },
    { instanceType: 'ml.p5.48xlarge', reason: 'Unsupported instance type ml.p5.48xlarge' },
  ];
  expect(noInstance(refusals)).toBe(
    'no instance could be had: ml.g5.xlarge: the limit is 0 Instances; ml.p5.48xlarge: Unsupported instance type ml.p5.48xlarge. Ask AWS for a higher quota, or name other instance types',
  );
});
