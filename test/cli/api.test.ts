/** What the command line sends to the HTTP API, and how it takes the answers. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import * as z from 'zod';
import { type Api, connectApi, demand, signingRegion } from '../../cli/api.ts';
import { routes } from '../../lambdas/contract/http.ts';

beforeEach(() => void vi.stubEnv('AWS_REGION', 'us-east-1'));
afterEach(() => void vi.unstubAllEnvs());

interface Received {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}
interface Answer {
  readonly status: number;
  readonly body: object;
}

/** An API that gives these answers in turn, and tells what it received. */
async function apiThatAnswers(...answers: readonly Answer[]): Promise<{ api: Api; received: readonly Received[] }> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const { method, url, headers } = request;
    received.push({ method, url, headers, body: await text(request) });
    const { status, body } = answers[received.length - 1] ?? { status: 500, body: {} };
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const api = connectApi(`http://127.0.0.1:${port}`, { accessKeyId: 'a', secretAccessKey: 's' });
  return { api, received };
}

const taken = { demandId: 'd1', requestedBy: 'arn:aws:iam::111122223333:user/ada', at: '2026-11-24T12:00:00.000Z' };
const decision = { decision: 'approve', reason: 'seen' };

describe('a demand', () => {
  it('is sent again under the same key while the API fails, and answers what was taken', async () => {
    const { api, received } = await apiThatAnswers({ status: 502, body: {} }, { status: 202, body: taken });
    expect(await demand(api, routes.decide, { project: 'flights', model: '3' }, decision)).toEqual(taken);
    expect(received.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'POST /projects/flights/models/3/decisions',
      'POST /projects/flights/models/3/decisions',
    ]);
    const [first, again] = received.map(({ headers }) => headers['idempotency-key']);
    expect(first).toMatch(/^[0-9a-f-]{36}$/);
    expect(again).toBe(first);
  });

  it('has a key of its own each time', async () => {
    const { api, received } = await apiThatAnswers({ status: 202, body: taken }, { status: 202, body: taken });
    for (let repeat = 0; repeat < 2; repeat++) await demand(api, routes.requestTraining, 'flights', { reason: 'x' });
    expect(new Set(received.map(({ headers }) => headers['idempotency-key'])).size).toBe(2);
  });

  it('is not repeated when it is refused, and says why', async () => {
    const problem = { error: 'Conflict', message: 'flights/3 awaits no approval: it is rejected' };
    const { api, received } = await apiThatAnswers({ status: 409, body: problem });
    const refused = demand(api, routes.decide, { project: 'flights', model: '3' }, decision);
    await expect(refused).rejects.toThrow('The API answered 409: flights/3 awaits no approval: it is rejected');
    expect(received).toHaveLength(1);
  });

  it('names the permission that is missing', async () => {
    const { api } = await apiThatAnswers({ status: 403, body: { message: 'Forbidden' } });
    await expect(demand(api, routes.requestTraining, 'flights', { reason: 'x' })).rejects.toThrow(
      'lacks execute-api:Invoke',
    );
  });
});

describe('a request is signed', () => {
  /** The user's settings: a profile with a region, and no region in a variable. */
  function profileIn(region: string): void {
    const folder = mkdtempSync(join(tmpdir(), 'flywheel-profile-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'config'), `[profile away]\nregion = ${region}\n`);
    vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'config'));
    vi.stubEnv('AWS_PROFILE', 'away');
    vi.stubEnv('AWS_REGION', undefined);
  }

  it.each([
    ['https://a1b2c3.execute-api.eu-west-1.amazonaws.com', 'eu-west-1'],
    ['https://a1b2c3.execute-api.cn-north-1.amazonaws.com.cn/', 'cn-north-1'],
  ])('for %s in the region that its host names, whatever the profile says', async (url, region) => {
    profileIn('sa-east-1');
    expect(await signingRegion(new URL(url))()).toBe(region);
  });

  it("for a host that names none in the region of the user's profile", async () => {
    profileIn('eu-central-1');
    const { api, received } = await apiThatAnswers({ status: 202, body: taken });
    await demand(api, routes.requestTraining, 'flights', { reason: 'x' });
    expect(received[0]?.headers.authorization).toContain('/eu-central-1/execute-api/aws4_request');
  });
});
