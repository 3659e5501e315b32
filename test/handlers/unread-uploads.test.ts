/** Uploads that S3 does not give out, and uploads of too many files: rejected with a report, once, never dead. */
import { GetObjectCommand, HeadObjectCommand, NotFound, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { datasetKey } from '../../lambdas/contract/keys.ts';
import { uploadLimits } from '../../lambdas/contract/limits.ts';
import { rejectionReport } from '../../lambdas/domain/dataset/report.ts';
import { registerDatasetVersion } from '../../lambdas/handlers/register-dataset-version.ts';
import { checkFiles } from '../../lambdas/steps/data/check-files.ts';
import { type DatasetStore, datasetStore, type Upload } from '../../lambdas/stores/dataset-store.ts';
import { eventPublisher } from '../../lambdas/stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { handlerContext } from '../support/context.ts';
import { projectSettings } from '../support/project.ts';
import { createBus, createKey, createLineageTable, createVersionedBucket, type TestBus } from '../support/services.ts';

const s3 = new S3Client({});
const good = (id: string) => `id,delay,carrier,late\n${id},5,UA,true\n`;

let lineage: LineageStore;
let bus: TestBus;
let raw: string;
let data: string;
let datasets: DatasetStore;
beforeAll(async () => {
  const [table, made, keyArn, rawBucket, datasetBucket] = await Promise.all([
    createLineageTable(),
    createBus(),
    createKey(),
    createVersionedBucket('raw'),
    createVersionedBucket('data'),
  ]);
  lineage = lineageStore(table);
  [bus, raw, data] = [made, rawBucket, datasetBucket];
  datasets = datasetStore({ rawBucket, datasetBucket, keyArn });
});

async function handled(key: string, store = datasets) {
  const context = handlerContext({ lineage, datasets: store, events: eventPublisher(bus.name) });
  const detail = { bucket: { name: raw }, object: { key }, requester: '111122223333' };
  await registerDatasetVersion({ type: 'Object Created', detail }, context);
  const [event, ...more] = await bus.drain();
  expect(more).toEqual([]);
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: data, Key: String(event?.detail.report) }));
  const report = rejectionReport.parse(JSON.parse((await Body?.transformToString()) ?? ''));
  return { event, report };
}

describe('an upload in an archive class', () => {
  it.each([
    ['by what HEAD says', (store: DatasetStore) => store],
    [
      'by what GET says',
      (store: DatasetStore): DatasetStore => ({
        ...store,
        findUpload: async (key, version) => {
          const found = await store.findUpload(key, version);
          if (!found) return undefined;
          const { unreadable: _, ...upload } = found;
          return upload;
        },
      }),
    ],
  ])('is rejected with a report and not copied, %s', async (how, change) => {
    const key = `flights/cold ${how}.csv`;
    await s3.send(new PutObjectCommand({ Bucket: raw, Key: key, Body: good('cold'), StorageClass: 'GLACIER' }));
    const { event, report } = await handled(key, change(datasets));
    expect(event).toMatchObject({ 'detail-type': 'DatasetRejected', detail: { upload: key } });
    expect(report).toMatchObject({ code: 'archived', advice: expect.stringContaining('STANDARD') });
    const sha256 = /unread-\w+/.exec(String(event?.detail.report))?.[0] ?? '';
    expect(sha256).not.toBe('');
    const quarantined = new HeadObjectCommand({ Bucket: data, Key: datasetKey.quarantined('flights', sha256) });
    await expect(s3.send(quarantined)).rejects.toThrow(NotFound);
  });
});

describe('a version of as many files as it may have', () => {
  it('takes no more, and a new one of those that it has', async () => {
    const project = 'flights';
    const object = (upload: string) => ({
      sha256: 'a'.repeat(64),
      bytes: 1,
      rows: 1,
      upload,
      uploadVersion: '1',
      uploadedAt: '2026-01-01T00:00:00.000Z',
    });
    const at = '2026-01-01T00:00:00.000Z';
    const manifest = { schemaVersion: 1 as const, project, objects: [object('flights/there.csv')] };
    await datasets.writeManifest(project, 'full', manifest);
    const [manifestId, objects] = ['full', uploadLimits.objects];
    const record = { version: 1, manifestId, objects, rows: 1, newRows: 1, uploads: [], at };
    const read = await lineage.state(project);
    await lineage.write([
      { kind: 'create', type: 'dataset-version', project, local: 1, order: 1, record },
      { kind: 'state', project, read, set: { datasetVersion: 1, manifestId, rows: 1, rowsRegistered: 1 } },
    ]);
    for (const name of ['more', 'there'])
      await s3.send(new PutObjectCommand({ Bucket: raw, Key: `flights/${name}.csv`, Body: good(name) }));
    const { report } = await handled('flights/more.csv');
    expect(report).toMatchObject({ code: 'too-many-objects', reason: expect.stringContaining('100001 files') });
    const context = handlerContext({ lineage, datasets, events: eventPublisher(bus.name) });
    const detail = { bucket: { name: raw }, object: { key: 'flights/there.csv' }, requester: '111122223333' };
    await registerDatasetVersion({ type: 'Object Created', detail }, context);
    expect(await bus.drain()).toMatchObject([{ 'detail-type': 'DatasetVersionRegistered' }]);
  });
});

describe('the files of a marker', () => {
  const project = projectSettings();
  const uploads = (count: number, folder: string): Upload[] =>
    Array.from({ length: count }, (_, part) => ({
      key: `flights/${folder}/part-${part}.csv`,
      s3Version: '1',
      bytes: 1,
      uploadedAt: '2026-01-01T00:00:00.000Z',
      claimedBy: undefined,
    }));
  const accepted = async ({ key, s3Version, bytes, uploadedAt }: Upload) => ({
    uploadedBy: '111122223333',
    object: { sha256: 'b'.repeat(64), bytes, rows: 1, upload: key, uploadVersion: s3Version, uploadedAt },
  });

  it('have one time together, of which each gets what is left, and what was checked stays checked', async () => {
    const files = uploads(5, 'late');
    let now = 0;
    const left: number[] = [];
    const check = (upload: Upload, seconds: number) => {
      left.push(seconds);
      now += (uploadLimits.markerSeconds / 2) * 1000;
      return accepted(upload);
    };
    const late = await checkFiles(project, files, datasets, check, () => now);
    expect(late).toEqual({ outcome: 'late', checked: 2 });
    expect(left).toEqual([uploadLimits.markerSeconds, uploadLimits.markerSeconds / 2]);
    expect(await checkFiles(project, files, datasets, check, () => now)).toEqual({ outcome: 'late', checked: 4 });
    expect(await checkFiles(project, files, datasets, check, () => now)).toMatchObject({ outcome: 'accepted' });
    expect(left).toHaveLength(5);
  });

  it('are found fifty at a time where they were checked before', async () => {
    const files = uploads(120, 'known');
    await checkFiles(project, files, datasets, accepted, () => 0);
    let [under, most] = [0, 0];
    const counted: DatasetStore = {
      ...datasets,
      findChecked: async (name, hash) => {
        under += 1;
        most = Math.max(most, under);
        const found = await datasets.findChecked(name, hash);
        under -= 1;
        return found;
      },
    };
    const never = () => Promise.reject(new Error('checked twice'));
    const again = await checkFiles(project, files, counted, never, () => 0);
    expect(again).toMatchObject({ outcome: 'accepted', files: { length: 120 } });
    expect(most).toBe(50);
  });
});
