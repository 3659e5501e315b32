/** What S3 says of an object that it does not give out, told apart from what may pass and from faults of our own. */
import { S3ServiceException } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { isNamelessRefusal, unreadableByError } from '../../lambdas/stores/unreadable.ts';

const ours = 'arn:aws:kms:eu-central-1:111122223333:key/ours';
const user = 'User: arn:aws:sts::111122223333:assumed-role/register/x is not authorized to perform:';
const failure = (name: string, message: string, httpStatusCode = 403) =>
  new S3ServiceException({ name, message, $fault: 'client', $metadata: { httpStatusCode } });

describe('a failed read', () => {
  it.each([
    ['archived', 'InvalidObjectState', "The operation is not valid for the object's storage class"],
    ['foreign-key', 'AccessDenied', `${user} kms:Decrypt on resource: arn:aws:kms:eu-central-1:999:key/theirs`],
    ['foreign-key', 'AccessDenied', 'The ciphertext refers to a customer master key that does not exist, ...'],
    ['foreign-key', 'KMS.DisabledException', 'arn:aws:kms:eu-central-1:999:key/theirs is disabled.'],
    ['foreign-key', 'InvalidRequest', 'The object was stored using a form of Server Side Encryption. ...'],
  ])('is %s: %s %s', (code, name, message) => {
    expect(unreadableByError(failure(name, message), ours)).toMatchObject({ code });
  });

  it.each([
    ['our own key is denied', 'AccessDenied', `${user} kms:Decrypt on resource: ${ours}`],
    ['our own key is disabled', 'KMS.DisabledException', `${ours} is disabled.`],
    ['the role may not read', 'AccessDenied', `${user} s3:GetObject on resource: "arn:aws:s3:::raw/x"`],
    ['nothing is said', 'AccessDenied', 'Access Denied'],
    ['S3 is slow', 'SlowDown', 'Please reduce your request rate.'],
    ['the range is wrong', 'InvalidRequest', 'bad'],
  ])('is tried again and alarms when %s', (_, name, message) => {
    expect(unreadableByError(failure(name, message), ours)).toBeUndefined();
  });
});

it('a HEAD that is refused has a status alone', () => {
  expect([403, 400, 404, 500, 503].map((status) => isNamelessRefusal(failure('Unknown', '', status)))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});
