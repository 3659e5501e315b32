import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerRequest } from '../core/server.ts';
import type { Endpoint } from './endpoint.ts';
import { modelStreamError, payloadPart } from './event-stream.ts';
import type { RunningVariant } from './fleet.ts';
import type { HostedResources } from './hosted-resources.ts';
import { admit, answerHeaders, asError, containerHeaders, measure } from './invoke.ts';
import { modelError } from './runtime-errors.ts';
import { type ContainerAnswer, InvocationTimeoutError, readAll } from './serving-process.ts';

/** Time that a container has for a whole streamed answer. */
const streamTimeoutMs = 8 * 60_000;

/**
 * InvokeEndpointWithResponseStream: each part of the container's answer as an event, as soon as it comes. Streamed answers are not captured.
 * @throws SageMakerError when the container's answer is an error; one that breaks off later ends the stream with ModelStreamError
 */
export async function invokeStreaming(
  hosted: HostedResources,
  endpoint: Endpoint,
  request: ServerRequest,
  response: ServerResponse,
  started: number,
): Promise<void> {
  const { variant, body } = await admit(endpoint, request);
  const { 'x-amzn-sagemaker-accept': accept, ...headers } = containerHeaders(request);
  const asked = performance.now();
  const outcome = await variant.process
    .call({ ...headers, ...(accept !== undefined && { accept }) }, body, streamTimeoutMs, (answer) =>
      pass(answer, response, variant, request.requestId),
    )
    .catch(asError);
  const broke = outcome instanceof Error && response.headersSent;
  if (broke) {
    const code = outcome instanceof InvocationTimeoutError ? 'ModelInvocationTimeExceeded' : 'StreamBroken';
    response.end(modelStreamError(`The answer of container primary broke off: ${outcome.message}`, code));
  }
  const status = outcome instanceof Error ? 0 : outcome.status;
  measure(hosted, endpoint, variant, status, { started, asked, answered: performance.now() });
  if (!broke && (status < 200 || status > 299)) throw modelError(endpoint, variant, outcome);
}

/** Passes a good answer on part by part; reads an error whole. */
async function pass(
  answer: IncomingMessage,
  response: ServerResponse,
  variant: RunningVariant,
  requestId: string,
): Promise<ContainerAnswer> {
  const { headers, statusCode: status = 0 } = answer;
  if (status < 200 || status > 299) return { status, headers, body: await readAll(answer) };
  response.writeHead(200, {
    ...answerHeaders(headers, variant, requestId),
    'content-type': 'application/vnd.amazon.eventstream',
    'X-Amzn-SageMaker-Content-Type': headers['content-type'] ?? 'application/octet-stream',
  });
  for await (const part of answer) {
    // A slow client slows the container down; one that has gone ends the call.
    if (response.destroyed) break;
    if (!response.write(payloadPart(part))) await Promise.race([once(response, 'drain'), once(response, 'close')]);
  }
  response.end();
  return { status, headers, body: Buffer.alloc(0) };
}
