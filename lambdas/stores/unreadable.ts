/** Uploads whose bytes S3 does not give out, whoever asks again: archived ones, and those under a key that is not ours. */
import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3';

/** Why, as a program and as people read it, and what to do. */
export interface Unreadable {
  readonly code: 'archived' | 'foreign-key';
  readonly reason: string;
  readonly advice: string;
}

export class UnreadableObject extends Error {
  readonly why: Unreadable;
  constructor(why: Unreadable) {
    super(why.reason);
    this.why = why;
  }
}

const archived: Unreadable = {
  code: 'archived',
  reason: 'the object is in an archive class of S3, from which it cannot be read at once',
  advice: 'upload it again with the storage class STANDARD',
};
const foreignKey: Unreadable = {
  code: 'foreign-key',
  reason: 'the object is encrypted with a key that the platform may not use',
  advice: "upload it again without naming a key: the bucket encrypts it with the platform's own",
};

/** What HEAD tells: an archived object has its headers, and GET of it answers InvalidObjectState (S3 API reference). */
export function unreadableByHead(head: HeadObjectCommandOutput): Unreadable | undefined {
  const isArchived =
    head.StorageClass === 'GLACIER' || head.StorageClass === 'DEEP_ARCHIVE' || head.ArchiveStatus !== undefined;
  // `ongoing-request="false"`: a copy was restored, for some days.
  return isArchived && !head.Restore?.includes('ongoing-request="false"') ? archived : undefined;
}

/**
 * What a failed GET tells; undefined for what may pass, or is a fault of ours. A denied key is AccessDenied, as everything
 * denied is, and its message alone names KMS: "not authorized to perform: kms:Decrypt on resource: ARN", or "The ciphertext
 * refers to a customer master key that does not exist, ...". A denial that names our own key is for the alarm. A key that is
 * disabled or deleted is `KMS.…`; one of the caller's (SSE-C) is InvalidRequest.
 */
export function unreadableByError(error: unknown, keyArn: string): Unreadable | undefined {
  if (!(error instanceof Error)) return undefined;
  const { name, message } = error;
  if (name === 'InvalidObjectState') return archived;
  if (message.includes(keyArn)) return undefined;
  const isKey =
    (name === 'AccessDenied' && /\bkms:|ciphertext refers to a customer master key/i.test(message)) ||
    (name.startsWith('KMS.') && /arn:aws[\w-]*:kms:/.test(message)) ||
    (name === 'InvalidRequest' && /server side encryption/i.test(message));
  return isKey ? foreignKey : undefined;
}

/** HEAD has no body: a refusal of it has a status and no name. */
export function isNamelessRefusal(error: unknown): boolean {
  if (!(error instanceof Error) || !('$metadata' in error)) return false;
  const { $metadata: metadata } = error;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return false;
  return metadata.httpStatusCode === 403 || metadata.httpStatusCode === 400;
}
