import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { GetRoleCommand, IAMClient } from '@aws-sdk/client-iam';
import { S3Client } from '@aws-sdk/client-s3';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import * as z from 'zod';
import { validationException } from './errors.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

interface Assumed {
  readonly credentials: Promise<Credentials>;
  /** Epoch ms after which the role is assumed again. */
  readonly until: number;
}

export interface CloudOptions {
  /** URL of MiniStack, without a path. */
  readonly endpoint: string;
  /** Whether roles are assumed; without it every role has the account's own credentials. */
  readonly enforceRoles: boolean;
  /** Of the root key. */
  readonly secret: string;
}

const sagemakerPrincipal = 'sagemaker.amazonaws.com';
/** Shorter than a session's hour. A changed policy acts at once all the same: the emulator reads a role's policies at each call. */
const reuseMs = 15 * 60_000;

const trustPolicy = z.object({
  Statement: z.array(
    z.looseObject({
      Effect: z.string(),
      Principal: z
        .union([z.string(), z.looseObject({ Service: z.union([z.string(), z.array(z.string())]).optional() })])
        .optional(),
    }),
  ),
});

/** The AWS services beside SageMaker, as the laptop cloud has them: credentials, and clients made once per credentials. */
export class Cloud {
  readonly endpoint: string;
  readonly #enforceRoles: boolean;
  readonly #secret: string;
  readonly #assumed = new Map<string, Assumed>();
  readonly #s3 = new Map<string, S3Client>();
  readonly #logs = new Map<string, CloudWatchLogsClient>();

  constructor(options: CloudOptions) {
    this.endpoint = options.endpoint.replace(/\/$/, '');
    this.#enforceRoles = options.enforceRoles;
    this.#secret = options.secret;
  }

  /** What SageMaker itself calls with in an account, where AWS would use a service principal: the emulator's root of the account. */
  platformCredentials(account: string): Credentials {
    return { accessKeyId: account, secretAccessKey: this.#secret };
  }

  /** Settings of any SDK client for the laptop cloud. */
  clientSettings(credentials: Credentials, region: string) {
    return { endpoint: this.endpoint, region, credentials, maxAttempts: 4 };
  }

  /**
   * Credentials of a role that trusts SageMaker.
   * @throws SageMakerError ValidationException when there is no such role, or its trust policy does not name SageMaker
   */
  async roleCredentials(roleArn: string, region: string): Promise<Credentials> {
    const account = roleArn.split(':')[4] ?? '';
    if (!this.#enforceRoles) return this.platformCredentials(account);
    const known = this.#assumed.get(roleArn);
    if (known && known.until > Date.now()) return known.credentials;
    const credentials = this.#assumeRole(roleArn, account, region);
    this.#assumed.set(roleArn, { credentials, until: Date.now() + reuseMs });
    try {
      return await credentials;
    } catch (error) {
      this.#assumed.delete(roleArn);
      throw error;
    }
  }

  s3(credentials: Credentials, region: string): S3Client {
    return cached(this.#s3, `${credentials.accessKeyId} ${region}`, () => {
      const settings = this.clientSettings(credentials, region);
      return new S3Client({ ...settings, forcePathStyle: true, requestChecksumCalculation: 'WHEN_REQUIRED' });
    });
  }

  /**
   * CloudWatch Logs as a job or a model uses it: with its execution role, which needs logs:CreateLogGroup, CreateLogStream and
   * PutLogEvents (developer guide, "SageMaker roles": the permissions of CreateTrainingJob, CreateProcessingJob and CreateModel).
   */
  async logs(roleArn: string, region: string): Promise<CloudWatchLogsClient> {
    const credentials = await this.roleCredentials(roleArn, region);
    return cached(this.#logs, `${credentials.accessKeyId} ${region}`, () => {
      return new CloudWatchLogsClient(this.clientSettings(credentials, region));
    });
  }

  /** Ends all connections. */
  close(): void {
    for (const client of [...this.#s3.values(), ...this.#logs.values()]) client.destroy();
  }

  async #assumeRole(roleArn: string, account: string, region: string): Promise<Credentials> {
    const settings = this.clientSettings(this.platformCredentials(account), region);
    const iam = new IAMClient(settings);
    const sts = new STSClient(settings);
    try {
      const { Role } = await iam.send(new GetRoleCommand({ RoleName: roleArn.split('/').at(-1) }));
      if (Role?.Arn !== roleArn || !trustsSageMaker(Role.AssumeRolePolicyDocument ?? '{}')) throw untrusted(roleArn);
      const answer = await sts.send(new AssumeRoleCommand({ RoleArn: roleArn, RoleSessionName: 'SageMaker' }));
      const { AccessKeyId, SecretAccessKey, SessionToken } = answer.Credentials ?? {};
      if (!AccessKeyId || !SecretAccessKey || !SessionToken) throw new Error('AssumeRole answered no credentials');
      return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken };
    } catch (error) {
      if (error instanceof Error && (error.name === 'NoSuchEntityException' || error.name === 'AccessDenied')) {
        throw untrusted(roleArn);
      }
      throw error;
    } finally {
      iam.destroy();
      sts.destroy();
    }
  }
}

function untrusted(roleArn: string) {
  return validationException(
    `Could not assume role ${roleArn}. Please ensure that the role exists and allows principal '${sagemakerPrincipal}' to assume the role.`,
  );
}

function trustsSageMaker(document: string): boolean {
  const policy = trustPolicy.parse(JSON.parse(decodeURIComponent(document)));
  return policy.Statement.some(({ Effect, Principal }) => {
    if (Effect !== 'Allow' || Principal === undefined) return false;
    if (typeof Principal === 'string') return Principal === '*';
    return [Principal.Service ?? []].flat().includes(sagemakerPrincipal);
  });
}

function cached<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key);
  if (known) return known;
  const made = make();
  map.set(key, made);
  return made;
}
