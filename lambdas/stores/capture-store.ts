/** The capture bucket: what endpoints captured, ground truth, drift reports. */
import { randomUUID } from 'node:crypto';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { captureKey } from '../contract/keys.ts';

export type CaptureStore = ReturnType<typeof captureStore>;

export function captureStore(bucket: string, client = new S3Client({})) {
  return {
    async readCapture(key: string): Promise<string> {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      return (await Body?.transformToString()) ?? '';
    },

    /** One JSON line a label, under the hour of its arrival. */
    async writeGroundTruth(project: string, labels: readonly { predictionId: string; label: unknown }[], now: Date) {
      const hour = now.toISOString().slice(0, 13).replaceAll(/[-T]/g, '/');
      await client.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: `${captureKey.groundTruth(project)}${hour}/${randomUUID()}.jsonl`,
          Body: labels.map((label) => `${JSON.stringify({ ...label, receivedAt: now.toISOString() })}\n`).join(''),
          ContentType: 'application/jsonlines',
        }),
      );
    },

    async writeDriftReport(project: string, measurementId: string, html: string): Promise<string> {
      const key = captureKey.driftReport(project, measurementId);
      await client.send(
        new PutObjectCommand({ Bucket: bucket, Key: key, Body: html, ContentType: 'text/html; charset=utf-8' }),
      );
      return key;
    },
  };
}
