import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { SageMakerError } from '../core/errors.ts';
import type { ServerRequest } from '../core/server.ts';
import type { Endpoint } from './endpoint.ts';
import type { RunningVariant } from './fleet.ts';
import type { HostedResources } from './hosted-resources.ts';
import { modelError, validationError } from './runtime-errors.ts';
import type { ContainerAnswer } from './serving-process.ts';

/** InvokeEndpoint's limits on AWS: 25 MB in, 60 s for the container. */
const largestPayload = 25 * 1024 * 1024;
const invocationTimeoutMs = 60_000;

/** InvokeEndpoint: the container's whole answer, or SageMaker's error for it. @throws SageMakerError */
export async function invoke(
  hosted: HostedResources,
  endpoint: Endpoint,
  request: ServerRequest,
  response: ServerResponse,
  started: number,
): Promise<void> {
  const { variant, body } = await admit(endpoint, request);
  const asked = performance.now();
  const answer = await variant.process.invoke(containerHeaders(request), body, invocationTimeoutMs).catch(asError);
  const answered = performance.now();
  const good = !(answer instanceof Error) && answer.status >= 200 && answer.status < 300;
  if (good) {
    sendAnswer(response, answer, variant, request.requestId);
    capture(hosted, endpoint, variant, request, body, answer);
  }
  const status = answer instanceof Error ? 0 : answer.status;
  measure(hosted, endpoint, variant, status, { started, asked, answered });
  if (!good) throw modelError(endpoint, variant, answer);
}

/** The variant that answers a request, and its body. @throws SageMakerError when the request is too large or no variant takes it */
export async function admit(
  endpoint: Endpoint,
  request: ServerRequest,
): Promise<{ variant: RunningVariant; body: Buffer }> {
  if (request.body.length > largestPayload) {
    throw new SageMakerError(
      'ValidationError',
      `The request body has ${request.body.length} bytes, expected at most ${largestPayload}.`,
      413,
    );
  }
  refuseTargets(endpoint, request);
  await endpoint.restored;
  const wanted = text(request.headers['x-amzn-sagemaker-target-variant']);
  const variant = endpoint.route(wanted);
  if (!variant) {
    if (wanted === undefined)
      throw new SageMakerError(
        'ServiceUnavailable',
        `Endpoint ${endpoint.resource.name} has no variant that takes requests.`,
        503,
      );
    throw validationError(`Variant ${wanted} not found for Endpoint ${endpoint.resource.name}.`);
  }
  const body = Buffer.from(request.body.buffer, request.body.byteOffset, request.body.length);
  return { variant, body };
}

/**
 * What a request may aim at in endpoints of other kinds. The first text is SageMaker's (aws/amazon-sagemaker-examples#1026), the
 * others follow it.
 */
const targets: Readonly<Record<string, string>> = {
  'target-model': 'is not a multi-model endpoint and does not support target model header',
  'target-container-hostname':
    'is not a multi-container endpoint with direct invocation and does not support target container hostname header',
  'inference-component': 'has no inference components and does not support inference component name header',
};

function refuseTargets(endpoint: Endpoint, { headers }: ServerRequest): void {
  for (const [name, why] of Object.entries(targets)) {
    if (headers[`x-amzn-sagemaker-${name}`] === undefined) continue;
    throw validationError(`Endpoint ${endpoint.resource.name} ${why}.`);
  }
}

/** Counts an invocation; times in ms. `status` 0 means that the container gave no answer. */
export function measure(
  hosted: HostedResources,
  endpoint: Endpoint,
  variant: RunningVariant,
  status: number,
  times: { readonly started: number; readonly asked: number; readonly answered: number },
): void {
  const { started, asked, answered } = times;
  hosted.measure(endpoint.resource.scope, {
    endpoint: endpoint.resource.name,
    variant: variant.settings.name,
    config: variant.fleet.config.configName,
    instances: variant.settings.instances,
    status,
    modelLatency: status === 0 ? undefined : microseconds(answered - asked),
    overheadLatency: microseconds(asked - started + (performance.now() - answered)),
  });
}

/** What of a request reaches the container: its type, what it accepts, and the headers of SageMaker's own. */
export function containerHeaders({ headers, requestId }: ServerRequest): Record<string, string> {
  const passed = Object.entries(headers).filter(
    ([name]) => name === 'content-type' || name === 'accept' || name.startsWith('x-amzn-sagemaker-'),
  );
  return { ...Object.fromEntries(passed.map(([name, value]) => [name, String(value)])), 'x-amzn-requestid': requestId };
}

/** Headers of a container that SageMaker gives to the client. */
const passedOn = [
  'X-Amzn-SageMaker-Custom-Attributes',
  'X-Amzn-SageMaker-New-Session-Id',
  'X-Amzn-SageMaker-Closed-Session-Id',
];

/** Headers of every good answer. */
export function answerHeaders(
  headers: IncomingHttpHeaders,
  variant: RunningVariant,
  requestId: string,
): Record<string, string> {
  const passed = passedOn.filter((name) => headers[name.toLowerCase()] !== undefined);
  return {
    'x-amzn-requestid': requestId,
    'x-Amzn-Invoked-Production-Variant': variant.settings.name,
    ...Object.fromEntries(passed.map((name) => [name, String(headers[name.toLowerCase()])])),
  };
}

/** For what is told to the client as an answer; anything but an Error is a fault of this server. */
export function asError(error: unknown): Error {
  if (error instanceof Error) return error;
  throw error;
}

function sendAnswer(
  response: ServerResponse,
  answer: ContainerAnswer,
  variant: RunningVariant,
  requestId: string,
): void {
  response.writeHead(200, {
    ...answerHeaders(answer.headers, variant, requestId),
    'content-type': answer.headers['content-type'] ?? 'application/octet-stream',
    'content-length': answer.body.length,
  });
  response.end(answer.body);
}

function capture(
  hosted: HostedResources,
  endpoint: Endpoint,
  variant: RunningVariant,
  request: ServerRequest,
  body: Buffer,
  answer: ContainerAnswer,
): void {
  const config = variant.fleet.config.capture;
  if (!config) return;
  hosted.captures.add({
    config,
    endpoint: endpoint.resource,
    variant: variant.settings.name,
    roleArn: variant.settings.model.roleArn,
    invocation: {
      at: new Date(hosted.clock.now()),
      input: { contentType: request.headers['content-type'] ?? 'application/octet-stream', body },
      output: { contentType: answer.headers['content-type'] ?? 'application/octet-stream', body: answer.body },
      inferenceId: text(request.headers['x-amzn-sagemaker-inference-id']),
      customAttributes: text(request.headers['x-amzn-sagemaker-custom-attributes']),
    },
  });
}

function text(value: string | string[] | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}

function microseconds(ms: number): number {
  return Math.round(ms * 1000);
}
