import { account, type CloudPorts, region } from './layout.ts';

export type CloudEnvironment = Readonly<Record<string, string>>;

/**
 * Variables for the AWS CLI, the CDK and SDKs. The address is 127.0.0.1 and not localhost: for an IP address the SDKs
 * put a bucket's name into the path, and `bucket.localhost` does not resolve everywhere.
 * @param secret of the root key, one for each cloud
 */
export function environmentOf(ports: CloudPorts, secret: string): CloudEnvironment {
  const sagemaker = `http://127.0.0.1:${ports.sagemaker}`;
  return {
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: secret,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_ENDPOINT_URL: `http://127.0.0.1:${ports.cloud}`,
    AWS_ENDPOINT_URL_SAGEMAKER: sagemaker,
    AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME: sagemaker,
    AWS_EC2_METADATA_DISABLED: 'true',
    CDK_DEFAULT_ACCOUNT: account,
    CDK_DEFAULT_REGION: region,
  };
}

/** The variables of this process without any AWS setting of the user's, plus the cloud's: no way to a real account. */
export function isolatedEnvironment(environment: CloudEnvironment): Record<string, string> {
  const own = Object.entries(process.env).flatMap(([name, value]) =>
    value !== undefined && !name.startsWith('AWS_') && !name.startsWith('CDK_') ? [[name, value] as const] : [],
  );
  const noFiles = { AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' };
  return { ...Object.fromEntries(own), ...noFiles, ...environment };
}
