/** The model bucket: code archives, and what evaluations wrote. */
import { GetObjectCommand, HeadObjectCommand, NotFound, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { modelKey } from '../contract/keys.ts';
import { captureLimits, recordLimits } from '../contract/limits.ts';
import { type BaselineFile, baselineFile, type EvaluationFile, evaluationFile } from '../contract/model-files.ts';

export type ModelStore = ReturnType<typeof modelStore>;

export function modelStore(bucket: string, client = new S3Client({})) {
  /** @throws when it has more bytes than the limit, before they are read: a job wrote it, with code of the project. */
  async function readJson(Key: string, maximumBytes: number): Promise<unknown> {
    const { Body, ContentLength = 0 } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
    if (ContentLength > maximumBytes) {
      await Body?.transformToWebStream().cancel();
      throw new Error(`s3://${bucket}/${Key} has ${ContentLength} bytes, expected at most ${maximumBytes}`);
    }
    return JSON.parse((await Body?.transformToString()) ?? '');
  }

  return {
    /** Stores a code archive under its hash, once. */
    async storeCode(project: string, sha256: string, archive: () => Uint8Array, keyArn: string): Promise<void> {
      const Key = modelKey.code(project, sha256);
      try {
        await client.send(new HeadObjectCommand({ Bucket: bucket, Key }));
      } catch (error) {
        if (!(error instanceof NotFound)) throw error;
        await client.send(
          new PutObjectCommand({
            Bucket: bucket,
            Key,
            Body: archive(),
            ServerSideEncryption: 'aws:kms',
            SSEKMSKeyId: keyArn,
            BucketKeyEnabled: true,
          }),
        );
      }
    },

    async readEvaluation(project: string, jobName: string): Promise<EvaluationFile> {
      return evaluationFile.parse(
        await readJson(modelKey.evaluationFile(project, jobName), recordLimits.evaluationBytes),
      );
    },

    async readBaseline(project: string, jobName: string): Promise<BaselineFile> {
      const Key = modelKey.baselineFile(project, jobName);
      const baseline = baselineFile.parse(await readJson(Key, captureLimits.baselineBytes));
      const bins = [...baseline.features, baseline.prediction].reduce((sum, { counts }) => sum + counts.length, 0);
      if (bins > captureLimits.baselineBins)
        throw new Error(`s3://${bucket}/${Key} has ${bins} bins, expected at most ${captureLimits.baselineBins}`);
      return baseline;
    },
  };
}
