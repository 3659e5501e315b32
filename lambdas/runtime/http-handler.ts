/** The composition root of a function behind the HTTP API: answers in JSON, and every refusal says what to do. */
import { Logger } from '@aws-lambda-powertools/logger';
import * as z from 'zod/mini';
import type { EnvironmentOf, FunctionName } from '../contract/env.ts';
import type { problem } from '../contract/http.ts';
import { type Context, makeContext } from './event-handler.ts';
import { findProject } from './settings.ts';

export interface HttpRequest {
  readonly project: string;
  /** Of the route's path, the project among them. */
  readonly parameters: Readonly<Record<string, string>>;
  /** ARN of the caller, from API Gateway's IAM authorizer; undefined for a request that no authorizer let in. */
  readonly caller: string | undefined;
  /** Lower-case header names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}
export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Thrown by a handler; becomes the answer. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly status: number;
  readonly details: Partial<z.infer<typeof problem>>;
  readonly headers: Readonly<Record<string, string>>;
  constructor(
    status: number,
    message: string,
    details: Partial<z.infer<typeof problem>> = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.status = status;
    this.details = details;
    this.headers = headers;
  }
}

/**
 * API Gateway's HTTP API, payload format 2.0. `authorizer.iam` is written by the IAM authorizer alone (as in aws-lambda-go's
 * APIGatewayV2HTTPRequestContextAuthorizerIAMDescription): another authorizer fills another field, none leaves it out.
 */
const proxyEvent = z.object({
  pathParameters: z.catchall(z.object({ project: z.string() }), z.string()),
  requestContext: z.optional(
    z.object({
      authorizer: z.optional(
        z.nullable(z.object({ iam: z.optional(z.nullable(z.object({ userArn: z.nullish(z.string()) }))) })),
      ),
    }),
  ),
  headers: z._default(z.record(z.string(), z.optional(z.string())), {}),
  body: z._default(z.string(), ''),
  isBase64Encoded: z._default(z.boolean(), false),
});

export interface HttpFunction<Name extends FunctionName, Services> {
  readonly name: Name;
  readonly services: (environment: EnvironmentOf<Name>) => Services;
  /** Called for a project of this environment only. */
  readonly handle: (request: HttpRequest, context: Context<Services>) => Promise<HttpAnswer>;
}

export function httpHandler<Name extends FunctionName, Services>(definition: HttpFunction<Name, Services>) {
  let context: Context<Services> | undefined;
  const log = new Logger({ serviceName: definition.name });
  return async (event: unknown) => {
    try {
      context ??= makeContext(definition.name, definition.services, log);
      const request = parseRequest(event);
      if (!findProject(context.settings, request.project)) {
        const known = context.settings.projects.map((project) => project.name).join(', ');
        throw new HttpProblem(404, `there is no project ${request.project}; this environment has: ${known || 'none'}`);
      }
      return proxyAnswer(await definition.handle(request, context));
    } catch (error) {
      if (error instanceof HttpProblem) {
        const body = { error: errorNames[error.status] ?? 'Error', message: error.message, ...error.details };
        return proxyAnswer({ status: error.status, headers: error.headers, body });
      }
      log.error('the request was not answered', error instanceof Error ? error : new Error(String(error)));
      return proxyAnswer({
        status: 500,
        body: {
          error: 'InternalError',
          message: 'the request failed for a reason that is in the log of this function',
        },
      });
    }
  };
}

const errorNames: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  413: 'PayloadTooLarge',
  415: 'UnsupportedMediaType',
  502: 'ModelError',
  503: 'NotReady',
};

export function parseRequest(event: unknown): HttpRequest {
  const parsed = proxyEvent.parse(event);
  const headers = Object.entries(parsed.headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name.toLowerCase(), value] as const],
  );
  return {
    project: parsed.pathParameters.project,
    parameters: parsed.pathParameters,
    caller: parsed.requestContext?.authorizer?.iam?.userArn ?? undefined,
    headers: Object.fromEntries(headers),
    body: parsed.isBase64Encoded ? Buffer.from(parsed.body, 'base64').toString('utf8') : parsed.body,
  };
}

function proxyAnswer(answer: HttpAnswer) {
  return {
    statusCode: answer.status,
    headers: { 'content-type': 'application/json', ...answer.headers },
    body: JSON.stringify(answer.body),
  };
}
