/** Many uploads of one project at the same moment: none is lost, none is checked twice, and few versions are made of them. */
import { describe, expect, it } from 'vitest';
import { itemKey } from '../../lambdas/contract/keys.ts';
import { batchId } from '../../lambdas/domain/versions.ts';
import { accept } from '../../lambdas/steps/data/register-accepted.ts';
import type { DatasetStore } from '../../lambdas/stores/dataset-store.ts';
import type { LineageStore } from '../../lambdas/stores/lineage-store.ts';
import { UPLOADS_A_TRANSACTION } from '../../lambdas/stores/version-writes.ts';
import { dyingPublisher } from '../support/context.ts';
import type { TestBus } from '../support/services.ts';
import { csvOf, type UploadBench, uploadBench, uploadOf } from '../support/upload-bench.ts';

/** A bench for each test, and how often the bytes of each key were read. */
async function countingBench(commit: 'object' | 'marker' = 'object') {
  const bench = await uploadBench();
  const reads: string[] = [];
  const datasets: DatasetStore = {
    ...bench.datasets,
    read: (upload, range) => {
      reads.push(upload.key);
      return bench.datasets.read(upload, range);
    },
  };
  const handle: UploadBench['handle'] = (event, change) =>
    bench.handle(event, { datasets, data: { commit }, ...change });
  return { ...bench, datasets, reads, handle };
}

async function contents(lineage: LineageStore, datasets: DatasetStore) {
  const { manifestId, ...state } = await lineage.state('flights');
  const { objects } = await datasets.readManifest('flights', manifestId ?? '');
  return { state, keys: objects.map((object) => object.upload).sort() };
}

async function announced(bus: TestBus): Promise<number[]> {
  return (await bus.drain())
    .filter((event) => event['detail-type'] === 'DatasetVersionRegistered')
    .map((event) => Number(event.detail.version));
}

const UPLOADS = 120;

describe(`${UPLOADS} uploads at once`, () => {
  it('are all registered, each checked once, in few versions that are all announced', async () => {
    const { lineage, bus, datasets, reads, put, handle } = await countingBench();
    const keys = Array.from({ length: UPLOADS }, (_, n) => `flights/at-once/${String(n).padStart(3, '0')}.csv`);
    const uploads = await Promise.all(keys.map((key) => put(key, csvOf(key))));

    await Promise.all(uploads.map((event) => handle(event)));

    const { state, keys: registered } = await contents(lineage, datasets);
    expect(registered).toEqual(keys);
    expect(state).toMatchObject({ rows: UPLOADS, rowsRegistered: UPLOADS });
    expect(reads.sort()).toEqual(keys);
    const versions = state.datasetVersion ?? 0;
    expect(versions).toBeGreaterThanOrEqual(Math.ceil(UPLOADS / UPLOADS_A_TRANSACTION));
    expect(versions).toBeLessThan(UPLOADS / 2);
    expect(new Set(await announced(bus))).toEqual(new Set(Array.from({ length: versions }, (_, n) => n + 1)));
    expect(await lineage.range('pending/flights', '0', '~')).toEqual([]);
    for (const upload of uploads) {
      const [edge] = await lineage.edgesTo(`upload/flights/${uploadOf(upload)}`);
      const holders = await lineage.edgesTo(edge?.from ?? '');
      expect(holders.map((holder) => holder.from)).toContainEqual(expect.stringMatching(/^dataset-version\/flights\//));
    }
  });

  it('of which each event comes three times are registered once', async () => {
    const { lineage, datasets, put, handle } = await countingBench();
    const keys = Array.from({ length: 20 }, (_, n) => `flights/thrice/${n}.csv`).sort();
    const uploads = await Promise.all(keys.map((key) => put(key, csvOf(key))));
    await Promise.all([...uploads, ...uploads, ...uploads].map((event) => handle(event)));
    const { state, keys: registered } = await contents(lineage, datasets);
    expect(registered).toEqual(keys);
    expect(state).toMatchObject({ rows: 20, rowsRegistered: 20 });
    expect(await lineage.range('pending/flights', '0', '~')).toEqual([]);
  });
});

describe('an upload whose function is killed', () => {
  it('before it announces the version: the event that comes again announces it, and reads no byte', async () => {
    const { bus, events, reads, put, handle } = await countingBench();
    const event = await put('flights/killed/a.csv', csvOf('a'));
    await expect(handle(event, { events: dyingPublisher(events) })).rejects.toThrow('killed');
    expect(await announced(bus)).toEqual([]);
    await handle(event);
    expect(await announced(bus)).toEqual([1]);
    expect(reads).toEqual(['flights/killed/a.csv']);
  });

  it('before it registers the upload: the next upload of the project takes it up', async () => {
    const { lineage, datasets, put, handle } = await countingBench();
    const lost = await put('flights/left/a.csv', csvOf('a'));
    const killed = { ...lineage, range: () => Promise.reject(new Error('killed')) };
    await expect(handle(lost, { lineage: killed })).rejects.toThrow('killed');
    await handle(await put('flights/left/b.csv', csvOf('b')));
    const { state, keys } = await contents(lineage, datasets);
    expect(keys).toEqual(['flights/left/a.csv', 'flights/left/b.csv']);
    expect(state.datasetVersion).toBe(1);
  });
});

it('an upload that is accepted again after a version took it up does not wait again', async () => {
  const { lineage, datasets, put, handle } = await countingBench();
  const event = await put('flights/again/a.csv', csvOf('a'));
  await handle(event);
  const upload = await datasets.findUpload('flights/again/a.csv', event.detail.object['version-id']);
  if (!upload) throw new Error('the upload is there');
  const accepted = await datasets.readAccepted('flights', batchId([upload]));
  await accept('flights', accepted, upload.uploadedAt, { lineage, datasets });
  expect(await lineage.range('pending/flights', '0', '~')).toEqual([]);
  // It would be in the way of every upload that comes after it.
  await handle(await put('flights/again/b.csv', csvOf('b')));
  expect((await contents(lineage, datasets)).keys).toEqual(['flights/again/a.csv', 'flights/again/b.csv']);
});

describe('a marker', () => {
  it('closes an upload of more files than a transaction holds, as one version', async () => {
    const { lineage, datasets, put, handle, bus } = await countingBench('marker');
    const keys = Array.from({ length: 230 }, (_, n) => `flights/parts/part-${String(n).padStart(4, '0')}.csv`);
    await Promise.all(keys.map((key) => put(key, csvOf(key))));
    await handle(await put('flights/parts/_SUCCESS', ''));
    const { state, keys: registered } = await contents(lineage, datasets);
    expect(registered).toEqual(keys);
    expect(state).toMatchObject({ datasetVersion: 1, rows: 230 });
    expect(await announced(bus)).toEqual([1]);
    const held = await lineage.edgesFrom('dataset-version/flights/1');
    expect(held.filter((edge) => edge.to.startsWith('dataset-object/'))).toHaveLength(230);
  });
});

it('contents that are there already make no version, and wait for none', async () => {
  const { lineage, bus, datasets, put, handle } = await countingBench();
  await handle(await put('flights/same/a.csv', csvOf('a')));
  await handle(await put('flights/same/a.csv', csvOf('a')));
  expect((await contents(lineage, datasets)).state.datasetVersion).toBe(1);
  expect(await announced(bus)).toEqual([1]);
  expect(await lineage.range(itemKey.pending('flights', '', '').pk, '0', '~')).toEqual([]);
});
