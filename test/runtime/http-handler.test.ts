/** What a function behind the HTTP API reads from API Gateway's event (payload format 2.0). */
import { describe, expect, it } from 'vitest';
import { parseRequest } from '../../lambdas/runtime/http-handler.ts';

const userArn = 'arn:aws:sts::111122223333:assumed-role/approvers/ada@example.com';
const iam = {
  accessKey: 'ASIAEXAMPLE',
  accountId: '111122223333',
  callerId: 'AROAEXAMPLE:ada@example.com',
  cognitoIdentity: null,
  principalOrgId: 'o-example',
  userArn,
  userId: 'AROAEXAMPLE:ada@example.com',
};
const event = (authorizer: unknown) => ({
  version: '2.0',
  routeKey: 'POST /projects/{project}/models/{model}/decisions',
  rawPath: '/projects/flights/models/3/decisions',
  headers: { 'Content-Type': 'application/json', 'Idempotency-Key': 'k1' },
  pathParameters: { project: 'flights', model: '3' },
  requestContext: { accountId: '111122223333', http: { method: 'POST' }, stage: '$default', authorizer },
  body: '{}',
  isBase64Encoded: false,
});

describe('a request', () => {
  it('has the caller that the IAM authorizer names, and the parameters of its path', () => {
    expect(parseRequest(event({ iam }))).toEqual({
      project: 'flights',
      parameters: { project: 'flights', model: '3' },
      caller: userArn,
      headers: { 'content-type': 'application/json', 'idempotency-key': 'k1' },
      body: '{}',
    });
  });

  it.each([
    ['no authorizer', undefined],
    ['a Lambda authorizer, whatever it returns', { lambda: { userArn, iam: { userArn } } }],
    ['a JWT authorizer, whatever is claimed', { jwt: { claims: { userArn }, scopes: [] } }],
    ['an IAM authorizer that knows no user', { iam: { ...iam, userArn: null } }],
  ])('has no caller behind %s', (_name, authorizer) => {
    expect(parseRequest(event(authorizer)).caller).toBeUndefined();
  });

  it('has no caller when its own words name one', () => {
    const forged = { ...event(undefined), userArn, headers: { 'x-amzn-iam-user-arn': userArn } };
    expect(parseRequest(forged).caller).toBeUndefined();
  });
});
