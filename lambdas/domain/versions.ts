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
 * append: the objects so far, then the new ones in the order given; an object that is there already stays where it is.
 * snapshot: the new objects alone.
 */
export function planVersion(
  settings: ProjectSettings,
  present: readonly ManifestObject[],
  uploaded: readonly ManifestObject[],
): VersionPlan {
  const distinct = uploaded.filter(
    (each, index) => uploaded.findIndex((other) => other.sha256 === each.sha256) === index,
  );
  const known = new Set(present.map((object) => object.sha256));
  const added = distinct.filter((object) => !known.has(object.sha256));
  const objects = settings.data.mode === 'append' ? [...present, ...added] : distinct;
  const id = manifestId(objects);
  if (id === manifestId(present)) return { change: false };
  return {
    change: true,
    manifest: { schemaVersion: 1, project: settings.name, objects },
    manifestId: id,
    rows: objects.reduce((sum, object) => sum + object.rows, 0),
    added,
  };
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
