/** Who uploaded: by S3's own record, whatever the caller writes beside the object. */
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { registerDatasetVersion } from '../../lambdas/handlers/register-dataset-version.ts';
import { datasetStore } from '../../lambdas/stores/dataset-store.ts';
import { eventPublisher } from '../../lambdas/stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { handlerContext } from '../support/context.ts';
import { createBus, createKey, createLineageTable, createVersionedBucket } from '../support/services.ts';

const ACCOUNT = '111122223333';
const good = (id: string) => `id,delay,carrier,late\n${id},5,UA,true\n`;

let lineage: LineageStore;
let raw: string;
let context: ReturnType<typeof handlerContext<Parameters<typeof registerDatasetVersion>[1]['services']>>;
beforeAll(async () => {
  const [table, bus, keyArn, rawBucket, datasetBucket] = await Promise.all([
    createLineageTable(),
    createBus(),
    createKey(),
    createVersionedBucket('raw'),
    createVersionedBucket('data'),
  ]);
  lineage = lineageStore(table);
  raw = rawBucket;
  const datasets = datasetStore({ rawBucket, datasetBucket, keyArn });
  context = handlerContext({ lineage, datasets, events: eventPublisher(bus.name) });
});

/** Uploads with the caller's word about itself, handles S3's event, and reads what the lineage says of the upload. */
async function uploaded(key: string, Body: string, uploadedBy: string, requester?: string) {
  const { VersionId } = await new S3Client({}).send(
    new PutObjectCommand({ Bucket: raw, Key: key, Body, Metadata: { 'uploaded-by': uploadedBy } }),
  );
  const object = { key, 'version-id': VersionId };
  const detail = { bucket: { name: raw }, object, ...(requester && { requester }) };
  await registerDatasetVersion({ type: 'Object Created', detail }, context);
  const local = `${key}@${VersionId}`;
  return { local, node: await lineage.getNode(`upload/flights/${local}`) };
}
const agentsOf = async (local: string) =>
  (await lineage.edgesFrom(`upload/flights/${local}`))
    .filter((edge) => edge.relation === 'wasAttributedTo')
    .map((edge) => edge.to);

describe('an upload', () => {
  it('is attributed to the account that S3 names, not to whom its metadata names', async () => {
    const { local, node } = await uploaded('flights/forged.csv', good('a'), 'gate', ACCOUNT);
    expect(await agentsOf(local)).toEqual([`agent/flights/${ACCOUNT}`]);
    expect(node?.fields).toMatchObject({ uploadedBy: ACCOUNT, claimedBy: 'gate' });
    expect(await lineage.getNode('agent/flights/gate')).toBeUndefined();
  });

  it('is attributed to nobody when S3 names nobody', async () => {
    const { local } = await uploaded('flights/nobody.csv', good('b'), 'ada');
    expect(await agentsOf(local)).toEqual(['agent/flights/unknown']);
  });

  it('is registered however long its claim is, with the first characters of it', async () => {
    const { node } = await uploaded('flights/long.csv', good('c'), 'x'.repeat(1900), ACCOUNT);
    expect(node?.fields.claimedBy).toBe('x'.repeat(256));
  });

  it('that is quarantined has the same uploader', async () => {
    const { local } = await uploaded('flights/bad.csv', 'id,delay,carrier,late\nd,soon,UA,true\n', 'gate', ACCOUNT);
    const record = await lineage.require('quarantined-upload', 'flights', local);
    expect(record).toMatchObject({ uploadedBy: ACCOUNT, claimedBy: 'gate' });
  });
});
