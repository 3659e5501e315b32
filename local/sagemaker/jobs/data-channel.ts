import type { S3Client } from '@aws-sdk/client-s3';
import * as z from 'zod';
import { parseS3Uri } from '../core/s3-uri.ts';
import { listKeys, type RemoteFile, readText } from './s3-files.ts';

/** Where a channel's data is, as CreateTrainingJob and CreateProcessingJob say it. */
export interface DataSource {
  readonly uri: string;
  readonly type: 'S3Prefix' | 'ManifestFile';
  readonly distribution: 'FullyReplicated' | 'ShardedByS3Key';
}

/** `[{"prefix": "s3://bucket/folder/"}, "a.csv", "b.csv"]`; without the first element each entry is a whole URI. */
const manifest = z.array(z.union([z.object({ prefix: z.string() }), z.string()]));

/**
 * The files of a channel, for each of the hosts.
 * @returns one list per host; lists of a sharded channel are disjoint and differ in length by at most one
 * @throws Error in words that follow `Data download failed:`
 */
export async function channelFiles(s3: S3Client, source: DataSource, hosts: number): Promise<RemoteFile[][]> {
  const files =
    source.type === 'S3Prefix' ? await filesOfPrefix(s3, source.uri) : await filesOfManifest(s3, source.uri);
  if (files.length === 0) {
    throw new Error(
      `No S3 objects found under S3 URL "${source.uri}" given in input data source. Please ensure that the bucket exists in the selected region, that objects exist under that S3 prefix, and that the role has s3:ListBucket permission on it.`,
    );
  }
  return Array.from({ length: hosts }, (_, host) =>
    source.distribution === 'FullyReplicated' ? files : files.filter((_file, index) => index % hosts === host),
  );
}

async function filesOfPrefix(s3: S3Client, uri: string): Promise<RemoteFile[]> {
  const location = parseS3Uri(uri);
  const keys = await listKeys(s3, location);
  return keys.map((key) => ({ bucket: location.bucket, key, path: pathUnder(location.key, key) }));
}

async function filesOfManifest(s3: S3Client, uri: string): Promise<RemoteFile[]> {
  const parsed = manifest.safeParse(parseJson(await readText(s3, parseS3Uri(uri))));
  if (!parsed.success) throw new Error(`The manifest ${uri} is not a list of a prefix and names`);
  let prefix = '';
  const files: RemoteFile[] = [];
  for (const entry of parsed.data) {
    if (typeof entry !== 'string') {
      prefix = entry.prefix;
      continue;
    }
    const { bucket, key } = parseS3Uri(prefix + entry);
    files.push({ bucket, key, path: prefix === '' ? key : entry.replace(/^\/+/, '') });
  }
  return files;
}

/** Path of a key inside the channel: below the prefix when that names a folder, else below the prefix's own folder. */
export function pathUnder(prefix: string, key: string): string {
  if (key === prefix || !(prefix === '' || prefix.endsWith('/') || key[prefix.length] === '/')) {
    return key.slice(prefix.lastIndexOf('/') + 1);
  }
  return key.slice(prefix.length).replace(/^\/+/, '');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Reported by the caller with the manifest's URI.
    return undefined;
  }
}
