/** What the functions have in common that take a demand of a person over the HTTP API: who asks, for what, and under which id. */
import { createHash, randomUUID } from 'node:crypto';
import * as z from 'zod/mini';
import { type demandAnswer, IDEMPOTENCY_KEY, idempotencyKey } from '../contract/http.ts';
import { type HttpAnswer, HttpProblem, type HttpRequest } from './http-handler.ts';
import { parseJsonBody } from './json-body.ts';

export interface Demand<Body> {
  /** Never from the request's own words: the ARN that API Gateway's IAM authorizer put into the event. */
  readonly requestedBy: string;
  readonly demandId: string;
  readonly body: Body;
}

/**
 * @param purpose what it is a demand for: the same key means another demand for another purpose
 * @param expected an example of the body, for who sent another
 * @throws HttpProblem 403 without an IAM identity, 400 for another body
 */
export function demandOf<Schema extends z.ZodMiniType>(
  request: HttpRequest,
  purpose: string,
  schema: Schema,
  expected: string,
): Demand<z.infer<Schema>> {
  const { caller } = request;
  if (caller === undefined)
    throw new HttpProblem(403, 'the request has no IAM identity: this route needs the IAM authorizer of the API');
  const parsed = schema.safeParse(request.body === '' ? {} : parseJsonBody(request.body));
  if (!parsed.success) throw new HttpProblem(400, `expected ${expected}: ${z.prettifyError(parsed.error)}`);
  return { requestedBy: caller, demandId: demandId(request, purpose, caller), body: parsed.data };
}

/** A client's key means the demand of this caller on this resource only: nobody meets another one's key. */
function demandId({ headers, parameters }: HttpRequest, purpose: string, caller: string): string {
  const key = headers[IDEMPOTENCY_KEY];
  if (key === undefined) return randomUUID();
  if (!idempotencyKey.safeParse(key).success)
    throw new HttpProblem(
      400,
      `got the ${IDEMPOTENCY_KEY} ${key}, expected up to 128 letters, digits or any of . _ : -`,
    );
  const identity = JSON.stringify([purpose, caller, Object.entries(parameters).sort(), key]);
  return createHash('sha256').update(identity).digest('hex').slice(0, 32);
}

export const accepted = ({ requestedBy, demandId: id }: Demand<unknown>, at: string): HttpAnswer => ({
  status: 202,
  body: { demandId: id, requestedBy, at } satisfies z.input<typeof demandAnswer>,
});
