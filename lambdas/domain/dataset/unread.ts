/** Uploads that are rejected without being read, or not to their end: a name stands for the hash of their bytes. */
import { createHash } from 'node:crypto';
import { uploadLimits } from '../../contract/limits.ts';
import type { DataSettings } from '../../contract/settings.ts';
import { Refusal, type RejectionReport, reportOn } from './report.ts';

/** What names an upload, and the format that its report speaks of. */
export interface Unread {
  readonly key: string;
  readonly s3Version: string;
  readonly format: DataSettings['format'];
}

/** A report of nothing but the reason. `sha256` is of the name: nobody has read the bytes. */
export function refusedUnread(
  { key, s3Version, format }: Unread,
  refusal: Pick<Refusal, 'code' | 'message' | 'advice'>,
): { readonly sha256: string; readonly report: RejectionReport } {
  const name = createHash('sha256')
    .update(JSON.stringify([key, s3Version]))
    .digest('hex');
  return { sha256: `unread-${name}`, report: reportOn(refusal, format, undefined) };
}

export const tooManyFiles = (files: number): Refusal =>
  new Refusal(
    'too-many-files',
    `the marker closes ${files} files, expected at most ${uploadLimits.files}`,
    'join files, or upload them in several folders with a marker each',
  );

export const tooManyObjects = (objects: number): Refusal =>
  new Refusal(
    'too-many-objects',
    `the version would have ${objects} files, expected at most ${uploadLimits.objects}`,
    "join small files before they are uploaded; what the project has can be replaced by a snapshot (data.mode 'snapshot')",
  );

export const markerTooLong = (checked: number, files: number): Refusal =>
  new Refusal(
    'marker-time',
    `${checked} of the ${files} files that the marker closes were checked in ${uploadLimits.markerSeconds} seconds`,
    'upload the marker again, and the check goes on with the others; or join files, or upload them in several folders',
  );
