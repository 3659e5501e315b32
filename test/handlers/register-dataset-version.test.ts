/** Who uploaded: by S3's own record, whatever the caller writes beside the object. */
import { beforeAll, describe, expect, it } from 'vitest';
import { ACCOUNT, csvOf, type UploadBench, uploadBench, uploadOf } from '../support/upload-bench.ts';

let bench: UploadBench;
beforeAll(async () => {
  bench = await uploadBench();
});

/** Uploads with the caller's word about itself, handles S3's event, and reads what the lineage says of the upload. */
async function uploaded(key: string, body: string, uploadedBy: string, requester?: string) {
  const { type, detail } = await bench.put(key, body, { Metadata: { 'uploaded-by': uploadedBy } });
  const event = { type, detail: { ...detail, requester } };
  await bench.handle(event);
  const local = uploadOf(event);
  return { local, node: await bench.lineage.getNode(`upload/flights/${local}`) };
}
const agentsOf = async (local: string) =>
  (await bench.lineage.edgesFrom(`upload/flights/${local}`))
    .filter((edge) => edge.relation === 'wasAttributedTo')
    .map((edge) => edge.to);

describe('an upload', () => {
  it('is attributed to the account that S3 names, not to whom its metadata names', async () => {
    const { local, node } = await uploaded('flights/forged.csv', csvOf('a'), 'gate', ACCOUNT);
    expect(await agentsOf(local)).toEqual([`agent/flights/${ACCOUNT}`]);
    expect(node?.fields).toMatchObject({ uploadedBy: ACCOUNT, claimedBy: 'gate' });
    expect(await bench.lineage.getNode('agent/flights/gate')).toBeUndefined();
  });

  it('is attributed to nobody when S3 names nobody', async () => {
    const { local } = await uploaded('flights/nobody.csv', csvOf('b'), 'ada');
    expect(await agentsOf(local)).toEqual(['agent/flights/unknown']);
  });

  it('is registered however long its claim is, with the first characters of it', async () => {
    const { node } = await uploaded('flights/long.csv', csvOf('c'), 'x'.repeat(1900), ACCOUNT);
    expect(node?.fields.claimedBy).toBe('x'.repeat(256));
  });

  it('that is quarantined has the same uploader', async () => {
    const { local } = await uploaded('flights/bad.csv', 'id,delay,carrier,late\nd,soon,UA,true\n', 'gate', ACCOUNT);
    const record = await bench.lineage.require('quarantined-upload', 'flights', local);
    expect(record).toMatchObject({ uploadedBy: ACCOUNT, claimedBy: 'gate' });
  });
});
