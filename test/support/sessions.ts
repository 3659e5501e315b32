/** Sessions of roles, with IAM enforced as on AWS: what a caller may do who is not the root user of the laptop cloud. */
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

export interface May {
  readonly Action: string;
  readonly Resource: string | readonly string[];
}

export async function sessionOf(RoleArn: string, RoleSessionName: string): Promise<Credentials> {
  const { Credentials: given } = await new STSClient({}).send(new AssumeRoleCommand({ RoleArn, RoleSessionName }));
  const { AccessKeyId, SecretAccessKey, SessionToken } = given ?? {};
  if (!(AccessKeyId && SecretAccessKey && SessionToken)) throw new Error('STS gave no credentials');
  return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken };
}

/** Makes a role that may do this and nothing else. */
export async function sessionOfNewRole(role: string, session: string, ...may: readonly May[]): Promise<Credentials> {
  const iam = new IAMClient({});
  const document = (...Statement: readonly object[]) => JSON.stringify({ Version: '2012-10-17', Statement });
  const trust = { Effect: 'Allow', Principal: { AWS: 'arn:aws:iam::000000000000:root' }, Action: 'sts:AssumeRole' };
  const { Role } = await iam.send(new CreateRoleCommand({ RoleName: role, AssumeRolePolicyDocument: document(trust) }));
  if (!Role?.Arn) throw new Error('IAM made a role without an ARN');
  const PolicyDocument = document(...may.map((each) => ({ Effect: 'Allow', ...each })));
  await iam.send(new PutRolePolicyCommand({ RoleName: role, PolicyName: 'may', PolicyDocument }));
  return sessionOf(Role.Arn, session);
}
