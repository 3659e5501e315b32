/** Dataset versions: which objects the next one holds, and its identity. */
import { createHash } from 'node:crypto';
import type { ManifestFile, ManifestObject } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';

export type VersionPlan =
  /** Every object is in the version already: the same content again starts nothing. */
  | { readonly change: false }
  | {
      readonly change: true;
      readonly manifest: ManifestFile;
      readonly manifestId: string;
      readonly rows: number;
      readonly added: readonly ManifestObject[];
    };

/**
 * The version after some uploads, each a batch of files that are taken up together, in the order of their upload.
 * append: the live objects, in the order of their upload; an object replaces an older one that was uploaded to the same
 * key. snapshot: the newest upload alone. Both are a function of what was uploaded when, not of the order in which the
 * events arrive: an upload that a newer one has replaced changes nothing.
 */
export function planVersion(
  settings: ProjectSettings,
  present: readonly ManifestObject[],
  batches: readonly (readonly ManifestObject[])[],
): VersionPlan {
  const objects =
    settings.data.mode === 'append'
      ? liveObjects([...present, ...batches.flat()])
      : batches.reduce(newestUpload, present);
  const id = manifestId(objects);
  if (id === manifestId(present)) return { change: false };
  const known = new Set(present.map((object) => object.sha256));
  return {
    change: true,
    manifest: { schemaVersion: 1, project: settings.name, objects: [...objects] },
    manifestId: id,
    rows: objects.reduce((sum, object) => sum + object.rows, 0),
    added: objects.filter((object) => !known.has(object.sha256)),
  };
}

/** The newest upload of each key, and of equal contents the one that was there first. */
function liveObjects(all: readonly ManifestObject[]): readonly ManifestObject[] {
  const byKey = new Map<string, ManifestObject>();
  for (const object of all) {
    const other = byKey.get(object.upload);
    if (!other || isNewer(object, other)) byKey.set(object.upload, object);
  }
  const inOrder = [...byKey.values()].sort((a, b) => (isNewer(a, b) ? 1 : -1));
  const seen = new Set<string>();
  return inOrder.filter((object) => !seen.has(object.sha256) && seen.add(object.sha256));
}

function newestUpload(
  present: readonly ManifestObject[],
  uploaded: readonly ManifestObject[],
): readonly ManifestObject[] {
  return newestTime(uploaded) >= newestTime(present) ? liveObjects(uploaded) : present;
}

/** When the newest of these was uploaded; empty where there is none. */
export function newestTime(uploads: readonly { readonly uploadedAt: string }[]): string {
  return (
    uploads
      .map(({ uploadedAt }) => uploadedAt)
      .sort()
      .at(-1) ?? ''
  );
}

/** By time; S3's times have whole seconds, so equal ones are told apart by key and version, the same way every time. */
function isNewer(a: ManifestObject, b: ManifestObject): boolean {
  const order = (each: ManifestObject): string => `${each.uploadedAt} ${each.upload} ${each.uploadVersion}`;
  return order(a) > order(b);
}

/**
 * The agent of an upload, from `requester` of S3's event: "AWS account ID or AWS service principal of requester" (S3 User
 * Guide, EventBridge event message structure). Anything else is nobody: no text of another form becomes an agent.
 */
export function uploaderOf(requester: string | undefined): string {
  return requester !== undefined && REQUESTER.test(requester) ? requester : 'unknown';
}

const REQUESTER = /^(\d{12}|[a-z0-9.-]+\.amazonaws\.com(\.cn)?)$/;

/** Names an upload by what it is: the same keys in the same S3 versions. 32 hexadecimal digits. */
export function batchId(uploads: readonly { readonly key: string; readonly s3Version: string }[]): string {
  const names = uploads.map(({ key, s3Version }) => JSON.stringify([key, s3Version])).sort();
  return createHash('sha256').update(names.join('\n')).digest('hex').slice(0, 32);
}

/** Names a checked file by what it is and by the rules it was checked by: other rules check it anew. Hexadecimal. */
export function checkedName(
  rules: object,
  { key, s3Version }: { readonly key: string; readonly s3Version: string },
): string {
  return createHash('sha256')
    .update(JSON.stringify([rules, key, s3Version]))
    .digest('hex');
}

/** SHA-256 over the objects' SHA-256 in order, 32 hexadecimal digits of it. */
export function manifestId(objects: readonly Pick<ManifestObject, 'sha256'>[]): string {
  const hash = createHash('sha256');
  for (const object of objects) hash.update(`${object.sha256}\n`);
  return hash.digest('hex').slice(0, 32);
}

/** The same objects as SageMaker's ManifestFile: a prefix, then keys under it. */
export function channelManifest(
  bucket: string,
  objectsPrefix: string,
  objects: readonly Pick<ManifestObject, 'sha256'>[],
) {
  return [{ prefix: `s3://${bucket}/${objectsPrefix}` }, ...objects.map((object) => object.sha256)];
}
