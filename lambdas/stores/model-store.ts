/** The model bucket: code archives, and what evaluations wrote. */
import {
  GetObjectCommand,
  HeadObjectCommand,
  NoSuchKey,
  NotFound,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type * as z from 'zod/mini';
import { modelKey } from '../contract/keys.ts';
import { captureLimits, recordLimits } from '../contract/limits.ts';
import { type BaselineFile, baselineFile, type EvaluationFile, evaluationFile } from '../contract/model-files.ts';
import { UnusableFile } from '../domain/errors.ts';
import { truncate } from '../domain/truncate.ts';

export type ModelStore = ReturnType<typeof modelStore>;

export function modelStore(bucket: string, client = new S3Client({})) {
  /** @throws UnusableFile also when it has more bytes than the limit, before they are read: a job wrote it, with code of the project. */
  async function readJson<Schema extends z.ZodMiniType>(
    Key: string,
    maximumBytes: number,
    schema: Schema,
  ): Promise<z.infer<Schema>> {
    const { Body, ContentLength = 0 } = await getObject(Key);
    if (ContentLength > maximumBytes) {
      await Body?.transformToWebStream().cancel();
      throw unusable(Key, ` has ${ContentLength} bytes, expected at most ${maximumBytes}`);
    }
    const parsed = schema.safeParse(parseJson(Key, (await Body?.transformToString()) ?? ''));
    if (!parsed.success) throw unusable(Key, describeIssues(parsed.error.issues));
    return parsed.data;
  }

  async function getObject(Key: string) {
    try {
      return await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
    } catch (error) {
      if (error instanceof NoSuchKey) throw unusable(Key, ' is not there');
      throw error;
    }
  }

  function parseJson(Key: string, text: string): unknown {
    try {
      return JSON.parse(text);
    } catch {
      throw unusable(Key, ' is no JSON');
    }
  }

  const unusable = (Key: string, what: string) => new UnusableFile(`s3://${bucket}/${Key}${what}`);

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
      return readJson(modelKey.evaluationFile(project, jobName), recordLimits.evaluationBytes, evaluationFile);
    },

    async readBaseline(project: string, jobName: string): Promise<BaselineFile> {
      const Key = modelKey.baselineFile(project, jobName);
      const baseline = await readJson(Key, captureLimits.baselineBytes, baselineFile);
      const { length } = baseline.features;
      if (length > captureLimits.baselineFeatures)
        throw unusable(Key, ` has ${length} features, expected at most ${captureLimits.baselineFeatures}`);
      const bins = [...baseline.features, baseline.prediction].reduce((sum, { counts }) => sum + counts.length, 0);
      if (bins > captureLimits.baselineBins)
        throw unusable(Key, ` has ${bins} bins, expected at most ${captureLimits.baselineBins}`);
      return baseline;
    },
  };
}

/** Of a file that may hold anything: the first few, each cut. */
function describeIssues(issues: readonly z.core.$ZodIssue[]): string {
  const short = (text: string) => truncate(text, 150);
  const told = issues.slice(0, 3).map(({ path, message }) => `${short(path.join('.'))}: ${short(message)}`);
  return `: ${told.join('; ')}`;
}
