/** The HTTP API of an environment: requests signed as `execute-api`, answers parsed. */
import { Sha256 } from '@aws-crypto/sha256-js';
import { fromNodeProviderChain } from '@aws-sdk/credential-providers';
import { SignatureV4 } from '@smithy/signature-v4';
import type * as z from 'zod';
import { predictionAnswer, problem, routes } from '../lambdas/contract/http.ts';
import { CommandFailed, exitCodes } from './failure.ts';

export interface ApiAnswer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: unknown;
}

export interface Api {
  request(route: { method: string; path: string }, project: string, body?: Body): Promise<ApiAnswer>;
}
export interface Body {
  readonly text: string;
  readonly type: 'application/json' | 'text/csv';
}

/** @param apiUrl without a slash at its end; a path in it belongs to every request */
export function connectApi(apiUrl: string, region = process.env.AWS_REGION ?? 'us-east-1'): Api {
  const base = new URL(apiUrl);
  const signer = new SignatureV4({
    service: 'execute-api',
    region,
    credentials: fromNodeProviderChain(),
    sha256: Sha256,
  });
  return {
    async request({ method, path }, project, body) {
      const url = new URL(
        base.pathname.replace(/\/$/, '') + path.replace('{project}', encodeURIComponent(project)),
        base,
      );
      const signed = await signer.sign({
        method,
        protocol: url.protocol,
        hostname: url.hostname,
        ...(url.port && { port: Number(url.port) }),
        path: url.pathname,
        query: {},
        headers: { host: url.host, ...(body && { 'content-type': body.type }) },
        ...(body && { body: body.text }),
      });
      const answer = await fetch(url, { method, headers: signed.headers, ...(body && { body: body.text }) });
      const text = await answer.text();
      return { status: answer.status, retryAfter: answer.headers.get('retry-after'), body: parseBody(text) };
    },
  };
}

/** @throws CommandFailed with what the API says about a request that it did not fulfil */
export async function predict(api: Api, project: string, body: Body): Promise<z.infer<typeof predictionAnswer>> {
  const answer = await api.request(routes.predict, project, body);
  if (answer.status === 200) return predictionAnswer.parse(answer.body);
  throw refusal(answer);
}

function refusal({ status, retryAfter, body }: ApiAnswer): CommandFailed {
  const parsed = problem.safeParse(body);
  const { message, violations = [] } = parsed.success ? parsed.data : { message: JSON.stringify(body) };
  const lines = violations.map(({ row, column, rule }) => `  row ${row}, ${column}: ${rule}`);
  const again = status === 503 && retryAfter ? ` Try again in ${retryAfter} s.` : '';
  const missing = status === 404 || status === 503;
  return new CommandFailed(
    [`The API answered ${status}: ${message}${again}`, ...lines].join('\n'),
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
