/** The records and edges of a dataset version: version → stored object → upload → who uploaded. */
import { nodeId } from '../contract/keys.ts';
import type { ManifestObject, StateRecord } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import type { VersionPlan } from '../domain/versions.ts';
import type { Upload } from './dataset-store.ts';
import { TRANSACTION_LIMIT, type Write } from './lineage-writes.ts';

/** An upload whose bytes were checked. */
export interface Accepted {
  readonly upload: Upload;
  readonly object: ManifestObject;
  /** By S3's own record. */
  readonly uploadedBy: string;
}

export function versionWrites(
  project: ProjectSettings,
  state: StateRecord,
  version: number,
  plan: VersionPlan & { readonly change: true },
  accepted: readonly Accepted[],
  at: string,
): Write[] {
  const id = nodeId.build('dataset-version', project.name, version);
  const newRows = sumRows(plan.added);
  const writes: Write[] = [
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
        uploads: accepted.map((each) => each.upload.key),
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
            from: id,
            relation: 'wasDerivedFrom' as const,
            to: nodeId.build('dataset-version', project.name, state.datasetVersion),
            at,
          },
        ]
      : []),
    ...accepted.flatMap((each) => uploadWrites(project, id, each, at)),
  ];
  if (writes.length > TRANSACTION_LIMIT)
    throw new Error(
      `${accepted.length} files in one upload; at most ${Math.floor((TRANSACTION_LIMIT - 3) / WRITES_PER_UPLOAD)} fit: join them, or upload in parts`,
    );
  return writes;
}

const WRITES_PER_UPLOAD = 6;

function uploadWrites(
  project: ProjectSettings,
  versionId: string,
  { upload, object, uploadedBy }: Accepted,
  at: string,
): Write[] {
  const objectId = nodeId.build('dataset-object', project.name, object.sha256);
  const uploadId = nodeId.build('upload', project.name, uploadName(upload));
  const agent = nodeId.build('agent', project.name, uploadedBy);
  const { sha256, bytes, rows } = object;
  return [
    { kind: 'mention', id: objectId, at, fields: { sha256, bytes, rows } },
    { kind: 'edge', from: versionId, relation: 'wasDerivedFrom', to: objectId, at },
    {
      kind: 'mention',
      id: uploadId,
      at,
      fields: { key: upload.key, s3Version: upload.s3Version, sha256, uploadedBy, ...claimOf(upload) },
    },
    { kind: 'edge', from: objectId, relation: 'wasDerivedFrom', to: uploadId, at },
    { kind: 'mention', id: agent, at },
    { kind: 'edge', from: uploadId, relation: 'wasAttributedTo', to: agent, at },
  ];
}

/** What the caller says of who uploaded, marked as what it is. */
export const claimOf = ({ claimedBy }: Upload): { readonly claimedBy?: string } =>
  claimedBy === undefined ? {} : { claimedBy };

/** The same key in the same S3 version is the same upload, however often its event comes. */
export const uploadName = (upload: Upload): string => `${upload.key}@${upload.s3Version}`;
export const sumRows = (objects: readonly ManifestObject[]): number =>
  objects.reduce((sum, each) => sum + each.rows, 0);
