import type { Cloud } from '../../../local/cloud.ts';

/** Credentials of a cloud's root user. */
export function rootOf({ environment }: Pick<Cloud, 'environment'>) {
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = environment;
  return { accessKeyId, secretAccessKey };
}
