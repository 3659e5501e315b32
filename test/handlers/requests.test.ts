/** Requests of clients that make mistakes, or mean harm: what is answered, and what is written. */
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { beforeEach, describe, expect, it } from 'vitest';
import { predictionId } from '../../lambdas/contract/keys.ts';
import { requestLimits } from '../../lambdas/contract/limits.ts';
import { predict } from '../../lambdas/handlers/predict.ts';
import { recordGroundTruth } from '../../lambdas/handlers/record-ground-truth.ts';
import type { HttpRequest } from '../../lambdas/runtime/http-handler.ts';
import { captureStore } from '../../lambdas/stores/capture-store.ts';
import { inferenceGateway } from '../../lambdas/stores/inference-gateway.ts';
import { lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { handlerContext } from '../support/context.ts';
import { environmentSettings, projectSettings } from '../support/project.ts';
import { createLineageTable, createVersionedBucket } from '../support/services.ts';

const now = new Date('2026-11-24T12:00:00Z');
const caller = 'arn:aws:sts::000000000000:assumed-role/clients/shop';
const request = (body: unknown, type = 'application/json'): HttpRequest => ({
  project: 'flights',
  parameters: { project: 'flights' },
  caller,
  headers: { 'content-type': type },
  body: typeof body === 'string' ? body : JSON.stringify(body),
});

describe('predict', () => {
  const ask = (body: unknown, type?: string, maximumRows = 1000) => {
    const project = projectSettings();
    const settings = environmentSettings([{ ...project, serving: { ...project.serving, maximumRows } }]);
    return predict(request(body, type), handlerContext({ inference: inferenceGateway() }, { settings, now }));
  };
  const good = { delay: 1, carrier: 'UA' };

  it('takes a good request as far as the endpoint, which is not there', async () => {
    await expect(ask({ rows: [good] })).rejects.toMatchObject({ status: 503 });
  });

  it.each([
    ['a body over the limit', 'x'.repeat(requestLimits.bodyBytes + 1), 413, `${requestLimits.bodyBytes}`],
    ['more rows than the project takes', { rows: new Array(1001).fill(good) }, 413, 'serving.maximumRows'],
    [
      '200,000 unknown columns',
      Object.fromEntries(Array.from({ length: 200_000 }, (_, i) => [`c${i}`, 1])),
      400,
      `at most ${requestLimits.columns}`,
    ],
    [
      '4,000 unknown columns',
      Object.fromEntries(Array.from({ length: 4000 }, (_, i) => [`c${i}`, 1])),
      400,
      '4002 violations',
    ],
    ['a category of 3 MB', { ...good, carrier: 'x'.repeat(3_000_000) }, 400, 'at most 1024 characters'],
    ['two million numbers for rows', { rows: new Array(1000).fill(1) }, 400, 'row 0 is no object'],
    ['a million lists', '['.repeat(1_000_000) + ']'.repeat(1_000_000), 400, 'expected {column: value}'],
  ])('answers %s with %s and a short reason', async (_, body, status, reason) => {
    const answer = await ask(body).catch((error: unknown) => error);
    expect(answer).toMatchObject({ status, message: expect.stringContaining(reason) });
    expect(JSON.stringify(answer).length).toBeLessThan(50_000);
  });

  it('sends a model no more than SageMaker takes', async () => {
    // As CSV, a row is shorter than the JSON that a model gets.
    const rows = `carrier,delay\n${'UA,1\n'.repeat(300_000)}`;
    await expect(ask(rows, 'text/csv', 1_000_000)).rejects.toMatchObject({
      status: 413,
      message: expect.stringContaining(`${requestLimits.modelBytes}`),
    });
  });
});

describe('record-ground-truth', () => {
  const s3 = new S3Client({});
  let context: ReturnType<
    typeof handlerContext<{ lineage: ReturnType<typeof lineageStore>; captures: ReturnType<typeof captureStore> }>
  >;
  let bucket: string;
  beforeEach(async () => {
    bucket = await createVersionedBucket('labels');
    const lineage = lineageStore(await createLineageTable());
    await lineage.write([{ kind: 'state', project: 'flights', read: { revision: 0 }, set: { model: 3 } }]);
    context = handlerContext({ lineage, captures: captureStore(bucket) }, { now });
  });

  const label = (row: number, value: unknown = true, model = 3) => ({
    predictionId: predictionId.build({
      project: 'flights',
      model,
      minute: '20261124T1130',
      inferenceId: 'f8e0-1',
      row,
    }),
    label: value,
  });
  const objects = async () => {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }));
    return Promise.all(
      Contents.map(async ({ Key }) => {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }));
        return {
          key: Key,
          lines: ((await Body?.transformToString()) ?? '')
            .trim()
            .split('\n')
            .map((each) => JSON.parse(each)),
        };
      }),
    );
  };

  it('keeps labels with who recorded them, and the same labels again only once', async () => {
    const labels = [label(0), label(1, 'false')];
    for (const sent of [labels, labels, labels.toReversed()])
      expect(await recordGroundTruth(request({ labels: sent }), context)).toEqual({
        status: 202,
        body: { accepted: 2 },
      });
    const kept = await objects();
    expect(kept).toHaveLength(1);
    expect(kept[0]?.key).toMatch(/^ground-truth\/flights\/[0-9a-f]{64}\.jsonl$/);
    expect(kept[0]?.lines).toEqual([
      { ...label(0), recordedBy: caller, receivedAt: now.toISOString() },
      { ...label(1, false), recordedBy: caller, receivedAt: now.toISOString() },
    ]);
    await recordGroundTruth(request({ labels: [label(0, false)] }), context);
    expect(await objects()).toHaveLength(2);
  });

  it.each([
    ["'banana' of a binary project", [label(0), label(1, 'banana')], 'expected true or false'],
    ['a model that is not there', [label(0, true, 4)], 'there is no 4'],
    ['10,001 labels', Array.from({ length: 10_001 }, (_, row) => label(row)), '10000'],
    ['a million numbers', new Array(1_000_000).fill(1), '10000'],
    ['none', [], 'expected'],
  ])('refuses %s and writes nothing', async (_, labels, reason) => {
    const answer = await recordGroundTruth(request({ labels }), context).catch((error: unknown) => error);
    expect(answer).toMatchObject({ status: 400, message: expect.stringContaining(reason) });
    expect(await objects()).toEqual([]);
  });
});
