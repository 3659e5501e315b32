/** Who signed a request is checked, for the root user too, and told to the function behind an HTTP API. */
import { createHash } from 'node:crypto';
import { Sha256 } from '@aws-crypto/sha256-js';
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { GetFunctionCommand, InvokeCommand } from '@aws-sdk/client-lambda';
import { ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { SignatureV4 } from '@smithy/signature-v4';
import { expect } from 'vitest';
import {
  account,
  type Claim,
  type Clients,
  deployed,
  errorOf,
  functionOf,
  one,
  optionsOfRole,
  policy,
  region,
  unique,
} from '../requests.ts';

export const signatureClaims: readonly Claim[] = [
  ['function_credentials', 'nobody computes the credentials of a function from its name', credentialsAreSecret],
  ['signatures', 'a wrong secret is refused for the root key too', wrongSecretIsRefused],
  [
    'signatures',
    'an HTTP API refuses a wrong secret of the root key',
    (cloud) => apiRefuses(cloud, 'execute-api', 'no'),
  ],
  [
    'signatures',
    'an HTTP API refuses a signature made for another service',
    (cloud) => apiRefuses(cloud, 'sqs', 'test'),
  ],
];

interface Signer {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

async function wrongSecretIsRefused(cloud: Clients): Promise<boolean> {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'wrong' };
  const options = { endpoint: cloud.endpoint, region, credentials };
  const s3 = await errorOf(new S3Client(options).send(new ListBucketsCommand()));
  const sqs = await errorOf(new SQSClient(options).send(new ListQueuesCommand()));
  const dynamodb = await errorOf(new DynamoDBClient(options).send(new ListTablesCommand()));
  // By REST XML, by the JSON protocol that keeps the query protocol's codes, and by the JSON protocol.
  return `${s3}, ${sqs}, ${dynamodb}` === 'SignatureDoesNotMatch, SignatureDoesNotMatch, InvalidSignatureException';
}

async function apiRefuses(cloud: Clients, service: string, secretAccessKey: string): Promise<boolean> {
  const answer = await get(await apiThatTellsWhoCalls(cloud), service, { accessKeyId: 'test', secretAccessKey });
  return answer.status === 403;
}

/** Whether a signature by what a hash of the ARNs makes is refused, after the function has signed with its own. */
async function credentialsAreSecret(cloud: Clients): Promise<boolean> {
  const FunctionName = await functionOf(cloud, 'exports.handler = async () => process.env.AWS_ACCESS_KEY_ID;');
  const { Configuration = {} } = await cloud.lambda.send(new GetFunctionCommand({ FunctionName }));
  const { Payload } = await cloud.lambda.send(new InvokeCommand({ FunctionName }));
  expect(Payload?.transformToString()).toMatch(/^"ASIA[0-9A-F]{16}"$/);
  const hash = (text: string) => createHash('sha256').update(text).digest('hex');
  const digest = hash(`${Configuration.FunctionArn}:${Configuration.Role}`);
  const credentials = {
    accessKeyId: `ASIA${digest.slice(0, 16).toUpperCase()}`,
    secretAccessKey: hash(`secret:${digest}`),
    sessionToken: hash(`token:${digest}`),
  };
  const guessed = new STSClient({ endpoint: cloud.endpoint, region, credentials });
  return (await errorOf(guessed.send(new GetCallerIdentityCommand({})))) !== 'allowed';
}

/** `requestContext.authorizer.iam` that a role's request brings to a function behind an HTTP API, and the role's name. */
export async function identityOfRole(cloud: Clients): Promise<{ status: number; body: unknown; signer: Signer }> {
  const invoke = { Effect: 'Allow', Action: 'execute-api:Invoke', Resource: '*' };
  const { credentials: signer } = await optionsOfRole(cloud, policy(invoke));
  const answer = await get(await apiThatTellsWhoCalls(cloud), 'execute-api', signer);
  return { status: answer.status, body: await answer.json(), signer };
}

/**
 * Address of an HTTP API of one function that answers with what API Gateway says about the caller.
 * @param permitted stage, method and path of the calls that the function's policy lets in
 */
export async function apiThatTellsWhoCalls(cloud: Clients, permitted = '/*/GET/who'): Promise<URL> {
  const name = unique();
  const code = 'exports.handler = async (event) => event.requestContext.authorizer.iam;';
  const role = `arn:aws:iam::${account}:role/any`;
  const source = { Handler: 'index.handler', Runtime: 'nodejs24.x', Role: role, Code: { ZipFile: code } };
  const made = await deployed(cloud, one('AWS::Lambda::Function', { FunctionName: name, ...source }));
  if (made.status !== 'CREATE_COMPLETE') throw new Error(`the function was not created: ${made.reason}`);
  const ofApi = { ApiId: { Ref: 'Api' } };
  const IntegrationUri = `arn:aws:lambda:${region}:${account}:function:${name}`;
  const stack = await deployed(cloud, {
    Resources: {
      Api: { Type: 'AWS::ApiGatewayV2::Api', Properties: { Name: name, ProtocolType: 'HTTP' } },
      Stage: { Type: 'AWS::ApiGatewayV2::Stage', Properties: { ...ofApi, StageName: '$default', AutoDeploy: true } },
      Integration: {
        Type: 'AWS::ApiGatewayV2::Integration',
        Properties: { ...ofApi, IntegrationType: 'AWS_PROXY', PayloadFormatVersion: '2.0', IntegrationUri },
      },
      Route: {
        Type: 'AWS::ApiGatewayV2::Route',
        Properties: {
          ...ofApi,
          RouteKey: 'GET /who',
          AuthorizationType: 'AWS_IAM',
          Target: { 'Fn::Join': ['/', ['integrations', { Ref: 'Integration' }]] },
        },
      },
      Permission: {
        Type: 'AWS::Lambda::Permission',
        Properties: {
          Action: 'lambda:InvokeFunction',
          Principal: 'apigateway.amazonaws.com',
          FunctionName: name,
          SourceArn: { 'Fn::Sub': `arn:aws:execute-api:${region}:${account}:\${Api}${permitted}` },
        },
      },
    },
    Outputs: { Id: { Value: { Ref: 'Api' } } },
  });
  const id = stack.outputs.Id;
  if (id === undefined) throw new Error(`the API was not created: ${stack.reason}`);
  return new URL(`${cloud.endpoint}/_aws/execute-api/${id}/$default/who`);
}

export async function get(url: URL, service: string, credentials: Signer): Promise<Response> {
  return fetch(url, { headers: await signedHeaders(url, service, credentials) });
}

/** Headers of a signed GET. */
export async function signedHeaders(
  url: URL,
  service: string,
  credentials: Signer = { accessKeyId: 'test', secretAccessKey: 'test' },
): Promise<Record<string, string>> {
  const signer = new SignatureV4({ service, region, credentials, sha256: Sha256 });
  const { protocol, hostname, pathname: path } = url;
  return (await signer.sign({ method: 'GET', protocol, hostname, path, headers: { host: url.host } })).headers;
}
