/** Uploads that cost more than they weigh, and keys of any kind: rejected with a report or registered, never dead. */
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodeId } from '../../lambdas/contract/keys.ts';
import { uploadLimits } from '../../lambdas/contract/limits.ts';
import { rejectionReport } from '../../lambdas/domain/dataset/report.ts';
import { registerDatasetVersion } from '../../lambdas/handlers/register-dataset-version.ts';
import { datasetStore } from '../../lambdas/stores/dataset-store.ts';
import { eventPublisher } from '../../lambdas/stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { dataPage, dictionaryPage, forge, levels, plainTexts, run } from '../domain/dataset/parquet-forge.ts';
import { handlerContext } from '../support/context.ts';
import { environmentSettings, projectSettings } from '../support/project.ts';
import { createBus, createKey, createLineageTable, createVersionedBucket, type TestBus } from '../support/services.ts';

const s3 = new S3Client({});
const good = (id: string) => `id,delay,carrier,late\n${id},5,UA,true\n`;

let lineage: LineageStore;
let bus: TestBus;
let raw: string;
let data: string;
let keyArn: string;
beforeAll(async () => {
  const [table, made, key, rawBucket, datasetBucket] = await Promise.all([
    createLineageTable(),
    createBus(),
    createKey(),
    createVersionedBucket('raw'),
    createVersionedBucket('data'),
  ]);
  lineage = lineageStore(table);
  [bus, keyArn, raw, data] = [made, key, rawBucket, datasetBucket];
});

/** Uploads, handles S3's event, and returns what was published. */
async function upload(key: string, Body: string | Buffer, format: 'csv' | 'parquet' = 'csv') {
  const { VersionId = '' } = await s3.send(new PutObjectCommand({ Bucket: raw, Key: key, Body }));
  const project = projectSettings();
  const settings = environmentSettings([{ ...project, data: { ...project.data, format } }]);
  const datasets = datasetStore({ rawBucket: raw, datasetBucket: data, keyArn });
  const context = handlerContext({ lineage, datasets, events: eventPublisher(bus.name) }, { settings });
  const detail = { bucket: { name: raw }, object: { key, 'version-id': VersionId }, requester: '111122223333' };
  await registerDatasetVersion({ type: 'Object Created', detail }, context);
  return { events: await bus.drain(), local: `${key}@${VersionId}` };
}

async function reportOf(event: { detail: Record<string, unknown> } | undefined) {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: data, Key: String(event?.detail.report) }));
  return rejectionReport.parse(JSON.parse((await Body?.transformToString()) ?? ''));
}

it('a Parquet file of 2 kB that stands for gigabytes is quarantined in seconds, with a report that names the limit', async () => {
  const rows = 20_000;
  const index = Buffer.concat([levels(run(rows, 1)), Buffer.from([1]), run(rows, 0)]);
  const nulls = (name: string, type: number) => ({ name, type, pages: [dataPage(rows, 0, levels(run(rows, 0)))] });
  const bomb = forge({
    rows,
    columns: [
      nulls('delay', 5),
      nulls('carrier', 6),
      nulls('late', 0),
      {
        name: 'id',
        isZstd: true,
        pages: [dictionaryPage(1, plainTexts('x'.repeat(1 << 20)), true), dataPage(rows, 8, index, true)],
      },
    ],
  });
  expect(bomb.length).toBeLessThan(2000);
  const start = performance.now();
  const { events } = await upload('flights/bomb.parquet', bomb, 'parquet');
  expect(performance.now() - start).toBeLessThan(10_000);
  expect(events).toMatchObject([{ 'detail-type': 'DatasetRejected', detail: { upload: 'flights/bomb.parquet' } }]);
  expect(await reportOf(events[0])).toMatchObject({
    code: 'value-too-long',
    reason: expect.stringContaining(String(4 * uploadLimits.textCharacters)),
    advice: expect.stringMatching(/shorten/),
  });
});

describe('a key', () => {
  it.each([
    ['of 1,024 bytes', `flights/${'x'.repeat(1012)}.csv`],
    ['of letters with four bytes', `flights/${'😀'.repeat(250)}.csv`],
    ['with quotes, signs and dots', 'flights/../a b+c%2e\'"#?@&=.csv'],
    ['that is a word of JavaScript', 'flights/__proto__'],
  ])('%s is registered, and its lineage has it in full', async (name, key) => {
    const { events, local } = await upload(key, good(name));
    expect(events).toMatchObject([{ 'detail-type': 'DatasetVersionRegistered', detail: { uploads: [key] } }]);
    const id = nodeId.build('upload', 'flights', local);
    expect(await lineage.getNode(id)).toMatchObject({ fields: { key } });
    expect(await lineage.edgesFrom(id)).toMatchObject([{ to: 'agent/flights/111122223333' }]);
    const [object] = await lineage.edgesTo(id);
    expect(object).toMatchObject({ relation: 'wasDerivedFrom', to: id });
  });

  it('of 1,024 bytes is quarantined as well', async () => {
    const key = `flights/${'y'.repeat(1012)}.csv`;
    const { events, local } = await upload(key, 'id,delay,carrier,late\nd,soon,UA,true\n');
    expect(events).toMatchObject([{ 'detail-type': 'DatasetRejected', detail: { upload: key } }]);
    expect(await lineage.require('quarantined-upload', 'flights', local)).toMatchObject({ key });
  });
});
