import type { ServerResponse } from 'node:http';
import { notImplemented, SageMakerError } from '../core/errors.ts';
import type { RuntimeHandler, ServerRequest } from '../core/server.ts';
import type { Endpoint } from './endpoint.ts';
import type { RunningVariant } from './fleet.ts';
import type { Hosting } from './hosting.ts';
import { InvokePermission } from './invoke-permission.ts';
import { type ContainerAnswer, InvocationTimeoutError } from './serving-process.ts';

/** InvokeEndpoint's limits on AWS: 25 MB in, 60 s for the container. */
const largestPayload = 25 * 1024 * 1024;
const invocationTimeoutMs = 60_000;
const longestOriginalMessage = 4096;

/** The container answered with an error, or not at all: SageMaker's ModelError. */
class ModelError extends SageMakerError {
  readonly details: {
    readonly OriginalStatusCode: number;
    readonly OriginalMessage: string;
    readonly LogStreamArn: string;
  };

  constructor(message: string, details: ModelError['details']) {
    super('ModelError', message, 424);
    this.details = details;
  }
}

/** Handles SageMaker Runtime: InvokeEndpoint; the other calls answer that they are not implemented. */
export function runtimeHandler(hosting: Hosting): RuntimeHandler {
  const permission = new InvokePermission();
  return async (core, request, response) => {
    const started = performance.now();
    try {
      const path = new URL(request.url, 'http://localhost').pathname;
      const [, name, call] = /^\/endpoints\/([^/]+)\/([a-z-]+)$/.exec(path) ?? [];
      if (request.method !== 'POST' || name === undefined)
        throw new SageMakerError('UnknownOperationException', `No call ${request.method} ${path}.`, 404);
      const caller = await core.access.identify(request);
      if (call === 'async-invocations') throw notImplemented('InvokeEndpointAsync is a call');
      if (call === 'invocations-response-stream') throw notImplemented('InvokeEndpointWithResponseStream is a call');
      if (call !== 'invocations')
        throw new SageMakerError('UnknownOperationException', `No call ${request.method} ${path}.`, 404);
      await permission.require(core.access, caller, hosting.endpoints.arn(caller, name));
      const endpoint = hosting.findEndpoint(caller, name);
      // An endpoint that is still being created is not known to the runtime, as on AWS.
      if (!endpoint || !['InService', 'Updating', 'RollingBack'].includes(endpoint.status)) {
        throw validationError(`Endpoint ${name} of account ${caller.account} not found.`);
      }
      await invoke(hosting, endpoint, request, response, started);
    } catch (error) {
      if (!(error instanceof SageMakerError)) throw error;
      sendError(response, error, request.requestId);
    }
  };
}

async function invoke(
  hosting: Hosting,
  endpoint: Endpoint,
  request: ServerRequest,
  response: ServerResponse,
  started: number,
): Promise<void> {
  if (request.body.length > largestPayload) {
    throw new SageMakerError(
      'ValidationError',
      `The request body has ${request.body.length} bytes, expected at most ${largestPayload}.`,
      413,
    );
  }
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
  const asked = performance.now();
  const answer = await variant.process
    .invoke(containerHeaders(request), body, invocationTimeoutMs)
    .catch((error: unknown) => {
      if (error instanceof Error) return error;
      throw error;
    });
  const answered = performance.now();
  const good = !(answer instanceof Error) && answer.status >= 200 && answer.status < 300;
  if (good) {
    sendAnswer(response, answer, variant, request.requestId);
    capture(hosting, endpoint, variant, request, body, answer);
  }
  hosting.measure(endpoint.resource.scope, {
    endpoint: endpoint.resource.name,
    variant: variant.settings.name,
    instances: variant.settings.instances,
    status: answer instanceof Error ? 0 : answer.status,
    modelLatency: answer instanceof Error ? undefined : microseconds(answered - asked),
    overheadLatency: microseconds(asked - started + (performance.now() - answered)),
  });
  if (!good) throw modelError(endpoint, variant, answer);
}

function sendAnswer(
  response: ServerResponse,
  answer: ContainerAnswer,
  variant: RunningVariant,
  requestId: string,
): void {
  const custom = answer.headers['x-amzn-sagemaker-custom-attributes'];
  response.writeHead(200, {
    'content-type': answer.headers['content-type'] ?? 'application/octet-stream',
    'content-length': answer.body.length,
    'x-amzn-requestid': requestId,
    'x-Amzn-Invoked-Production-Variant': variant.settings.name,
    ...(custom !== undefined && { 'X-Amzn-SageMaker-Custom-Attributes': custom }),
  });
  response.end(answer.body);
}

function capture(
  hosting: Hosting,
  endpoint: Endpoint,
  variant: RunningVariant,
  request: ServerRequest,
  body: Buffer,
  answer: ContainerAnswer,
): void {
  const config = variant.fleet.config.capture;
  if (!config) return;
  hosting.captures.add({
    config,
    endpoint: endpoint.resource,
    variant: variant.settings.name,
    roleArn: variant.settings.model.roleArn,
    invocation: {
      at: new Date(hosting.clock.now()),
      input: { contentType: request.headers['content-type'] ?? 'application/octet-stream', body },
      output: { contentType: answer.headers['content-type'] ?? 'application/octet-stream', body: answer.body },
      inferenceId: text(request.headers['x-amzn-sagemaker-inference-id']),
      customAttributes: text(request.headers['x-amzn-sagemaker-custom-attributes']),
    },
  });
}

/** What of a request reaches the container: its type, what it accepts, and the headers of SageMaker's own. */
function containerHeaders({ headers, requestId }: ServerRequest): Record<string, string> {
  const passed = Object.entries(headers).filter(
    ([name]) => name === 'content-type' || name === 'accept' || name.startsWith('x-amzn-sagemaker-'),
  );
  return { ...Object.fromEntries(passed.map(([name, value]) => [name, String(value)])), 'x-amzn-requestid': requestId };
}

function modelError(endpoint: Endpoint, variant: RunningVariant, answer: ContainerAnswer | Error): SageMakerError {
  const { name, scope } = endpoint.resource;
  const group = `/aws/sagemaker/Endpoints/${name}`;
  const console = `https://${scope.region}.console.aws.amazon.com/cloudwatch/home?region=${scope.region}#logEventViewer:group=${group}`;
  const more = `See ${console} in account ${scope.account} for more information.`;
  const status = answer instanceof Error ? 0 : answer.status;
  const said = originalMessage(answer);
  const kind = status === 0 || status >= 500 ? 'server' : 'client';
  return new ModelError(`Received ${kind} error (${status}) from primary with message "${said}". ${more}`, {
    OriginalStatusCode: status,
    OriginalMessage: said,
    LogStreamArn: `arn:aws:logs:${scope.region}:${scope.account}:log-group:${group}:log-stream:${variant.logStream}`,
  });
}

function originalMessage(answer: ContainerAnswer | Error): string {
  if (answer instanceof InvocationTimeoutError) {
    return (
      'Your invocation timed out while waiting for a response from container primary. Review the latency metrics for each container ' +
      'in Amazon CloudWatch, resolve the issue, and try again.'
    );
  }
  if (answer instanceof Error) return `The container primary gave no answer: ${answer.message}`;
  return answer.body.toString('utf8').slice(0, longestOriginalMessage);
}

function sendError(response: ServerResponse, error: SageMakerError, requestId: string): void {
  const body = JSON.stringify({ Message: error.message, ...(error instanceof ModelError && error.details) });
  response.writeHead(error.status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'x-amzn-errortype': error.code,
    'x-amzn-requestid': requestId,
  });
  response.end(body);
}

function validationError(message: string): SageMakerError {
  return new SageMakerError('ValidationError', message);
}

function text(value: string | string[] | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}

function microseconds(ms: number): number {
  return Math.round(ms * 1000);
}
