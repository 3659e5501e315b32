import { spawn } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { chmod, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GetObjectCommand, HeadObjectCommand, paginateListObjectsV2, type S3Client } from '@aws-sdk/client-s3';
import { parseS3Uri } from '../core/s3-uri.ts';

/** Where a container's model is: a `.tar.gz` object, or loose objects under a prefix. */
export interface ModelSource {
  readonly uri: string;
  readonly layout: 'tar.gz' | 'prefix' | 'object';
}

/** The model's files cannot be read with the model's role, or cannot be unpacked. The message is SageMaker's FailureReason. */
export class ModelFilesError extends Error {
  override readonly name = 'ModelFilesError';
}

/** Fetches a model into `folder` and takes the write permission from all of it, as a container finds `/opt/ml/model`. */
export async function fetchModelFiles(s3: S3Client, source: ModelSource, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  try {
    const { bucket, key } = parseS3Uri(source.uri);
    if (source.layout === 'prefix') await fetchPrefix(s3, bucket, key, folder);
    else if (source.layout === 'object')
      await fetchObject(s3, bucket, key, join(folder, key.slice(key.lastIndexOf('/') + 1)));
    else await unpack(await openObject(s3, bucket, key), folder);
  } catch (error) {
    throw new ModelFilesError(
      `Failed to download model data for container "container_1" from URL: "${source.uri}". Please ensure that there is an object ` +
        `located at the URL and that the role passed to CreateModel has permissions to download the model. (${reasonOf(error)})`,
      { cause: error },
    );
  }
  await setWritable(folder, false);
}

/** Checks that a model's object is there and may be read. @throws the SDK's error, or that it is not an S3 URI */
export async function findModelFiles(s3: S3Client, source: ModelSource): Promise<void> {
  const { bucket, key } = parseS3Uri(source.uri);
  if (source.layout !== 'prefix') await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
}

/** Removes a container's folder, read-only parts included. */
export async function removeFolder(folder: string): Promise<void> {
  if (existsSync(folder)) await setWritable(folder, true);
  await rm(folder, { recursive: true, force: true });
}

async function openObject(s3: S3Client, bucket: string, key: string): Promise<Readable> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  if (!(Body instanceof Readable)) throw new Error(`s3://${bucket}/${key} has no body`);
  return Body;
}

async function fetchObject(s3: S3Client, bucket: string, key: string, file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await pipeline(await openObject(s3, bucket, key), createWriteStream(file));
}

async function fetchPrefix(s3: S3Client, bucket: string, prefix: string, folder: string): Promise<void> {
  let found = 0;
  for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket: bucket, Prefix: prefix })) {
    for (const { Key: key } of page.Contents ?? []) {
      const name = key?.slice(prefix.length).replace(/^\/+/, '') ?? '';
      if (key === undefined || name === '' || name.endsWith('/')) continue;
      // A key is any text; one that climbs out of the folder is refused.
      if (name.split('/').includes('..')) throw new Error(`the key '${key}' leaves the model's folder`);
      await fetchObject(s3, bucket, key, join(folder, name));
      found += 1;
    }
  }
  if (found === 0) throw new Error('no object has this prefix');
}

/** The system's tar, which both platforms have; it keeps every entry inside the folder by itself. */
async function unpack(archive: Readable, folder: string): Promise<void> {
  const tar = spawn('tar', ['-xzf', '-', '-C', folder], { stdio: ['pipe', 'ignore', 'pipe'] });
  let said = '';
  tar.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    tar.once('error', reject);
    tar.once('close', resolve);
  });
  // tar stops reading when the archive is broken; its exit code tells more than the closed pipe does.
  const sent = await pipeline(archive, tar.stdin).then(
    () => undefined,
    (error: unknown) => error,
  );
  const code = await ended;
  if (code !== 0) throw new Error(`not a gzip-compressed tar archive: ${said.trim() || `tar ended with ${code}`}`);
  if (sent !== undefined) throw sent;
}

/** Gives or takes the write permission of everything under a path; leaves the rest of each mode as the archive set it. */
async function setWritable(path: string, writable: boolean): Promise<void> {
  const { mode } = await stat(path);
  const permissions = writable ? mode | 0o200 : mode & ~0o222;
  if (writable) await chmod(path, permissions);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const inside = join(path, entry.name);
    if (entry.isDirectory()) await setWritable(inside, writable);
    else if (entry.isFile() && !writable) await chmod(inside, (await stat(inside)).mode & ~0o222);
  }
  if (!writable) await chmod(path, permissions);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
