/** What SageMaker's runtime answers instead of a prediction, in its own wire format, and what becomes of it. */
import { createServer } from 'node:http';
import { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { predict } from '../../lambdas/handlers/predict.ts';
import { inferenceGateway } from '../../lambdas/stores/inference-gateway.ts';
import { handlerContext } from '../support/context.ts';
import { environmentSettings, projectSettings } from '../support/project.ts';

/** A runtime that gives every call this answer: REST-JSON, the error's name in a header. */
async function runtimeThatAnswers(status: number, type: string, body: object): Promise<SageMakerRuntimeClient> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(status, { 'content-type': 'application/json', 'x-amzn-errortype': type });
      response.end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = z.object({ port: z.number() }).parse(server.address());
  return new SageMakerRuntimeClient({ endpoint: `http://127.0.0.1:${port}`, maxAttempts: 1 });
}

const request = {
  project: 'flights',
  parameters: { project: 'flights' },
  caller: undefined,
  headers: {},
  body: JSON.stringify({ delay: 1, carrier: 'UA' }),
};

/** The problem that a client is answered when the runtime answers so. */
async function answered(status: number, type: string, body: object = { message: 'in words of AWS' }): Promise<unknown> {
  const inference = inferenceGateway(await runtimeThatAnswers(status, type, body));
  const context = handlerContext({ inference }, { settings: environmentSettings([projectSettings()]) });
  return predict(request, context).catch((error: unknown) => error);
}

describe('a client is answered', () => {
  it.each([
    [500, 'InternalFailure'],
    [530, 'InternalDependencyException'],
    [503, 'ServiceUnavailable'],
    [400, 'ThrottlingException'],
    [429, 'TooManyRequestsException'],
  ])('503 and when to repeat it, when SageMaker itself has %s %s', async (status, type) => {
    expect(await answered(status, type)).toMatchObject({
      status: 503,
      headers: { 'retry-after': '5' },
      details: { error: 'Unavailable' },
      message: expect.stringContaining(type),
    });
  });

  it.each([
    [400, 'ValidationError'],
    [429, 'ModelNotReadyException'],
  ])('503 and to wait longer, while there is no endpoint in service (%s %s)', async (status, type) => {
    expect(await answered(status, type)).toMatchObject({
      status: 503,
      headers: { 'retry-after': '30' },
      message: 'flights has no model in service yet',
    });
  });

  it.each([
    [400, 400],
    [500, 502],
  ])("for the model's own %s with %s", async (OriginalStatusCode, status) => {
    const body = { Message: 'the words of the model', OriginalStatusCode };
    expect(await answered(424, 'ModelError', body)).toMatchObject({ status, message: 'the words of the model' });
  });

  it('by the log of the function, for what only its owner can mend', async () => {
    expect(await answered(403, 'AccessDeniedException')).toMatchObject({ name: 'AccessDeniedException' });
  });
});
