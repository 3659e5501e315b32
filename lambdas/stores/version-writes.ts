/** The records and edges of a dataset version: version → stored object → upload → who uploaded. */
import { itemKey, nodeId } from '../contract/keys.ts';
import { recordLimits } from '../contract/limits.ts';
import type { AcceptedFile, AcceptedUpload, ManifestObject, StateRecord } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import type { VersionPlan } from '../domain/versions.ts';
import type { Upload } from './dataset-store.ts';
import { type Fact, TRANSACTION_LIMIT, type Write } from './lineage-writes.ts';

/** An accepted upload that waits for a version, with where it waits. */
export interface PendingUpload {
  readonly key: { readonly pk: string; readonly sk: string };
  readonly upload: AcceptedUpload;
}

/** Version, state and the edge to the version before; two writes for each upload besides. */
export const UPLOADS_A_TRANSACTION = Math.floor((TRANSACTION_LIMIT - 3) / 2);

/** Uploads that a version's record and event name; a larger version is told by its counts. */
const UPLOADS_NAMED = 100;

/** The next version, the state that points to it, and the end of the wait of every upload that it takes up. */
export function versionWrites(
  project: ProjectSettings,
  state: StateRecord,
  version: number,
  plan: VersionPlan & { readonly change: true },
  taken: readonly PendingUpload[],
  at: string,
): Write[] {
  const newRows = sumRows(plan.added);
  return [
    {
      kind: 'create',
      type: 'dataset-version',
      project: project.name,
      local: version,
      order: version,
      record: {
        version,
        manifestId: plan.manifestId,
        objects: plan.manifest.objects.length,
        rows: plan.rows,
        newRows,
        uploads: firstNames(taken.flatMap(({ upload }) => upload.files.map((file) => file.object.upload))),
        at,
      },
    },
    {
      kind: 'state',
      project: project.name,
      read: state,
      set: {
        datasetVersion: version,
        manifestId: plan.manifestId,
        rows: plan.rows,
        rowsRegistered: (state.rowsRegistered ?? 0) + newRows,
      },
    },
    ...(project.data.mode === 'append' && state.datasetVersion !== undefined
      ? [
          {
            kind: 'edge' as const,
            from: nodeId.build('dataset-version', project.name, version),
            relation: 'wasDerivedFrom' as const,
            to: nodeId.build('dataset-version', project.name, state.datasetVersion),
            at,
          },
        ]
      : []),
    ...registrationWrites(project, taken, { version, objects: plan.manifest.objects, at }),
  ];
}

/** As many names as fit, by their JSON, in which a control character has six bytes. */
function firstNames(names: readonly string[]): string[] {
  let bytes = 2;
  const isTooMuch = (name: string, index: number): boolean => {
    bytes += Buffer.byteLength(JSON.stringify(name)) + 1;
    return index >= UPLOADS_NAMED || bytes > recordLimits.uploadsBytes;
  };
  const end = names.findIndex(isTooMuch);
  return names.slice(0, end < 0 ? names.length : end);
}

/** The end of the wait of uploads: which version took them up. */
export function registrationWrites(
  project: ProjectSettings,
  taken: readonly PendingUpload[],
  into: { readonly version: number; readonly objects: readonly ManifestObject[]; readonly at: string },
): Write[] {
  const held = new Set(into.objects.map((object) => object.sha256));
  return taken.flatMap(({ key, upload }): Write[] => [
    {
      kind: 'claim',
      key: itemKey.registration(project.name, upload.batch),
      fields: {
        version: into.version,
        whole: upload.files.every((file) => held.has(file.object.sha256)),
        at: into.at,
      },
    },
    { kind: 'release', key },
  ]);
}

/** What is so of an upload before any version holds it: what was stored, where it came from, who sent it. */
export function uploadFacts(project: string, { files, at }: AcceptedUpload): Fact[] {
  return files.flatMap(({ object, uploadedBy, claimedBy }): Fact[] => {
    const { sha256, bytes, rows, upload, uploadVersion } = object;
    const objectId = objectNode(project, object);
    const uploadId = nodeId.build('upload', project, uploadName({ key: upload, s3Version: uploadVersion }));
    const agent = nodeId.build('agent', project, uploadedBy);
    return [
      { kind: 'mention', id: objectId, at, fields: { sha256, bytes, rows } },
      {
        kind: 'mention',
        id: uploadId,
        at,
        fields: { key: upload, s3Version: uploadVersion, sha256, uploadedBy, ...claimOf({ claimedBy }) },
      },
      { kind: 'edge', from: objectId, relation: 'wasDerivedFrom', to: uploadId, at },
      { kind: 'mention', id: agent, at },
      { kind: 'edge', from: uploadId, relation: 'wasAttributedTo', to: agent, at },
    ];
  });
}

/** The edges from a version to the files of an upload that it holds. */
export function versionFacts(project: string, version: number, files: readonly AcceptedFile[], at: string): Fact[] {
  const from = nodeId.build('dataset-version', project, version);
  return files.map(({ object }) => ({
    kind: 'edge',
    from,
    relation: 'wasDerivedFrom',
    to: objectNode(project, object),
    at,
  }));
}

const objectNode = (project: string, { sha256 }: ManifestObject): string =>
  nodeId.build('dataset-object', project, sha256);

/** What the caller says of who uploaded, marked as what it is. */
export const claimOf = ({ claimedBy }: Pick<Upload, 'claimedBy'>): { readonly claimedBy?: string } =>
  claimedBy === undefined ? {} : { claimedBy };

/** The same key in the same S3 version is the same upload, however often its event comes. */
export const uploadName = (upload: Pick<Upload, 'key' | 's3Version'>): string => `${upload.key}@${upload.s3Version}`;
export const sumRows = (objects: readonly ManifestObject[]): number =>
  objects.reduce((sum, each) => sum + each.rows, 0);
