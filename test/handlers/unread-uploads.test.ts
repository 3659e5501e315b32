/** Uploads that S3 does not give out, and uploads of too many files: rejected with a report, once, never dead. */
import { HeadObjectCommand, NotFound, S3Client } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { datasetKey } from '../../lambdas/contract/keys.ts';
import { uploadLimits } from '../../lambdas/contract/limits.ts';
import { checkFiles } from '../../lambdas/steps/data/check-files.ts';
import type { DatasetStore, Upload } from '../../lambdas/stores/dataset-store.ts';
import { projectSettings } from '../support/project.ts';
import { csvOf, type UploadBench, uploadBench } from '../support/upload-bench.ts';

let bench: UploadBench;
beforeAll(async () => {
  bench = await uploadBench();
});

async function handled(key: string, datasets = bench.datasets) {
  await bench.handle(bench.created(key), { datasets });
  const [event, ...more] = await bench.bus.drain();
  expect(more).toEqual([]);
  return { event, report: await bench.reportOf(event) };
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
    await bench.put(key, csvOf('cold'), { StorageClass: 'GLACIER' });
    const { event, report } = await handled(key, change(bench.datasets));
    expect(event).toMatchObject({ 'detail-type': 'DatasetRejected', detail: { upload: key } });
    expect(report).toMatchObject({ code: 'archived', advice: expect.stringContaining('STANDARD') });
    const sha256 = /unread-\w+/.exec(String(event?.detail.report))?.[0] ?? '';
    expect(sha256).not.toBe('');
    const Key = datasetKey.quarantined('flights', sha256);
    const quarantined = new HeadObjectCommand({ Bucket: bench.datasetBucket, Key });
    await expect(new S3Client({}).send(quarantined)).rejects.toThrow(NotFound);
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
    await bench.datasets.writeManifest(project, 'full', manifest);
    const [manifestId, objects] = ['full', uploadLimits.objects];
    const record = { version: 1, manifestId, objects, rows: 1, newRows: 1, uploads: [], at };
    const read = await bench.lineage.state(project);
    await bench.lineage.write([
      { kind: 'create', type: 'dataset-version', project, local: 1, order: 1, record },
      { kind: 'state', project, read, set: { datasetVersion: 1, manifestId, rows: 1, rowsRegistered: 1 } },
    ]);
    for (const name of ['more', 'there']) await bench.put(`flights/${name}.csv`, csvOf(name));
    const { report } = await handled('flights/more.csv');
    expect(report).toMatchObject({ code: 'too-many-objects', reason: expect.stringContaining('100001 files') });
    await bench.handle(bench.created('flights/there.csv'));
    expect(await bench.bus.drain()).toMatchObject([{ 'detail-type': 'DatasetVersionRegistered' }]);
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
    const late = await checkFiles(project, files, bench.datasets, check, () => now);
    expect(late).toEqual({ outcome: 'late', checked: 2 });
    expect(left).toEqual([uploadLimits.markerSeconds, uploadLimits.markerSeconds / 2]);
    expect(await checkFiles(project, files, bench.datasets, check, () => now)).toEqual({ outcome: 'late', checked: 4 });
    expect(await checkFiles(project, files, bench.datasets, check, () => now)).toMatchObject({ outcome: 'accepted' });
    expect(left).toHaveLength(5);
  });

  it('are found fifty at a time where they were checked before', async () => {
    const files = uploads(120, 'known');
    await checkFiles(project, files, bench.datasets, accepted, () => 0);
    let [under, most] = [0, 0];
    const counted: DatasetStore = {
      ...bench.datasets,
      findChecked: async (name, hash) => {
        under += 1;
        most = Math.max(most, under);
        const found = await bench.datasets.findChecked(name, hash);
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
