import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Core } from '../core/core.ts';
import { imagePath, type LocalImage } from './images.ts';

export interface ContainerEnvironmentRequest {
  readonly region: string;
  readonly roleArn: string;
  /** Under isolation the container gets no credentials and no address of the cloud. */
  readonly isolated: boolean;
  readonly image: LocalImage;
  /** What the platform and the request add. */
  readonly own: Readonly<Record<string, string>>;
}

/** Environment of a container: the image's, the way to the cloud with its role, then the request's. */
export async function containerEnvironment(
  core: Core,
  request: ContainerEnvironmentRequest,
): Promise<Record<string, string>> {
  const { region, image } = request;
  const base = { PATH: imagePath(image), ...image.environment, AWS_REGION: region, AWS_DEFAULT_REGION: region };
  if (request.isolated) return { ...base, ...request.own };
  const credentials = await core.cloud.roleCredentials(request.roleArn, region);
  return {
    ...base,
    AWS_ENDPOINT_URL: core.cloud.endpoint,
    S3_ENDPOINT_URL: core.cloud.endpoint,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    ...(credentials.sessionToken === undefined ? {} : { AWS_SESSION_TOKEN: credentials.sessionToken }),
    ...request.own,
  };
}

let gpus: Promise<number> | undefined;

/** GPUs of this machine, counted once, as the toolkit does: the lines of `nvidia-smi --list-gpus`. */
export function gpuCount(): Promise<number> {
  gpus ??= promisify(execFile)('nvidia-smi', ['--list-gpus']).then(
    ({ stdout }) => stdout.split('\n').filter((line) => line.trim() !== '').length,
    () => 0,
  );
  return gpus;
}
