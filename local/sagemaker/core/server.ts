import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import * as z from 'zod';
import { answerAdmin } from './admin.ts';
import { knowsSecret, refusalOf, secretHeader } from './callers.ts';
import type { Core } from './core.ts';
import { internalFailure, notImplemented, SageMakerError } from './errors.ts';
import { type Fields, isFields } from './fields.ts';
import type { Call, Operation, Operations } from './operation.ts';
import type { SignedRequest } from './signature.ts';
import { checkTags } from './tags.ts';
import { serializationException, validateInput } from './validator.ts';

/** A request with its body read. */
export interface ServerRequest extends SignedRequest {
  readonly requestId: string;
}

/** Answers a request of SageMaker Runtime, `/endpoints/…`, its errors included. */
export type RuntimeHandler = (core: Core, request: ServerRequest, response: ServerResponse) => Promise<void>;

export interface ServerParts {
  readonly operations: Operations;
  readonly runtime: RuntimeHandler;
}

const fields = z.record(z.string(), z.unknown());
const targetPrefix = 'SageMaker.';
const adminPrefix = '/_flywheel/';
/** Says nothing that others may not know. */
const openRoute = 'GET health';
/** Bytes; async inference and InvokeEndpoint take at most 25 MB, control-plane requests far less. */
const largestBody = 32 * 1024 * 1024;

/** SageMaker's two services on one port, told apart by path: the control plane (`POST /`) and the runtime (`/endpoints/…`). */
export function createSageMakerServer(core: Core, parts: ServerParts): Server {
  return createServer((message, response) => {
    answer(core, parts, message, response).catch((error: unknown) => {
      core.log(`${message.method} ${message.url}: ${error instanceof Error ? error.stack : error}`);
      if (!response.headersSent) sendError(response, internalFailure(), randomUUID());
      else response.destroy();
    });
  });
}

async function answer(core: Core, parts: ServerParts, message: IncomingMessage, response: ServerResponse) {
  const { method = 'GET', url = '/', headers } = message;
  const refusal = refusalOf(method, headers);
  if (refusal !== undefined) {
    // The body is not read: the connection ends with the answer.
    response.shouldKeepAlive = false;
    send(response, 403, { Message: refusal }, randomUUID());
    return;
  }
  const body = await readBody(message).catch((error: unknown) => {
    if (error instanceof SageMakerError) return error;
    throw error;
  });
  if (body instanceof SageMakerError) {
    // The rest of the body is not read: the connection ends with the answer.
    response.shouldKeepAlive = false;
    sendError(response, body, randomUUID());
    return;
  }
  const request = { method, url, headers, body, requestId: randomUUID() };
  if (url.startsWith(adminPrefix)) return answerLocalProgram(core, request, response);
  if (url.startsWith('/endpoints/')) return parts.runtime(core, request, response);
  try {
    if (method !== 'POST' || url !== '/') throw unknownOperation(`${method} ${url}`);
    send(response, 200, await callOperation(core, parts.operations, request), request.requestId);
  } catch (error) {
    if (!(error instanceof SageMakerError)) throw error;
    sendError(response, error, request.requestId);
  }
}

async function callOperation(core: Core, operations: Operations, request: ServerRequest) {
  const target = String(request.headers['x-amz-target'] ?? '');
  const name = target.startsWith(targetPrefix) ? target.slice(targetPrefix.length) : '';
  if (!core.model.hasOperation(name)) throw unknownOperation(target, core.model.source);
  const caller = await core.access.identify(request);
  const operation = Object.hasOwn(operations, name) ? operations[name] : undefined;
  if (!operation) throw notImplemented(`${name} is an operation of SageMaker`);
  const given = parseBody(request.body);
  validateInput(core.model, name, given);
  const input = withoutNulls(given);
  checkTags(input.Tags);
  const { accessKeyId, ...identity } = caller;
  const call: Call = { ...identity, input, requestId: request.requestId };
  await authorize(core, accessKeyId, name, operation, call);
  return operation.handle(call);
}

async function authorize(core: Core, accessKeyId: string, name: string, operation: Operation, call: Call) {
  const caller = { accessKeyId, region: call.region };
  const resources = operation.resources(call);
  const tags = call.input.Tags;
  const createsTags = name !== 'AddTags' && Array.isArray(tags) && tags.length > 0;
  const passed = { 'iam:PassedToService': ['sagemaker.amazonaws.com'] };
  // One after the other: a caller without permission gets the same refusal each time.
  for (const resource of resources) await core.access.require(caller, `sagemaker:${name}`, resource);
  if (createsTags) for (const resource of resources) await core.access.require(caller, 'sagemaker:AddTags', resource);
  for (const role of operation.roles(call)) await core.access.require(caller, 'iam:PassRole', role, passed);
}

function answerLocalProgram(core: Core, request: ServerRequest, response: ServerResponse): void {
  const name = `${request.method} ${request.url.slice(adminPrefix.length)}`;
  if (name !== openRoute && !knowsSecret(request.headers, core.secret)) {
    const Message = `${request.url}: the header ${secretHeader} is not the secret of this cloud.`;
    send(response, 403, { Message }, request.requestId);
    return;
  }
  const body = request.body.length === 0 ? {} : parseBody(request.body);
  const answered = answerAdmin(core, name, body);
  send(response, answered.status, answered.body, request.requestId);
}

/** @param source where the known operations are from: an operation may be newer than it */
function unknownOperation(what: string, source?: string): SageMakerError {
  const known = source === undefined ? '' : ` It is not in the service model of ${source}; a newer one knows more.`;
  return new SageMakerError('UnknownOperationException', `SageMaker has no operation '${what}'.${known}`, 404);
}

/** JSON null is a member that was left out, in every place but a list. */
function withoutNulls(fields: Fields): Record<string, unknown> {
  const present = Object.entries(fields).filter(([, value]) => value !== null);
  const clean = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(clean);
    return isFields(value) ? withoutNulls(value) : value;
  };
  return Object.fromEntries(present.map(([name, value]) => [name, clean(value)]));
}

function parseBody(body: Uint8Array): Record<string, unknown> {
  if (body.length === 0) return {};
  try {
    return fields.parse(JSON.parse(Buffer.from(body).toString('utf8')));
  } catch {
    throw serializationException('The request body is not a JSON object.');
  }
}

async function readBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > largestBody) {
      throw new SageMakerError(
        'RequestEntityTooLargeException',
        `The request body has more than ${largestBody} bytes.`,
        413,
      );
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function send(response: ServerResponse, status: number, body: unknown, requestId: string): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/x-amz-json-1.1',
    'content-length': Buffer.byteLength(text),
    'x-amzn-requestid': requestId,
  });
  response.end(text);
}

function sendError(response: ServerResponse, error: SageMakerError, requestId: string): void {
  // The control plane's clients read the code in the body, the runtime's in this header.
  response.setHeader('x-amzn-errortype', error.code);
  send(response, error.status, { __type: error.code, Message: error.message }, requestId);
}
