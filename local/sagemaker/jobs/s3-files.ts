import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { DeleteObjectCommand, GetObjectCommand, paginateListObjectsV2, type S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { pack } from 'tar-stream';
import { parseS3Uri, type S3Location } from '../core/s3-uri.ts';

/** An object, and where it goes in a container's folder. */
export interface RemoteFile extends S3Location {
  /** Relative to the folder, with `/`. */
  readonly path: string;
}

/** How objects of a job are written. */
export interface UploadSettings {
  /** Key that encrypts them; without one the bucket's own default holds. */
  readonly kmsKeyId?: string | undefined;
}

const transfersAtOnce = 8;

/** `uri` with `name` below it, whether or not it ends with a slash. */
export function joinS3Uri(uri: string, ...names: readonly string[]): string {
  return [uri.replace(/\/+$/, ''), ...names].join('/');
}

/** Every key that starts with a prefix, in key order; keys that stand for a folder (`…/`) are left out. */
export async function listKeys(s3: S3Client, { bucket, key: prefix }: S3Location): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket: bucket, Prefix: prefix })) {
    for (const { Key } of page.Contents ?? []) if (Key !== undefined && !Key.endsWith('/')) keys.push(Key);
  }
  return keys;
}

export async function readText(s3: S3Client, { bucket, key }: S3Location): Promise<string> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  return (await Body?.transformToString()) ?? '';
}

/** @throws Error when a path leaves the folder, which a key, being any text, may ask for */
export async function downloadFiles(
  s3: S3Client,
  files: readonly RemoteFile[],
  folder: string,
  signal?: AbortSignal,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await forEachAtOnce(files, async ({ bucket, key, path }) => {
    signal?.throwIfAborted();
    if (path.split('/').includes('..')) throw new Error(`the key '${key}' leaves the folder it is downloaded to`);
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true });
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    if (!(Body instanceof Readable)) throw new Error(`s3://${bucket}/${key} has no body`);
    await pipeline(Body, createWriteStream(target));
  });
}

export async function uploadFile(s3: S3Client, file: string, uri: string, settings: UploadSettings): Promise<void> {
  await upload(s3, createReadStream(file), uri, settings);
}

/** Uploads every file below a folder to `<uri>/<relative path>`. Links are not followed. */
export async function uploadFolder(s3: S3Client, folder: string, uri: string, settings: UploadSettings): Promise<void> {
  await forEachAtOnce(await filesBelow(folder), async (path) =>
    uploadFile(s3, join(folder, path), joinS3Uri(uri, path), settings),
  );
}

/**
 * Packs the files below some folders into one tar.gz object, their paths at its root; of two files with the same path the
 * one of the later folder stays. The same files give the same bytes: entries are sorted, and carry no times or owners.
 */
export async function uploadTarGz(
  s3: S3Client,
  folders: readonly string[],
  uri: string,
  settings: UploadSettings,
): Promise<void> {
  const sources = new Map<string, string>();
  for (const folder of folders) for (const path of await filesBelow(folder)) sources.set(path, join(folder, path));
  const archive = pack();
  const gzip = createGzip();
  await Promise.all([
    pipeline(archive, gzip),
    upload(s3, gzip, uri, settings),
    addEntries(archive, [...sources].sort()).catch((error: unknown) => {
      archive.destroy(error instanceof Error ? error : new Error(String(error)));
    }),
  ]);
}

export async function deleteObject(s3: S3Client, uri: string): Promise<void> {
  const { bucket, key } = parseS3Uri(uri);
  await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
}

/** Paths of the regular files below a folder, relative to it, with `/`, sorted; none when there is no such folder. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}

async function upload(s3: S3Client, body: Readable, uri: string, { kmsKeyId }: UploadSettings): Promise<void> {
  const { bucket, key } = parseS3Uri(uri);
  const encryption = kmsKeyId ? { ServerSideEncryption: 'aws:kms' as const, SSEKMSKeyId: kmsKeyId } : {};
  await new Upload({ client: s3, params: { Bucket: bucket, Key: key, Body: body, ...encryption } }).done();
}

async function addEntries(archive: ReturnType<typeof pack>, sources: readonly (readonly [string, string])[]) {
  for (const [path, file] of sources) {
    const { size, mode } = await stat(file);
    const entry = archive.entry({ name: path, size, mode: mode & 0o777, mtime: new Date(0) });
    await pipeline(createReadStream(file), entry);
  }
  archive.finalize();
}

async function forEachAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const workers = Array.from({ length: Math.min(transfersAtOnce, items.length) }, async () => {
    for (const item of rest) await work(item);
  });
  await Promise.all(workers);
}
