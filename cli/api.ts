/** The HTTP API of an environment: requests signed as `execute-api`, answers parsed. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Sha256 } from '@aws-crypto/sha256-js';
import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { fromNodeProviderChain } from '@aws-sdk/credential-providers';
import { SignatureV4 } from '@smithy/signature-v4';
import type * as z from 'zod';
import { demandAnswer, IDEMPOTENCY_KEY, predictionAnswer, problem, routes } from '../lambdas/contract/http.ts';
import { CommandFailed, exitCodes } from './failure.ts';

export interface ApiAnswer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: unknown;
}

type Credentials = ConstructorParameters<typeof SignatureV4>[0]['credentials'];
type Route = (typeof routes)[keyof typeof routes];
/** Of a route's path: the project alone, or each by its name. */
type Parameters = string | Readonly<Record<string, string>>;

export interface Api {
  request(route: Route, parameters: Parameters, body?: Body): Promise<ApiAnswer>;
}
export interface Body {
  readonly text: string;
  readonly type: 'application/json' | 'text/csv';
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * @param apiUrl without a slash at its end; a path in it belongs to every request
 * @param credentials of whom the API is to know as the caller
 */
export function connectApi(apiUrl: string, credentials: Credentials = fromNodeProviderChain()): Api {
  const base = new URL(apiUrl);
  const signer = new SignatureV4({
    service: 'execute-api',
    region: signingRegion(base),
    credentials,
    sha256: Sha256,
  });
  return {
    async request({ method, path }, parameters, body) {
      const url = new URL(base.pathname.replace(/\/$/, '') + filled(path, parameters), base);
      const signed = await signer.sign({
        method,
        protocol: url.protocol,
        hostname: url.hostname,
        ...(url.port && { port: Number(url.port) }),
        path: url.pathname,
        query: {},
        headers: { host: url.host, ...body?.headers, ...(body && { 'content-type': body.type }) },
        ...(body && { body: body.text }),
      });
      const answer = await fetch(url, { method, headers: signed.headers, ...(body && { body: body.text }) });
      const text = await answer.text();
      return { status: answer.status, retryAfter: answer.headers.get('retry-after'), body: parseBody(text) };
    },
  };
}

/**
 * Of the default address of an API, `ID.execute-api.REGION.amazonaws.com` (in China `.amazonaws.com.cn`), the region in it: a
 * signature for another is refused. Of another address (that of the laptop cloud) what the SDK finds in variables and profile.
 */
export function signingRegion({ hostname }: URL): () => Promise<string> {
  const region = /^[^.]+\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$/.exec(hostname)?.[1];
  return region === undefined ? new CloudFormationClient({}).config.region : async () => region;
}

function filled(path: string, parameters: Parameters): string {
  const values = typeof parameters === 'string' ? { project: parameters } : parameters;
  return Object.entries(values).reduce(
    (all, [name, value]) => all.replace(`{${name}}`, encodeURIComponent(value)),
    path,
  );
}

/**
 * Asks for a step that the platform takes in its own time. A demand whose answer was lost is sent again with the same key,
 * and so is taken once.
 * @throws CommandFailed with what the API says about a demand that it did not take
 */
export async function demand(
  api: Api,
  route: Route,
  parameters: Parameters,
  json: object,
): Promise<z.infer<typeof demandAnswer>> {
  const headers = { [IDEMPOTENCY_KEY]: randomUUID() };
  const body: Body = { text: JSON.stringify(json), type: 'application/json', headers };
  for (let attempt = 1; ; attempt++) {
    const answer = await api.request(route, parameters, body).catch((error: Error) => error);
    if (!(answer instanceof Error) && answer.status === 202) return demandAnswer.parse(answer.body);
    const mayPass = answer instanceof Error || answer.status === 429 || answer.status >= 500;
    if (!mayPass || attempt === DEMAND_ATTEMPTS) throw answer instanceof Error ? answer : refusal(answer);
    await pause(DEMAND_PAUSE_MS * attempt);
  }
}

const DEMAND_ATTEMPTS = 3;
const DEMAND_PAUSE_MS = 500;

/** @throws CommandFailed with what the API says about a request that it did not fulfil */
export async function predict(api: Api, project: string, body: Body): Promise<z.infer<typeof predictionAnswer>> {
  const answer = await api.request(routes.predict, project, body);
  if (answer.status === 200) return predictionAnswer.parse(answer.body);
  throw refusal(answer);
}

function refusal({ status, retryAfter, body }: ApiAnswer): CommandFailed {
  const parsed = problem.safeParse(body);
  const { message, violations = [] } = parsed.success ? parsed.data : { message: JSON.stringify(body) };
  // API Gateway's own answer has no more than "Forbidden".
  const why = status === 403 && !parsed.success ? ' Your role lacks execute-api:Invoke on this route.' : '';
  const lines = violations.map(({ row, column, rule }) => `  row ${row}, ${column}: ${rule}`);
  const again = status === 503 && retryAfter ? ` Try again in ${retryAfter} s.` : '';
  const missing = status === 404 || status === 409 || status === 503;
  return new CommandFailed(
    [`The API answered ${status}: ${message}${again}${why}`, ...lines].join('\n'),
    missing ? exitCodes.notFound : exitCodes.failed,
  );
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A gateway in between may answer in plain text; it is shown as it is.
    return text;
  }
}
