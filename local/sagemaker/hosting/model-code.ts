/** A model's code that lies in S3 beside the model: `SAGEMAKER_SUBMIT_DIRECTORY`. */
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import { parseS3Uri } from '../core/s3-uri.ts';
import { downloadFiles } from '../jobs/s3-files.ts';
import { unpackTarGz } from '../jobs/unpack.ts';
import { UnhealthyContainerError } from './serving-process.ts';

/**
 * Does what the toolkit in AWS's images does before it serves: it downloads the archive with the model's role into
 * `/opt/ml/code`. Here the code is put into the model's folder as well, where a model that brings its own code has it.
 * @throws UnhealthyContainerError as the container on AWS: it ends, and never answers a ping
 */
export async function fetchCode(
  s3: S3Client,
  uri: string,
  root: string,
  isolated: boolean,
  say: (line: string) => void,
): Promise<void> {
  if (isolated) {
    say(`The container cannot download its code from ${uri} under network isolation: bring it inside the model.`);
    throw new UnhealthyContainerError('its code is out of reach');
  }
  const folder = join(root, 'download');
  try {
    await downloadFiles(s3, [{ ...parseS3Uri(uri), path: 'sourcedir.tar.gz' }], folder);
    await unpackTarGz(join(folder, 'sourcedir.tar.gz'), join(root, 'code'));
  } catch (error) {
    say(`The container cannot fetch its code from ${uri}: ${String(error)}`);
    throw new UnhealthyContainerError('its code cannot be fetched', { cause: error });
  }
  await mkdir(join(root, 'model'), { recursive: true });
  await cp(join(root, 'code'), join(root, 'model/code'), { recursive: true });
}
