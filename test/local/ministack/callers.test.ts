/** Who gets an answer of the local cloud: programs on this machine, with a signature; no web page, and no route of MiniStack's own. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand, HeadBucketCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stopService } from '../../../local/cloud/services.ts';
import { pageHeaders, programHeaders, rawRequest } from '../support/raw-request.ts';
import { signedHeaders } from './claims/signatures.ts';
import { type Clients, start, unique } from './requests.ts';

const directory = join(import.meta.dirname, '../../../.flywheel/test-callers');
const refusal = 'answers programs on this machine only';
let cloud: Clients;

beforeAll(async () => {
  cloud = await start(directory);
}, 60_000);

afterAll(async () => {
  await stopService(directory, 'ministack');
  rmSync(directory, { recursive: true, force: true });
});

const routes = ['/', '/_flywheel/health', '/_aws/execute-api/0123abcd/$default/who', '/2015-03-31/functions'];
const upgrade = { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
const handshake = { ...upgrade, 'sec-websocket-key': 'MDEyMzQ1Njc4OWFiY2RlZg==' };

describe.each(Object.entries(pageHeaders))('a page with %s', (_what, headers) => {
  it.each(routes)('is refused at %s', async (path) => {
    const answer = await rawRequest(cloud.endpoint, path, { headers });
    expect(answer).toMatchObject({ status: 403, body: expect.stringContaining(refusal) });
  });

  it('is refused with a signature of the root user, too', async () => {
    const url = new URL(headers.host ? `http://${headers.host}` : cloud.endpoint);
    const signed = await signedHeaders(url, 's3');
    const answer = await rawRequest(cloud.endpoint, '/', { headers: { ...signed, ...headers } });
    expect(answer).toMatchObject({ status: 403, body: expect.stringContaining(refusal) });
  });

  it('gets no web socket', async () => {
    const path = '/_aws/execute-api/0123abcd/stage';
    const answer = await rawRequest(cloud.endpoint, path, { headers: { ...handshake, ...headers } });
    expect(answer).toMatchObject({ status: 403, body: expect.stringContaining(refusal) });
  });
});

it.each([{}, { origin: 'https://page.example' }])('a preflight gets no leave, with %o', async (headers) => {
  const asked = { ...headers, 'access-control-request-method': 'POST' };
  const answer = await rawRequest(cloud.endpoint, '/', { method: 'OPTIONS', headers: asked });
  expect(answer).toMatchObject({ status: 403, body: expect.stringContaining(refusal) });
});

it.each(programHeaders)('a program, and an address typed into a browser, is answered: %o', async (headers) => {
  expect(await rawRequest(cloud.endpoint, '/_flywheel/health', { headers })).toMatchObject({ status: 200 });
});

it("a program's signed request is answered", async () => {
  const headers = await signedHeaders(new URL(cloud.endpoint), 's3');
  expect(await rawRequest(cloud.endpoint, '/', { headers })).toMatchObject({ status: 200 });
});

describe("MiniStack's own routes", () => {
  it.each([
    ['GET', '/health'],
    ['GET', '/_ministack/health'],
    ['GET', '/_localstack/health'],
    ['GET', '/_ministack/ready'],
    ['GET', '/_ministack/sqs/messages'],
    ['GET', '/_ministack/ses/messages'],
    ['GET', '/_ministack/sns/sms-messages'],
    ['GET', '/_ministack/lambda-code/any'],
    ['GET', '/%5fministack/lambda-code/any'],
    ['GET', '/_ministack/cfn-response/token'],
    ['POST', '/_ministack/config'],
    ['POST', '/_ministack/rds/iam-auth'],
  ])('%s %s does not exist', async (method, path) => {
    const answer = await rawRequest(cloud.endpoint, path, { method, body: method === 'POST' ? '{}' : '' });
    expect(answer).toMatchObject({ status: 404, body: expect.stringContaining('has no route') });
  });

  it('nobody empties the account by one', async () => {
    const bucket = { Bucket: unique() };
    await cloud.s3.send(new CreateBucketCommand(bucket));
    expect(await rawRequest(cloud.endpoint, '/_ministack/reset', { method: 'POST' })).toMatchObject({ status: 404 });
    expect((await cloud.s3.send(new HeadBucketCommand(bucket))).$metadata.httpStatusCode).toBe(200);
  });

  it('a custom resource and a wait condition of CloudFormation still answer', async () => {
    const answer = (path: string) => rawRequest(cloud.endpoint, path, { method: 'PUT', body: '{}' });
    expect(await answer('/_ministack/cfn-response/unknown')).toMatchObject({ status: 200 });
    expect((await answer('/_ministack/cfn-signal/unknown')).body).toContain('unknown wait condition handle');
  });
});
