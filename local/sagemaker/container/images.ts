import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import * as z from 'zod';

/** What stands in for a container image on a machine without Docker: an interpreter, and the command that serves a model. */
export interface LocalImage {
  /** Part of the image URI that selects this entry, for example `sagemaker-xgboost:`. */
  readonly pattern: string;
  /** Absolute path of the Python interpreter that has the image's packages. */
  readonly python: string;
  /** Command that starts the model server, `{python}` already filled in; absent for an image that runs jobs only. */
  readonly serve?: readonly string[];
  /**
   * The toolkit that runs a program in script mode: `sagemaker-training` (PyTorch's images), or `sagemaker-containers` before
   * it (XGBoost's), which installs the program with pip.
   */
  readonly toolkit: 'sagemaker-training' | 'sagemaker-containers';
  /** Environment of the image itself (Docker's ENV); a request's own Environment wins over it. */
  readonly environment: Readonly<Record<string, string>>;
  /** What is not on every machine: a file that is there when the packages are, and the command that installs them. */
  readonly needs?: { readonly file: string; readonly command: string };
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
    serve: z.array(z.string()).min(1).exactOptional(),
    toolkit: z.enum(['sagemaker-training', 'sagemaker-containers']).default('sagemaker-training'),
    environment: z.record(z.string(), z.string()).default({}),
    needs: z.strictObject({ file: z.string(), command: z.string() }).exactOptional(),
  }),
);

const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Nothing on this machine stands in for an image that a request names. */
export class NoLocalImageError extends Error {
  override readonly name = 'NoLocalImageError';
}

/**
 * The stand-in for an image: the first entry whose pattern occurs in the URI.
 * @throws NoLocalImageError that names the image, and the file to edit or the command that installs what is missing
 */
export function imageFor(images: LocalImages, uri: string): LocalImage {
  const image = images.entries.find((entry) => uri.includes(entry.pattern));
  if (!image) {
    const known = images.entries.map((entry) => `'${entry.pattern}'`).join(', ') || 'none';
    throw new NoLocalImageError(
      `No local image stands in for '${uri}' (known patterns: ${known}). ` +
        `Add an entry {"pattern", "python", "serve"} for it to ${images.file}.`,
    );
  }
  if (image.needs && !existsSync(image.needs.file)) {
    throw new NoLocalImageError(
      `What stands in for '${uri}' is not installed here (there is no ${image.needs.file}). Install it:  ${image.needs.command}`,
    );
  }
  return image;
}

/**
 * The stand-in for an image that serves a model.
 * @throws NoLocalImageError also for an image that runs jobs only
 */
export function servingImageFor(images: LocalImages, uri: string): LocalImage & { readonly serve: readonly string[] } {
  const image = imageFor(images, uri);
  if (image.serve) return { ...image, serve: image.serve };
  throw new NoLocalImageError(
    `What stands in for '${uri}' runs jobs and serves no model: its entry '${image.pattern}' has no "serve". ` +
      `To serve with it, put an entry {"pattern", "python", "serve"} into ${images.file}.`,
  );
}

/**
 * Reads images files, each a JSON list of `{pattern, python, serve?, toolkit?, environment?, needs?}`; entries of the first file come
 * first. `{python}` in a serve command means the entry's interpreter.
 * @throws Error that names the file and what is wrong with it
 */
export function readImages(file: string, ...more: readonly string[]): LocalImages {
  return { file: resolve(file), entries: [file, ...more].flatMap(readEntries) };
}

function readEntries(file: string): LocalImage[] {
  const path = resolve(file);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`Cannot read the images file ${path}: expected a JSON list of images`, { cause: error });
  }
  const parsed = imageEntries.safeParse(content);
  if (!parsed.success) throw new Error(`The images file ${path} is not valid:\n${z.prettifyError(parsed.error)}`);
  return parsed.data.map(({ serve, ...entry }) => ({
    ...entry,
    ...(serve && { serve: serve.map((word) => word.replaceAll('{python}', entry.python)) }),
  }));
}

/** PATH inside an image: its interpreter's folder, so that `python` means the image's, then the system's folders. */
export function imagePath(image: Pick<LocalImage, 'python'>): string {
  return `${dirname(image.python)}:${systemPath}`;
}
