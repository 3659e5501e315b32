/** The model bucket: code archives, and what evaluations wrote. */
import { GetObjectCommand, HeadObjectCommand, NotFound, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { modelKey } from '../contract/keys.ts';
import { type BaselineFile, baselineFile, type EvaluationFile, evaluationFile } from '../contract/model-files.ts';

export type ModelStore = ReturnType<typeof modelStore>;

export function modelStore(bucket: string, client = new S3Client({})) {
  async function readJson(Key: string): Promise<unknown> {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
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
      return evaluationFile.parse(await readJson(modelKey.evaluationFile(project, jobName)));
    },

    async readBaseline(project: string, jobName: string): Promise<BaselineFile> {
      return baselineFile.parse(await readJson(modelKey.baselineFile(project, jobName)));
    },
  };
}
