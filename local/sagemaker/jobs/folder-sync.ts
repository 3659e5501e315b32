import { type FSWatcher, watch } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import { deleteObject, filesBelow, joinS3Uri, type UploadSettings, uploadFile } from './s3-files.ts';

export interface FolderSyncOptions extends UploadSettings {
  readonly folder: string;
  /** S3 URI that mirrors the folder. */
  readonly uri: string;
  /** Whether a file deleted in the folder is deleted in S3 too: so it is for checkpoints. */
  readonly propagateDeletions: boolean;
  /** A failed upload; the next change tries again. */
  readonly onProblem: (problem: unknown) => void;
}

/** Waits for a burst of writes to end, so that a half-written file is rarely uploaded. */
const settleMs = 250;

/** Keeps an S3 prefix equal to a folder while a container writes to it: how SageMaker saves checkpoints. */
export class FolderSync {
  readonly #s3: S3Client;
  readonly #options: FolderSyncOptions;
  /** Size and time of each file as it was last uploaded. */
  #uploaded = new Map<string, string>();
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(s3: S3Client, options: FolderSyncOptions) {
    this.#s3 = s3;
    this.#options = options;
  }

  /** Starts to watch; what is in the folder now is taken for uploaded. */
  async start(): Promise<void> {
    await mkdir(this.#options.folder, { recursive: true });
    this.#uploaded = await this.#present();
    this.#watcher = watch(this.#options.folder, { recursive: true }, () => {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#running = this.#running.then(() => this.#upload()).catch(this.#options.onProblem);
      }, settleMs);
    });
    this.#watcher.on('error', this.#options.onProblem);
  }

  /** Ends watching and uploads what changed last. @throws what S3 answers */
  async stop(): Promise<void> {
    this.#watcher?.close();
    clearTimeout(this.#timer);
    await this.#running;
    await this.#upload();
  }

  async #upload(): Promise<void> {
    const present = await this.#present();
    for (const [path, version] of present) {
      if (this.#uploaded.get(path) === version) continue;
      await uploadFile(this.#s3, join(this.#options.folder, path), joinS3Uri(this.#options.uri, path), this.#options);
      this.#uploaded.set(path, version);
    }
    for (const path of [...this.#uploaded.keys()].filter((one) => !present.has(one))) {
      if (this.#options.propagateDeletions) await deleteObject(this.#s3, joinS3Uri(this.#options.uri, path));
      this.#uploaded.delete(path);
    }
  }

  async #present(): Promise<Map<string, string>> {
    const present = new Map<string, string>();
    for (const path of await filesBelow(this.#options.folder)) {
      // A file may go between the listing and this look: the next change brings it right.
      const found = await stat(join(this.#options.folder, path)).catch(() => undefined);
      if (found) present.set(path, `${found.size} ${found.mtimeMs}`);
    }
    return present;
  }
}
