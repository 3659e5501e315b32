/** Uploads that cost more than they weigh, and keys of any kind: rejected with a report or registered, never dead. */
import { beforeAll, describe, expect, it } from 'vitest';
import { nodeId } from '../../lambdas/contract/keys.ts';
import { uploadLimits } from '../../lambdas/contract/limits.ts';
import type { DatasetStore } from '../../lambdas/stores/dataset-store.ts';
import { dataPage, dictionaryPage, forge, levels, plainTexts, run } from '../domain/dataset/parquet-forge.ts';
import { csvOf, type UploadBench, uploadBench, uploadOf } from '../support/upload-bench.ts';

let bench: UploadBench;
beforeAll(async () => {
  bench = await uploadBench();
});

/** Uploads, handles S3's event, and returns what was published. */
async function upload(key: string, body: string | Buffer, format: 'csv' | 'parquet' = 'csv') {
  const event = await bench.put(key, body);
  await bench.handle(event, { data: { format } });
  return { events: await bench.bus.drain(), local: uploadOf(event) };
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
  expect(await bench.reportOf(events[0])).toMatchObject({
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
  ])('%s is registered, and its lineage has it in full', async (_, key) => {
    const { events, local } = await upload(key, csvOf(`row-${key.length}`));
    expect(events).toMatchObject([{ 'detail-type': 'DatasetVersionRegistered', detail: { uploads: [key] } }]);
    const id = nodeId.build('upload', 'flights', local);
    expect(await bench.lineage.getNode(id)).toMatchObject({ fields: { key } });
    expect(await bench.lineage.edgesFrom(id)).toMatchObject([{ to: 'agent/flights/111122223333' }]);
    const [object] = await bench.lineage.edgesTo(id);
    expect(object).toMatchObject({ relation: 'wasDerivedFrom', to: id });
  });

  it('of 1,024 bytes is quarantined as well', async () => {
    const key = `flights/${'y'.repeat(1012)}.csv`;
    const { events, local } = await upload(key, 'id,delay,carrier,late\nd,soon,UA,true\n');
    expect(events).toMatchObject([{ 'detail-type': 'DatasetRejected', detail: { upload: key } }]);
    expect(await bench.lineage.require('quarantined-upload', 'flights', local)).toMatchObject({ key });
  });
});

describe('a folder that Spark wrote, closed by its marker', () => {
  const rows = (part: number) => csvOf(`s${part}`);
  const header = 'id,delay,carrier,late\n';
  let reads: string[];

  /** Handles the marker's event; the n-th read of a file dies, as a function does whose time is over. */
  async function closed(folder: string, diesAt = Number.POSITIVE_INFINITY, listed?: readonly string[]) {
    reads = [];
    const real = bench.datasets;
    const datasets: DatasetStore = {
      ...real,
      listUploads: async (prefix) => (listed ? [...listed] : real.listUploads(prefix)),
      read: (each, range) => {
        reads.push(each.key);
        return reads.length < diesAt ? real.read(each, range) : Promise.reject(new Error('the time is over'));
      },
    };
    await bench.handle(bench.created(`${folder}_SUCCESS`), { datasets, data: { commit: 'marker' } });
    return bench.bus.drain();
  }
  async function put(folder: string, files: Readonly<Record<string, string>>) {
    for (const [name, body] of Object.entries(files)) await bench.put(`${folder}${name}`, body);
  }

  it('is one version of its parts: what else Spark leaves there, and parts without rows, are no fault', async () => {
    const folder = 'flights/spark/';
    await put(folder, {
      'part-0.csv': rows(0),
      'part-1.csv': '',
      'part-2.csv': header,
      'part-3.csv': rows(3),
      '.part-0.csv.crc': 'crc',
      _committed_17: '{}',
      _started_17: '',
      'year=2013_$folder$': '',
      '.DS_Store': 'x',
      '_temporary/0/part-9.csv': 'half a',
      _SUCCESS: '',
    });
    const events = await closed(folder);
    expect(events).toMatchObject([
      {
        'detail-type': 'DatasetVersionRegistered',
        detail: { newRows: 2, uploads: [`${folder}part-0.csv`, `${folder}part-3.csv`] },
      },
    ]);
  });

  it('goes on where a killed attempt stopped', async () => {
    const folder = 'flights/killed/';
    await put(folder, {
      ...Object.fromEntries([10, 11, 12, 13].map((part) => [`part-${part}.csv`, rows(part)])),
      _SUCCESS: '',
    });
    await expect(closed(folder, 4)).rejects.toThrow('the time is over');
    expect(reads).toHaveLength(4);
    const events = await closed(folder);
    expect(reads).toEqual([`${folder}part-13.csv`]);
    expect(events).toMatchObject([{ 'detail-type': 'DatasetVersionRegistered', detail: { newRows: 4 } }]);
  });

  it('of many parts is one version', async () => {
    const folder = 'flights/many/';
    await put(folder, {
      ...Object.fromEntries(Array.from({ length: 60 }, (_, part) => [`part-${100 + part}.csv`, rows(100 + part)])),
      _SUCCESS: '',
    });
    expect(await closed(folder)).toMatchObject([
      { 'detail-type': 'DatasetVersionRegistered', detail: { newRows: 60 } },
    ]);
  });

  it('of more files than can be checked is rejected unread', async () => {
    const folder = 'flights/endless/';
    await put(folder, { _SUCCESS: '' });
    const many = Array.from({ length: uploadLimits.files + 1 }, (_, part) => `${folder}part-${part}.csv`);
    const events = await closed(folder, 0, many);
    expect(reads).toEqual([]);
    expect(events).toMatchObject([{ 'detail-type': 'DatasetRejected', detail: { upload: `${folder}_SUCCESS` } }]);
    expect(await bench.reportOf(events[0])).toMatchObject({ code: 'too-many-files' });
  });

  it('is quarantined for one bad part, and for having no row at all', async () => {
    await put('flights/bad/', { 'part-0.csv': rows(200), 'part-1.csv': `${header}x,soon,UA,true\n`, _SUCCESS: '' });
    expect(await closed('flights/bad/')).toMatchObject([
      { 'detail-type': 'DatasetRejected', detail: { upload: 'flights/bad/part-1.csv' } },
    ]);
    await put('flights/none/', { 'part-0.csv': '', 'part-1.csv': header, _SUCCESS: '' });
    expect(await closed('flights/none/')).toMatchObject([
      { 'detail-type': 'DatasetRejected', detail: { reason: expect.stringMatching(/no row/) } },
    ]);
  });
});

it('a leftover is no upload where each object is one', async () => {
  expect((await upload('flights/_SUCCESS', '')).events).toEqual([]);
  expect((await upload('flights/.DS_Store', 'x')).events).toEqual([]);
});
