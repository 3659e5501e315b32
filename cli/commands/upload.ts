/** `flywheel upload`: files into the raw bucket, where the loop begins. */
import { createReadStream, statSync } from 'node:fs';
import { basename } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { DatasetRejected, DatasetVersionRegistered } from '../../lambdas/contract/events.ts';
import { uploadKey } from '../../lambdas/contract/keys.ts';
import { type CommonOptions, environmentCommand, open, type Session } from '../command.ts';
import { projectOf } from '../connection.ts';
import { describeEvent } from '../describe-event.ts';
import { CommandFailed, exitCodes } from '../failure.ts';
import { type JournalEntry, waitForEntry } from '../journal.ts';
import { bytes, paint } from '../output.ts';

interface Options extends CommonOptions {
  readonly folder?: string;
  readonly wait: boolean;
}

export const uploadCommand = environmentCommand('upload', 'upload files of a project; each starts the loop')
  .argument('<project>')
  .argument('<file...>')
  .option('--folder <name>', 'folder under the project; for a project that commits by marker, default: now')
  .option('--no-wait', 'return when the bytes are there, before they are checked')
  .action(async (projectName: string, files: readonly string[], options: Options) => {
    const sizes = files.map(sizeOf);
    const session = await open(options);
    const project = projectOf(session.environment, projectName);
    const byMarker = project.data.commit === 'marker';
    const folder = options.folder ?? (byMarker ? new Date().toISOString().replaceAll(/[:.]/g, '-') : undefined);
    const since = new Date(Date.now() - CLOCK_TOLERANCE_MS).toISOString();
    const uploads: (Stored & { file: string; key: string })[] = [];
    for (const [index, file] of files.entries()) {
      const key = [project.name, folder, basename(file)].filter((part) => part !== undefined).join('/');
      const stored = await send(session, file, key, sizes[index] ?? 0);
      uploads.push({ file, key, ...stored });
    }
    const marker = byMarker ? await writeMarker(session, `${project.name}/${folder}`) : undefined;
    const keys = marker ? [marker] : uploads.map((upload) => upload.key);
    const verdicts = options.wait
      ? await Promise.all(keys.map((key) => verdict(session, project.name, key, since)))
      : [];
    session.output.answer({ uploads, verdicts }, () =>
      [...uploads.map((upload) => `${upload.file} → ${upload.key}`), ...verdicts.map(verdictText)].join('\n'),
    );
    if (verdicts.some((entry) => entry.type === DatasetRejected.detailType)) process.exitCode = exitCodes.failed;
  });

/** This machine's clock and that of the cloud are not the same. */
const CLOCK_TOLERANCE_MS = 60_000;
const VERDICT_TIMEOUT_MS = 120_000;

interface Stored {
  readonly bucket: string;
  readonly bytes: number;
  readonly versionId: string | null;
  readonly etag: string | null;
}

/** Streams a file; parts of 8 MB at a time, so size does not matter. */
export async function send(
  { outputs, output }: Pick<Session, 'outputs' | 'output'>,
  file: string,
  key: string,
  size: number,
): Promise<Stored> {
  const upload = new Upload({
    client: new S3Client({}),
    params: { Bucket: outputs.RawBucket, Key: key, Body: createReadStream(file) },
    partSize: 8 * 1024 * 1024,
  });
  output.progress(`${file}: ${bytes(size)}`);
  if (size > 16 * 1024 * 1024) {
    upload.on('httpUploadProgress', ({ loaded = 0 }) => output.progress(`  ${bytes(loaded)} of ${bytes(size)}`));
  }
  const { VersionId, ETag } = await upload.done();
  return { bucket: outputs.RawBucket, bytes: size, versionId: VersionId ?? null, etag: ETag ?? null };
}

async function writeMarker({ outputs }: Session, folder: string): Promise<string> {
  const key = `${folder}/${uploadKey.marker}`;
  await new Upload({ client: new S3Client({}), params: { Bucket: outputs.RawBucket, Key: key, Body: '' } }).done();
  return key;
}

/** What became of an upload. The same bytes as before make no new version, and so no event that names this key. */
async function verdict(session: Session, project: string, key: string, since: string): Promise<JournalEntry> {
  session.output.progress('waiting until it is checked (Ctrl-C leaves the upload in place)');
  const folder = uploadKey.isMarker(key) ? uploadKey.markerPrefix(key) : undefined;
  const concerns = (named: unknown) => typeof named === 'string' && (folder ? named.startsWith(folder) : named === key);
  const entry = await waitForEntry(
    session.store,
    project,
    { since, timeoutMs: VERDICT_TIMEOUT_MS },
    ({ type, detail }) =>
      type === DatasetVersionRegistered.detailType
        ? Array.isArray(detail.uploads) && detail.uploads.some(concerns)
        : type === DatasetRejected.detailType && concerns(detail.upload),
  );
  if (entry) return entry;
  throw new CommandFailed(
    `${key} is uploaded, but no version and no rejection was announced in ${VERDICT_TIMEOUT_MS / 1000} s.\n` +
      `Either the same bytes are a version already, or a step failed:  flywheel status ${project}`,
    exitCodes.notFound,
  );
}

function verdictText(entry: JournalEntry): string {
  const { text, mood } = describeEvent(entry);
  return `${mood === 'bad' ? paint.red(entry.type) : paint.green(entry.type)} ${text}`;
}

function sizeOf(file: string): number {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isFile()) return found.size;
  throw new CommandFailed(`${file} is ${found ? 'not a file' : 'not there'}.`, exitCodes.usage);
}
