/**
 * From accepted uploads to dataset versions, for many uploads at the same moment.
 *
 *     checked ──▶ accepted: its files in S3, its place in the queue of its project
 *                     │
 *                     ▼   whoever is first takes up its own and all others that wait, in one version and one transaction
 *                 registered: which version holds it
 *
 * The losers of a race find their own upload registered and are done; nobody checks a file twice. A caller takes up its own
 * upload always, and draws the edges of no other, so that what a killed caller left undone is done when its event comes again.
 */
import { itemKey } from '../../contract/keys.ts';
import { metrics } from '../../contract/metrics.ts';
import { type AcceptedUpload, acceptedUpload, registrationRecord, type StateRecord } from '../../contract/records.ts';
import type { ProjectSettings } from '../../contract/settings.ts';
import { ConcurrentChange } from '../../domain/errors.ts';
import { planVersion } from '../../domain/versions.ts';
import type { Context } from '../../runtime/event-handler.ts';
import type { DatasetStore } from '../../stores/dataset-store.ts';
import type { LineageStore } from '../../stores/lineage-store.ts';
import {
  type PendingUpload,
  registrationWrites,
  sumRows,
  UPLOADS_A_TRANSACTION,
  uploadFacts,
  versionFacts,
  versionWrites,
} from '../../stores/version-writes.ts';

interface Services {
  readonly lineage: LineageStore;
  readonly datasets: DatasetStore;
}

/** Whether an upload was accepted before: it waits for a version, or is in one. */
export async function wasAccepted(
  project: string,
  batch: string,
  uploadedAt: string,
  { lineage }: Services,
): Promise<boolean> {
  if (await registrationOf(project, batch, lineage)) return true;
  return (await lineage.item(itemKey.pending(project, uploadedAt, batch))) !== undefined;
}

/** Records a checked upload, and gives it a place in the queue of its project: from here on it is not lost. */
export async function accept(
  project: string,
  upload: AcceptedUpload,
  uploadedAt: string,
  { lineage, datasets }: Services,
): Promise<void> {
  await Promise.all([datasets.writeAccepted(project, upload), lineage.note(uploadFacts(project, upload))]);
  // Not written: the same event was faster, and the upload waits or is registered already.
  await lineage.write([
    { kind: 'absent', key: itemKey.registration(project, upload.batch) },
    {
      kind: 'claim',
      key: itemKey.pending(project, uploadedAt, upload.batch),
      fields: { batch: upload.batch, ...(upload.files.length <= FILES_INLINE && { upload }) },
    },
  ]);
}

/**
 * Has a version take an accepted upload up, with all others that wait for one, or waits for someone who does.
 * @returns the version that holds it (or, where a newer upload has replaced it, the one that was newest then)
 * @throws ConcurrentChange when others were faster for a minute
 */
export async function register(
  project: ProjectSettings,
  upload: AcceptedUpload,
  uploadedAt: string,
  context: Context<Services>,
): Promise<{ readonly version: number; readonly byUs: boolean }> {
  const { lineage } = context.services;
  const deadline = performance.now() + PATIENCE_MS;
  let byUs = false;
  for (let attempt = 0; ; attempt++) {
    const registration = await registrationOf(project.name, upload.batch, lineage);
    if (registration) {
      await drawEdges(project, upload, registration, context.services);
      return { version: registration.version, byUs };
    }
    try {
      byUs = await takeUp(project, { key: itemKey.pending(project.name, uploadedAt, upload.batch), upload }, context);
    } catch (error) {
      if (!(error instanceof ConcurrentChange) || performance.now() > deadline) throw error;
      const longest = Math.min(LONGEST_PAUSE_MS, SHORTEST_PAUSE_MS * 2 ** attempt);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * longest));
    }
  }
}

/** An upload of so few files waits with them at hand: whoever takes up fifty uploads need not read fifty objects. */
const FILES_INLINE = 3;

/** Longer than a thousand functions need that come at the same moment; far from the end of a function's time. */
const PATIENCE_MS = 60_000;
const SHORTEST_PAUSE_MS = 25;
const LONGEST_PAUSE_MS = 2_000;

/**
 * Takes up an upload and those that have waited longest, as many as one transaction holds.
 * @returns whether that made a version
 */
async function takeUp(project: ProjectSettings, own: PendingUpload, context: Context<Services>): Promise<boolean> {
  const { lineage, datasets } = context.services;
  const state = await lineage.state(project.name);
  const others = await oldestPending(project.name, context.services);
  const taken = [
    ...others.filter((each) => each.key.sk !== own.key.sk).slice(0, UPLOADS_A_TRANSACTION - 1),
    own,
  ].toSorted((a, b) => (a.key.sk < b.key.sk ? -1 : 1));
  const present = state.manifestId ? (await datasets.readManifest(project.name, state.manifestId)).objects : [];
  const batches = taken.map(({ upload }) => upload.files.map((file) => file.object));
  const plan = planVersion(project, present, batches);
  const at = context.now().toISOString();
  if (!plan.change) {
    await end(project, state, taken, at, present, lineage);
    return false;
  }
  await datasets.writeManifest(project.name, plan.manifestId, plan.manifest);
  const version = (state.datasetVersion ?? 0) + 1;
  const outcome = await lineage.write(versionWrites(project, state, version, plan, taken, at));
  if (!outcome.written) throw new ConcurrentChange(`the state of ${project.name}`);
  context.metrics.record(project.name, metrics.datasetRows, sumRows(plan.added));
  return true;
}

/** The same contents again, or older ones than those that are there: no version, and no upload that waits. */
async function end(
  project: ProjectSettings,
  state: StateRecord,
  taken: readonly PendingUpload[],
  at: string,
  objects: Parameters<typeof registrationWrites>[2]['objects'],
  lineage: LineageStore,
): Promise<void> {
  const { datasetVersion: version } = state;
  if (version === undefined) throw new Error(`uploads of ${project.name} hold nothing, and there is no version yet`);
  const outcome = await lineage.write([
    { kind: 'state', project: project.name, read: state, set: {} },
    ...registrationWrites(project, taken, { version, objects, at }),
  ]);
  if (!outcome.written) throw new ConcurrentChange(`the state of ${project.name}`);
}

async function oldestPending(project: string, { lineage, datasets }: Services): Promise<PendingUpload[]> {
  const { pk } = itemKey.pending(project, '', '');
  // '~' sorts after every digit: the end of the partition.
  const items = await lineage.range(pk, '0', '~', UPLOADS_A_TRANSACTION);
  return Promise.all(
    items.map(async (item) => ({
      key: { pk, sk: String(item.sk) },
      upload: item.upload
        ? acceptedUpload.parse(item.upload)
        : await datasets.readAccepted(project, String(item.batch)),
    })),
  );
}

async function registrationOf(project: string, batch: string, lineage: LineageStore) {
  const item = await lineage.item(itemKey.registration(project, batch));
  return item && registrationRecord.parse(item);
}

async function drawEdges(
  project: ProjectSettings,
  { files, at }: AcceptedUpload,
  { version, whole }: { readonly version: number; readonly whole: boolean },
  { lineage, datasets }: Services,
): Promise<void> {
  if (whole) return lineage.note(versionFacts(project.name, version, files, at));
  const { manifestId } = await lineage.require('dataset-version', project.name, version);
  const { objects } = await datasets.readManifest(project.name, manifestId);
  const held = new Set(objects.map((object) => object.sha256));
  const inVersion = files.filter((file) => held.has(file.object.sha256));
  await lineage.note(versionFacts(project.name, version, inVersion, at));
}
