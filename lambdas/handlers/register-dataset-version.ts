/** S3 Object Created in the raw bucket → the next dataset version, or quarantine with a report. */
import { s3ObjectCreated } from '../contract/aws-events.ts';
import { DatasetRejected, DatasetVersionRegistered } from '../contract/events.ts';
import { uploadKey } from '../contract/keys.ts';
import { uploadLimits } from '../contract/limits.ts';
import { metrics } from '../contract/metrics.ts';
import type { AcceptedFile, AcceptedUpload } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { inspectUpload } from '../domain/dataset/inspect.ts';
import type { Refusal } from '../domain/dataset/report.ts';
import { markerTooLong, refusedUnread, tooManyFiles, tooManyObjects } from '../domain/dataset/unread.ts';
import { batchId, newestTime, uploaderOf } from '../domain/versions.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { inParallel } from '../runtime/in-parallel.ts';
import { findProject } from '../runtime/settings.ts';
import { checkFiles, type Rejection } from '../steps/data/check-files.ts';
import { accept, register, wasAccepted } from '../steps/data/register-accepted.ts';
import { type DatasetStore, datasetStore, type Upload } from '../stores/dataset-store.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore, type RecordOf } from '../stores/lineage-store.ts';
import { type Unreadable, UnreadableObject } from '../stores/unreadable.ts';
import { claimOf, uploadName } from '../stores/version-writes.ts';

interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
  readonly datasets: DatasetStore;
}

export const handler = eventHandler({
  name: 'register-dataset-version',
  consumes: [s3ObjectCreated],
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    events: eventPublisher(environment.EVENT_BUS_NAME),
    datasets: datasetStore({
      rawBucket: environment.RAW_BUCKET,
      datasetBucket: environment.DATASET_BUCKET,
      keyArn: environment.DATA_KEY_ARN,
    }),
  }),
  handle: registerDatasetVersion,
});

export async function registerDatasetVersion(
  event: ParsedEvent<typeof s3ObjectCreated>,
  context: Context<Services>,
): Promise<void> {
  const { object } = event.detail;
  const name = uploadKey.project(object.key);
  const project = name === undefined ? undefined : findProject(context.settings, name);
  if (!project || object.key.endsWith('/')) {
    const known = context.settings.projects.map((each) => `${each.name}/`).join(', ');
    return context.log.warn('an upload belongs to no project', { key: object.key, expected: `a key under ${known}` });
  }
  const uploadedBy = uploaderOf(event.detail.requester);
  const keys = await keysOf(project, object.key, context.services.datasets);
  const rejectWhole = (refusal: Refusal) => rejectUnread(project, object, refusal, uploadedBy, context);
  if (keys.length > uploadLimits.files) return rejectWhole(tooManyFiles(keys.length));
  const uploads = await uploadsOf(keys, object, context.services.datasets);
  if (uploads.length === 0) return;
  const acceptance = await acceptedOf(project, uploads, { uploadedBy, rejectWhole }, context);
  if (!acceptance) return;
  const { upload, repeated } = acceptance;
  const { version, byUs } = await register(project, upload, newestTime(uploads), context);
  // Who took the upload up tells of the version; a repeated event tells again, since that may have been lost.
  if (byUs || repeated) await announceVersion(project, version, context.services);
}

/** The upload as it was accepted, now or when its event came before; undefined when a file of it was quarantined. */
async function acceptedOf(
  project: ProjectSettings,
  uploads: readonly Upload[],
  { uploadedBy, rejectWhole }: { uploadedBy: string; rejectWhole: (refusal: Refusal) => Promise<undefined> },
  context: Context<Services>,
): Promise<{ readonly upload: AcceptedUpload; readonly repeated: boolean } | undefined> {
  const { services, metrics: recorder } = context;
  const batch = batchId(uploads);
  const uploadedAt = newestTime(uploads);
  if (await wasAccepted(project.name, batch, uploadedAt, services))
    return { upload: await services.datasets.readAccepted(project.name, batch), repeated: true };
  const objects = await objectsWith(project, uploads, services);
  if (objects > uploadLimits.objects) return rejectWhole(tooManyObjects(objects));
  const check = (upload: Upload, seconds: number) => inspect(project, upload, seconds, uploadedBy, context);
  const checked = await checkFiles(project, uploads, services.datasets, check, () => performance.now());
  if (checked.outcome === 'rejected') return reject(project, checked.rejection, uploadedBy, context);
  if (checked.outcome === 'late') return rejectWhole(markerTooLong(checked.checked, uploads.length));
  const { files } = checked;
  const upload: AcceptedUpload = { schemaVersion: 1, batch, files: [...files], at: context.now().toISOString() };
  await accept(project.name, upload, uploadedAt, services);
  recorder.record(project.name, metrics.datasetRejected, 0);
  return { upload, repeated: false };
}

/** Files of the version that would hold these uploads, too; exact where it may be more than a version has. */
async function objectsWith(
  { name, data }: ProjectSettings,
  uploads: readonly Upload[],
  { lineage, datasets }: Services,
): Promise<number> {
  if (data.mode === 'snapshot') return uploads.length;
  const { datasetVersion } = await lineage.state(name);
  if (datasetVersion === undefined) return uploads.length;
  const { objects, manifestId } = await lineage.require('dataset-version', name, datasetVersion);
  if (objects + uploads.length <= uploadLimits.objects) return objects + uploads.length;
  const present = new Set((await datasets.readManifest(name, manifestId)).objects.map(({ upload }) => upload));
  return objects + uploads.filter(({ key }) => !present.has(key)).length;
}

/** The keys that the event completes: its own, or all that a marker closes; none when a marker is still to come. */
async function keysOf(project: ProjectSettings, key: string, datasets: DatasetStore): Promise<readonly string[]> {
  if (project.data.commit === 'object') return uploadKey.isLeftover(key) ? [] : [key];
  return uploadKey.isMarker(key) ? datasets.listUploads(uploadKey.markerPrefix(key)) : [];
}

/** The objects of these keys that are there; of the event's own key the version that it tells of. */
async function uploadsOf(
  keys: readonly string[],
  event: { readonly key: string; readonly 'version-id'?: string | undefined },
  datasets: DatasetStore,
): Promise<Upload[]> {
  const found = await inParallel(keys, (key) =>
    datasets.findUpload(key, key === event.key ? event['version-id'] : undefined),
  );
  return found.flatMap((upload) => (upload ? [upload] : []));
}

/** Rejects what the event tells of, an upload or the marker of many, as it is. */
async function rejectUnread(
  project: ProjectSettings,
  event: { readonly key: string; readonly 'version-id'?: string | undefined },
  refusal: Refusal,
  uploadedBy: string,
  context: Context<Services>,
): Promise<undefined> {
  const upload = await context.services.datasets.findUpload(event.key, event['version-id']);
  if (!upload) return;
  await reject(project, unread(project, upload, refusal), uploadedBy, context);
}

const unread = (
  { data: { format } }: ProjectSettings,
  upload: Upload,
  refusal: Pick<Refusal, 'code' | 'message' | 'advice'>,
): Rejection => ({ upload, ...refusedUnread({ ...upload, format }, refusal) });

/** Checks an upload, and stores its bytes where it is accepted. One that S3 does not give out has a report as well. */
async function inspect(
  project: ProjectSettings,
  upload: Upload,
  seconds: number,
  uploadedBy: string,
  context: Context<Services>,
): Promise<AcceptedFile | Rejection> {
  const refused = (why: Unreadable): Rejection =>
    unread(project, { ...upload, unreadable: why }, { ...why, message: why.reason });
  if (upload.unreadable) return refused(upload.unreadable);
  try {
    return await inspectReadable(project, upload, seconds, uploadedBy, context);
  } catch (error) {
    if (error instanceof UnreadableObject) return refused(error.why);
    throw error;
  }
}

async function inspectReadable(
  project: ProjectSettings,
  upload: Upload,
  seconds: number,
  uploadedBy: string,
  context: Context<Services>,
): Promise<AcceptedFile | Rejection> {
  const { datasets } = context.services;
  const inspection = await inspectUpload(
    { size: upload.bytes, read: (range) => datasets.read(upload, range) },
    project.data,
    { clock: () => performance.now(), seconds },
  );
  if (inspection.outcome === 'rejected') return { upload, sha256: inspection.sha256, report: inspection.report };
  const { badRows, idsComplete, violations, profile } = inspection;
  if (badRows > 0) context.log.warn('bad rows were tolerated', { key: upload.key, badRows, counts: violations.counts });
  if (!idsComplete)
    context.log.warn('too many ids to find every duplicate', { key: upload.key, rows: inspection.rows });
  await datasets.storeObject(upload, project.name, inspection.sha256, profile);
  return {
    uploadedBy,
    ...claimOf(upload),
    object: {
      sha256: inspection.sha256,
      bytes: upload.bytes,
      rows: inspection.rows,
      upload: upload.key,
      uploadVersion: upload.s3Version,
      uploadedAt: upload.uploadedAt,
    },
  };
}

async function reject(
  project: ProjectSettings,
  rejection: Rejection,
  uploadedBy: string,
  { services, now, metrics: recorder }: Context<Services>,
): Promise<undefined> {
  const { upload, sha256 } = rejection;
  const report = await services.datasets.quarantine(upload, project.name, sha256, rejection.report);
  const record: RecordOf<'quarantined-upload'> = {
    key: upload.key,
    s3Version: upload.s3Version,
    sha256,
    reason: rejection.report.reason,
    report,
    uploadedBy,
    ...claimOf(upload),
    at: now().toISOString(),
  };
  const local = uploadName(upload);
  const written = await services.lineage.write([
    { kind: 'create', type: 'quarantined-upload', project: project.name, local, record },
  ]);
  const told = written.written ? record : await services.lineage.require('quarantined-upload', project.name, local);
  recorder.record(project.name, metrics.datasetRejected, 1);
  await services.events.publish(DatasetRejected, {
    project: project.name,
    at: told.at,
    upload: told.key,
    reason: told.reason,
    report: told.report,
  });
  return undefined;
}

async function announceVersion(
  project: ProjectSettings,
  version: number,
  { lineage, events }: Services,
): Promise<void> {
  const record = await lineage.require('dataset-version', project.name, version);
  await events.publish(DatasetVersionRegistered, { ...record, project: project.name });
}
