/**
 * A project's `sourcedir.tar.gz`: what SageMaker's containers run. The shared Python of `models/` and how to install it, the
 * scripts of the project's algorithm, the project's own `model/` folder on top, and `project.json`. The same files make the same bytes
 * on every machine, because its hash is part of what identifies a training run.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import type { ProjectSettings } from '../lambdas/contract/settings.ts';
import type { ProjectSettingsWithoutCode } from './config/index.ts';

export interface CodeArchive {
  readonly bytes: Uint8Array;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** @param root folder that holds `models/` and `projects/` */
export async function makeCodeArchive(root: string, project: ProjectSettingsWithoutCode): Promise<CodeArchive> {
  const files = new Map([
    ...filesUnder(join(root, 'models/common'), 'common/'),
    ...filesUnder(join(root, 'models', project.training.algorithm.name)).filter(([name]) => !ofThisMachine.test(name)),
    ...filesUnder(join(root, 'projects', project.name, 'model')),
  ]);
  // At the root, where pip looks for it.
  files.set('pyproject.toml', readFileSync(join(root, 'models/common/pyproject.toml')));
  files.set('project.json', Buffer.from(`${JSON.stringify(projectFile(project), null, 2)}\n`));
  const bytes = compress(await archive(files));
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/**
 * What decides about the model, and no more: a new alarm threshold or another approval rule in another environment is
 * not another training run.
 */
function projectFile({ name, problem, data, training, gate }: ProjectSettingsWithoutCode) {
  const { holdOut, holdOutBy, seed, algorithm, window } = training;
  return {
    name,
    problem,
    data,
    training: { holdOut, holdOutBy, seed, algorithm, window },
    gate: { metric: gate.metric, slices: gate.slices },
  } satisfies DeepPartial<ProjectSettings>;
}

type DeepPartial<T> = { readonly [Key in keyof T]?: T[Key] extends readonly unknown[] ? T[Key] : DeepPartial<T[Key]> };

/** What makes an algorithm's environment here. In a job it would be installed from the network, which a job does not have. */
const ofThisMachine = /^requirements\.(in|txt)$/;

const leftOut = /^(__pycache__|tests|\..*)$|\.pyc$/;

function filesUnder(folder: string, prefix = ''): [string, Buffer][] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry): [string, Buffer][] => {
    if (leftOut.test(entry.name)) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory()
      ? filesUnder(path, `${prefix}${entry.name}/`)
      : [[`${prefix}${entry.name}`, readFileSync(path)]];
  });
}

async function archive(files: ReadonlyMap<string, Buffer>): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of [...files].sort(([a], [b]) => (a < b ? -1 : 1)))
    tar.entry({ name, mode: 0o644, mtime: new Date(0), uid: 0, gid: 0 }, content);
  tar.finalize();
  return buffer(tar);
}

/**
 * Stored, not deflated: zlib's output differs between builds of it, and the archive is small. The tenth byte names the
 * operating system; 255 is "unknown" (RFC 1952).
 */
function compress(tar: Buffer): Buffer {
  const gzip = gzipSync(tar, { level: 0 });
  gzip.writeUInt8(255, 9);
  return gzip;
}
