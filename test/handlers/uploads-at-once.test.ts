/** Many uploads of one project at the same moment: none is lost, none is checked twice, and few versions are made of them. */
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { itemKey } from '../../lambdas/contract/keys.ts';
import { batchId } from '../../lambdas/domain/versions.ts';
import { registerDatasetVersion } from '../../lambdas/handlers/register-dataset-version.ts';
import { accept } from '../../lambdas/steps/data/register-accepted.ts';
import { type DatasetStore, datasetStore } from '../../lambdas/stores/dataset-store.ts';
import { type EventPublisher, eventPublisher } from '../../lambdas/stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { UPLOADS_A_TRANSACTION } from '../../lambdas/stores/version-writes.ts';
import { dyingPublisher, handlerContext } from '../support/context.ts';
import { environmentSettings, projectSettings } from '../support/project.ts';
import { createBus, createKey, createLineageTable, createVersionedBucket, type TestBus } from '../support/services.ts';

const csv = (id: string) => `id,delay,carrier,late\n${id},5,UA,true\n`;
type Handled = Parameters<typeof registerDatasetVersion>[0];

let raw: string;
let datasetBucket: string;
let keyArn: string;
beforeAll(async () => {
  [raw, datasetBucket, keyArn] = await Promise.all([
    createVersionedBucket('raw'),
    createVersionedBucket('data'),
    createKey(),
  ]);
});

/** A table and a bus of its own, and how often the bytes of each key were read. */
async function bench(commit: 'object' | 'marker' = 'object') {
  const [table, bus] = await Promise.all([createLineageTable(), createBus()]);
  const reads: string[] = [];
  const store = datasetStore({ rawBucket: raw, datasetBucket, keyArn });
  const datasets: DatasetStore = {
    ...store,
    read: (upload, range) => {
      reads.push(upload.key);
      return store.read(upload, range);
    },
  };
  const base = projectSettings();
  const settings = environmentSettings([{ ...base, data: { ...base.data, commit } }]);
  const lineage = lineageStore(table);
  const events = eventPublisher(bus.name);
  const handle = (event: Handled, publisher: EventPublisher = events) =>
    registerDatasetVersion(event, handlerContext({ lineage, datasets, events: publisher }, { settings }));
  return { lineage, bus, events, datasets, reads, handle };
}

async function put(key: string, Body: string): Promise<Handled> {
  const { VersionId } = await new S3Client({}).send(new PutObjectCommand({ Bucket: raw, Key: key, Body }));
  const object = { key, 'version-id': VersionId };
  return { type: 'Object Created', detail: { bucket: { name: raw }, object, requester: '000000000000' } };
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
    const { lineage, bus, datasets, reads, handle } = await bench();
    const keys = Array.from({ length: UPLOADS }, (_, n) => `flights/at-once/${String(n).padStart(3, '0')}.csv`);
    const uploads = await Promise.all(keys.map((key) => put(key, csv(key))));

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
      const [edge] = await lineage.edgesTo(
        `upload/flights/${upload.detail.object.key}@${upload.detail.object['version-id']}`,
      );
      const holders = await lineage.edgesTo(edge?.from ?? '');
      expect(holders.map((holder) => holder.from)).toContainEqual(expect.stringMatching(/^dataset-version\/flights\//));
    }
  });

  it('of which each event comes three times are registered once', async () => {
    const { lineage, datasets, handle } = await bench();
    const keys = Array.from({ length: 20 }, (_, n) => `flights/thrice/${n}.csv`).sort();
    const uploads = await Promise.all(keys.map((key) => put(key, csv(key))));
    await Promise.all([...uploads, ...uploads, ...uploads].map((event) => handle(event)));
    const { state, keys: registered } = await contents(lineage, datasets);
    expect(registered).toEqual(keys);
    expect(state).toMatchObject({ rows: 20, rowsRegistered: 20 });
    expect(await lineage.range('pending/flights', '0', '~')).toEqual([]);
  });
});

describe('an upload whose function is killed', () => {
  it('before it announces the version: the event that comes again announces it, and reads no byte', async () => {
    const { bus, events, reads, handle } = await bench();
    const event = await put('flights/killed/a.csv', csv('a'));
    await expect(handle(event, dyingPublisher(events))).rejects.toThrow('killed');
    expect(await announced(bus)).toEqual([]);
    await handle(event);
    expect(await announced(bus)).toEqual([1]);
    expect(reads).toEqual(['flights/killed/a.csv']);
  });

  it('before it registers the upload: the next upload of the project takes it up', async () => {
    const { lineage, datasets, handle, events } = await bench();
    const lost = await put('flights/left/a.csv', csv('a'));
    const killed = { ...lineage, range: () => Promise.reject(new Error('killed')) };
    const context = handlerContext({ lineage: killed, datasets, events });
    await expect(registerDatasetVersion(lost, context)).rejects.toThrow('killed');
    await handle(await put('flights/left/b.csv', csv('b')));
    const { state, keys } = await contents(lineage, datasets);
    expect(keys).toEqual(['flights/left/a.csv', 'flights/left/b.csv']);
    expect(state.datasetVersion).toBe(1);
  });
});

it('an upload that is accepted again after a version took it up does not wait again', async () => {
  const { lineage, datasets, handle } = await bench();
  const event = await put('flights/again/a.csv', csv('a'));
  await handle(event);
  const upload = await datasets.findUpload('flights/again/a.csv', event.detail.object['version-id']);
  if (!upload) throw new Error('the upload is there');
  const accepted = await datasets.readAccepted('flights', batchId([upload]));
  await accept('flights', accepted, upload.uploadedAt, { lineage, datasets });
  expect(await lineage.range('pending/flights', '0', '~')).toEqual([]);
  // It would be in the way of every upload that comes after it.
  await handle(await put('flights/again/b.csv', csv('b')));
  expect((await contents(lineage, datasets)).keys).toEqual(['flights/again/a.csv', 'flights/again/b.csv']);
});

describe('a marker', () => {
  it('closes an upload of more files than a transaction holds, as one version', async () => {
    const { lineage, datasets, handle, bus } = await bench('marker');
    const keys = Array.from({ length: 230 }, (_, n) => `flights/parts/part-${String(n).padStart(4, '0')}.csv`);
    await Promise.all(keys.map((key) => put(key, csv(key))));
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
  const { lineage, bus, datasets, handle } = await bench();
  await handle(await put('flights/same/a.csv', csv('a')));
  await handle(await put('flights/same/a.csv', csv('a')));
  expect((await contents(lineage, datasets)).state.datasetVersion).toBe(1);
  expect(await announced(bus)).toEqual([1]);
  expect(await lineage.range(itemKey.pending('flights', '', '').pk, '0', '~')).toEqual([]);
});
