/** The capture bucket: what endpoints captured, ground truth, drift reports. */
import { createHash } from 'node:crypto';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { captureKey } from '../contract/keys.ts';

export type CaptureStore = ReturnType<typeof captureStore>;

/** Writers of one key at once that S3 turns away, before we give up. */
const ATTEMPTS = 3;

export function captureStore(bucket: string, client = new S3Client({})) {
  /**
   * Writes an object that is not there yet (PutObject, S3 API reference, If-None-Match): 412 says that it is there, 409 that
   * another writer is at it, so that it has to be asked again.
   */
  async function putOnce(Key: string, Body: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        const content = { Body, ContentType: 'application/jsonlines', IfNoneMatch: '*' };
        await client.send(new PutObjectCommand({ Bucket: bucket, Key, ...content }));
        return;
      } catch (error) {
        const name = error instanceof Error ? error.name : '';
        if (name === 'PreconditionFailed') return;
        if (name !== 'ConditionalRequestConflict' || attempt === ATTEMPTS) throw error;
      }
    }
  }

  return {
    /** The bytes of a captured file as they come: hundreds of megabytes do not fit into a function. */
    async captured(key: string): Promise<AsyncIterable<Uint8Array>> {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      if (!Body) throw new Error(`s3://${bucket}/${key} has no body`);
      return Body.transformToWebStream();
    },

    /**
     * One JSON line a label. The key is made of what is said, not of when: the same labels again are the same object, and
     * the first one stays.
     */
    async writeGroundTruth(
      project: string,
      labels: readonly { predictionId: string; label: string | number | boolean }[],
      source: { readonly recordedBy: string; readonly receivedAt: string },
    ): Promise<void> {
      const said = labels.map(({ predictionId, label }) => JSON.stringify({ predictionId, label })).sort();
      const hash = createHash('sha256').update(said.join('\n')).digest('hex');
      await putOnce(
        captureKey.groundTruthFile(project, hash),
        labels.map((label) => `${JSON.stringify({ ...label, ...source })}\n`).join(''),
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
