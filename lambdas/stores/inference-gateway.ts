/** Calls an endpoint and tells apart who is at fault: the request, the model, SageMaker, or an endpoint that is not there yet. */
import {
  InvokeEndpointCommand,
  SageMakerRuntimeClient,
  SageMakerRuntimeServiceException,
} from '@aws-sdk/client-sagemaker-runtime';
import type * as z from 'zod/mini';
import { invocationResponse } from '../contract/model-files.ts';

export type InferenceOutcome =
  | { readonly outcome: 'answered'; readonly answer: z.infer<typeof invocationResponse> }
  /** No endpoint, or one that is not in service. */
  | { readonly outcome: 'not-ready'; readonly reason: string }
  /** SageMaker could not take the request, which may pass. */
  | { readonly outcome: 'unavailable'; readonly reason: string }
  /** The container refused the request (4xx). */
  | { readonly outcome: 'refused'; readonly reason: string }
  /** The container failed (5xx) or answered in another shape. */
  | { readonly outcome: 'failed'; readonly reason: string };

export type InferenceGateway = ReturnType<typeof inferenceGateway>;

export function inferenceGateway(client = new SageMakerRuntimeClient({ maxAttempts: 2 })) {
  return {
    /** @param body JSON of `{instances}`, `rows` of them */
    async invoke(endpoint: string, body: string, rows: number, inferenceId: string): Promise<InferenceOutcome> {
      try {
        const { Body } = await client.send(
          new InvokeEndpointCommand({
            EndpointName: endpoint,
            ContentType: 'application/json',
            Accept: 'application/json',
            InferenceId: inferenceId,
            Body: body,
          }),
        );
        return parseAnswer(Body?.transformToString() ?? '', rows);
      } catch (error) {
        return failure(error);
      }
    },
  };
}

function parseAnswer(text: string, rows: number): InferenceOutcome {
  const answer = invocationResponse.safeParse(parsedJson(text));
  if (!answer.success) return { outcome: 'failed', reason: 'the model answered in a shape that is not its contract' };
  if (answer.data.predictions.length !== rows)
    return {
      outcome: 'failed',
      reason: `the model answered ${answer.data.predictions.length} predictions for ${rows} rows`,
    };
  return { outcome: 'answered', answer: answer.data };
}

/** Undefined for what is no JSON: of another shape, like any other. */
function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function failure(error: unknown): InferenceOutcome {
  if (!(error instanceof Error)) throw error;
  switch (error.name) {
    case 'ModelError': {
      const status = 'OriginalStatusCode' in error ? Number(error.OriginalStatusCode) : 0;
      return { outcome: status >= 400 && status < 500 ? 'refused' : 'failed', reason: error.message };
    }
    case 'ValidationError':
    case 'ModelNotReadyException':
      return { outcome: 'not-ready', reason: error.message };
    default:
      if (mayPass(error)) return { outcome: 'unavailable', reason: `${error.name}: ${error.message}` };
      throw error;
  }
}

/**
 * InternalFailure (500), ServiceUnavailable (503) and InternalDependencyException (530) of the service model, and throttling,
 * which no service models: ThrottlingException with 400 (common errors of the API reference), TooManyRequestsException with 429.
 * A model's own 5xx is none of them: ModelError has 424.
 */
function mayPass(error: Error): boolean {
  if (!(error instanceof SageMakerRuntimeServiceException)) return false;
  const { httpStatusCode: status = 0 } = error.$metadata;
  return status >= 500 || status === 429 || /^Throttl|^TooManyRequests/.test(error.name);
}
