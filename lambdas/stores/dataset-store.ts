/** Uploads in the raw bucket; objects, manifests, channels and quarantine in the dataset bucket. */
import {
  CopyObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  NotFound,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { datasetKey, uploadKey } from '../contract/keys.ts';
import { uploadLimits } from '../contract/limits.ts';
import {
  type AcceptedFile,
  type AcceptedUpload,
  acceptedFile,
  acceptedUpload,
  type ManifestFile,
  type ManifestObject,
  manifestFile,
} from '../contract/records.ts';
import type { Profile } from '../domain/dataset/profile.ts';
import { encodeProfile } from '../domain/dataset/profile-summary.ts';
import { channelManifest } from '../domain/versions.ts';
import {
  isNamelessRefusal,
  type Unreadable,
  UnreadableObject,
  unreadableByError,
  unreadableByHead,
} from './unreadable.ts';

/** One version of one object in the raw bucket. */
export interface Upload {
  readonly key: string;
  readonly s3Version: string;
  readonly bytes: number;
  /** When S3 took it, ISO 8601. */
  readonly uploadedAt: string;
  /**
   * Who the caller says has uploaded it (object metadata `uploaded-by`): a claim that nobody has checked, cut to its
   * first characters; undefined when nobody says.
   */
  readonly claimedBy: string | undefined;
  /** Why S3 does not give its bytes out. */
  readonly unreadable?: Unreadable;
}

/** As long as a role session's ARN may be; metadata may hold 2 kB. */
const CLAIM_CHARACTERS = 256;

export interface DatasetBuckets {
  readonly rawBucket: string;
  readonly datasetBucket: string;
  readonly keyArn: string;
}

export type DatasetStore = ReturnType<typeof datasetStore>;

export function datasetStore(buckets: DatasetBuckets, client = new S3Client({})) {
  const { rawBucket, datasetBucket, keyArn } = buckets;
  const encryption = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: keyArn, BucketKeyEnabled: true } as const;

  const putJson = (Key: string, value: unknown): Promise<void> => put(Key, JSON.stringify(value));

  async function put(Key: string, json: string): Promise<void> {
    await client.send(
      new PutObjectCommand({
        Bucket: datasetBucket,
        Key,
        Body: json,
        ContentType: 'application/json',
        ...encryption,
      }),
    );
  }

  async function getJson(Key: string): Promise<unknown> {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: datasetBucket, Key }));
    return JSON.parse((await Body?.transformToString()) ?? '');
  }

  const get = (Key: string, VersionId?: string, range?: { start: number; end: number }) =>
    client.send(
      new GetObjectCommand({
        Bucket: rawBucket,
        Key,
        ...(VersionId && { VersionId }),
        ...(range && { Range: `bytes=${range.start}-${range.end - 1}` }),
      }),
    );

  /** GET has a body, which names what HEAD was refused for. */
  async function whyRefused(key: string, s3Version?: string): Promise<Unreadable | undefined> {
    try {
      await get(key, s3Version, { start: 0, end: 1 });
      return undefined;
    } catch (error) {
      return unreadableByError(error, keyArn);
    }
  }

  async function copy(upload: Upload, Key: string): Promise<void> {
    await client.send(
      new CopyObjectCommand({
        Bucket: datasetBucket,
        Key,
        CopySource: `${rawBucket}/${encodeURIComponent(upload.key)}?versionId=${encodeURIComponent(upload.s3Version)}`,
        // By no tags. By default S3 copies those of the source and asks for permissions to read and write them, and a scanner
        // of malware tags every upload.
        TaggingDirective: 'REPLACE',
        ...encryption,
      }),
    );
  }

  return {
    /** Undefined when the object is gone: an event that came after its deletion. */
    async findUpload(key: string, s3Version?: string): Promise<Upload | undefined> {
      try {
        const head = await client.send(
          new HeadObjectCommand({ Bucket: rawBucket, Key: key, ...(s3Version && { VersionId: s3Version }) }),
        );
        const unreadable = unreadableByHead(head);
        return {
          key,
          s3Version: head.VersionId ?? 'null',
          bytes: head.ContentLength ?? 0,
          uploadedAt: (head.LastModified ?? new Date(0)).toISOString(),
          claimedBy: head.Metadata?.['uploaded-by']?.slice(0, CLAIM_CHARACTERS),
          ...(unreadable && { unreadable }),
        };
      } catch (error) {
        if (error instanceof NotFound || error instanceof NoSuchKey) return undefined;
        const unreadable = isNamelessRefusal(error) ? await whyRefused(key, s3Version) : undefined;
        if (!unreadable) throw error;
        const unknown = { bytes: 0, uploadedAt: new Date(0).toISOString(), claimedBy: undefined };
        return { key, s3Version: s3Version ?? 'null', ...unknown, unreadable };
      }
    },

    /** Keys under a prefix that end a multi-file upload, in key order, without markers and what else is no data. */
    async listUploads(prefix: string): Promise<string[]> {
      const keys: string[] = [];
      let ContinuationToken: string | undefined;
      do {
        const page = await client.send(
          new ListObjectsV2Command({
            Bucket: rawBucket,
            Prefix: prefix,
            ...(ContinuationToken && { ContinuationToken }),
          }),
        );
        keys.push(...(page.Contents ?? []).flatMap(({ Key }) => (Key && !uploadKey.isLeftover(Key) ? [Key] : [])));
        ContinuationToken = page.NextContinuationToken;
      } while (ContinuationToken);
      return keys.sort();
    },

    /**
     * Bytes [start, end) of an upload; all of it without a range.
     *
     * @throws UnreadableObject
     */
    async read(upload: Upload, range?: { start: number; end: number }): Promise<AsyncIterable<Uint8Array>> {
      const version = upload.s3Version === 'null' ? undefined : upload.s3Version;
      const { Body } = await get(upload.key, version, range).catch((error: unknown) => {
        const why = unreadableByError(error, keyArn);
        throw why ? new UnreadableObject(why) : error;
      });
      if (!Body) throw new Error(`s3://${rawBucket}/${upload.key} has no body`);
      return Body.transformToWebStream();
    },

    /** Bytes under their hash, and the profile of their columns beside them. */
    async storeObject(upload: Upload, project: string, sha256: string, profile: Profile): Promise<void> {
      await Promise.all([
        copy(upload, datasetKey.object(project, sha256)),
        put(datasetKey.profile(project, sha256), encodeProfile(profile)),
      ]);
    },

    async quarantine(upload: Upload, project: string, sha256: string, report: unknown): Promise<string> {
      // What cannot be copied stays where it is, with a report.
      if (!upload.unreadable && upload.bytes <= uploadLimits.storedBytes)
        await copy(upload, datasetKey.quarantined(project, sha256));
      await putJson(datasetKey.report(project, sha256), report);
      return datasetKey.report(project, sha256);
    },

    /** A file that an earlier attempt at the same upload has checked; undefined where none has. */
    async findChecked(project: string, hash: string): Promise<AcceptedFile | undefined> {
      try {
        return acceptedFile.parse(await getJson(datasetKey.checked(project, hash)));
      } catch (error) {
        if (error instanceof NoSuchKey) return undefined;
        throw error;
      }
    },

    async writeChecked(project: string, hash: string, file: AcceptedFile): Promise<void> {
      await putJson(datasetKey.checked(project, hash), acceptedFile.parse(file));
    },

    async writeAccepted(project: string, upload: AcceptedUpload): Promise<void> {
      await putJson(datasetKey.accepted(project, upload.batch), acceptedUpload.parse(upload));
    },

    async readAccepted(project: string, batch: string): Promise<AcceptedUpload> {
      return acceptedUpload.parse(await getJson(datasetKey.accepted(project, batch)));
    },

    async writeManifest(project: string, manifestId: string, manifest: ManifestFile): Promise<void> {
      await putJson(datasetKey.manifest(project, manifestId), manifestFile.parse(manifest));
    },

    async readManifest(project: string, manifestId: string): Promise<ManifestFile> {
      return manifestFile.parse(await getJson(datasetKey.manifest(project, manifestId)));
    },

    /** The file that a SageMaker channel of type ManifestFile names. */
    async writeChannel(project: string, runId: string, objects: readonly ManifestObject[]): Promise<void> {
      await putJson(
        datasetKey.channel(project, runId),
        channelManifest(datasetBucket, datasetKey.objects(project), objects),
      );
    },
  };
}
