import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import * as z from 'zod';

/** What stands in for a container image on a machine without Docker: an interpreter, and the command that serves a model. */
export interface LocalImage {
  /** Part of the image URI that selects this entry, for example `sagemaker-xgboost:`. */
  readonly pattern: string;
  /** Absolute path of the Python interpreter that has the image's packages. */
  readonly python: string;
  /** Command that starts the model server, `{python}` already filled in. */
  readonly serve: readonly string[];
  /** Environment of the image itself (Docker's ENV); a request's own Environment wins over it. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface LocalImages {
  /** The file that a user edits to add an image. */
  readonly file: string;
  readonly entries: readonly LocalImage[];
}

const imageEntries = z.array(
  z.strictObject({
    pattern: z.string().min(1),
    python: z.string().min(1),
    serve: z.array(z.string()).min(1),
    environment: z.record(z.string(), z.string()).default({}),
  }),
);

const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** No entry of the images file stands in for an image that a request names. */
export class UnknownImageError extends Error {
  override readonly name = 'UnknownImageError';
}

/**
 * The stand-in for an image: the first entry whose pattern occurs in the URI.
 * @throws UnknownImageError that names the image and the file to edit
 */
export function imageFor(images: LocalImages, uri: string): LocalImage {
  const image = images.entries.find((entry) => uri.includes(entry.pattern));
  if (image) return image;
  const known = images.entries.map((entry) => `'${entry.pattern}'`).join(', ') || 'none';
  throw new UnknownImageError(
    `No local image stands in for '${uri}' (known patterns: ${known}). ` +
      `Add an entry {"pattern", "python", "serve"} for it to ${images.file}.`,
  );
}

/**
 * Reads the images file: a JSON list of `{pattern, python, serve, environment?}`. `{python}` in a serve command means the entry's interpreter.
 * @throws Error that names the file and what is wrong with it
 */
export function readImages(file: string): LocalImages {
  const path = resolve(file);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`Cannot read the images file ${path}: expected a JSON list of images`, { cause: error });
  }
  const parsed = imageEntries.safeParse(content);
  if (!parsed.success) throw new Error(`The images file ${path} is not valid:\n${z.prettifyError(parsed.error)}`);
  const entries = parsed.data.map((entry) => ({
    ...entry,
    serve: entry.serve.map((word) => word.replaceAll('{python}', entry.python)),
  }));
  return { file: path, entries };
}

/** PATH inside an image: its interpreter's folder, so that `python` means the image's, then the system's folders. */
export function imagePath(image: Pick<LocalImage, 'python'>): string {
  return `${dirname(image.python)}:${systemPath}`;
}
