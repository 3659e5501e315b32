import type { ServerResponse } from 'node:http';
import { SageMakerError } from '../core/errors.ts';
import type { Endpoint } from './endpoint.ts';
import type { RunningVariant } from './fleet.ts';
import { type ContainerAnswer, InvocationTimeoutError } from './serving-process.ts';

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

/** The ModelError for what a container answered, or for why it did not, in SageMaker's words. */
export function modelError(
  endpoint: Endpoint,
  variant: RunningVariant,
  answer: ContainerAnswer | Error,
): SageMakerError {
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

/** Answers with an error as SageMaker Runtime does: the code in a header, the rest as JSON. */
export function sendError(response: ServerResponse, error: SageMakerError, requestId: string): void {
  const body = JSON.stringify({ Message: error.message, ...(error instanceof ModelError && error.details) });
  response.writeHead(error.status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'x-amzn-errortype': error.code,
    'x-amzn-requestid': requestId,
  });
  response.end(body);
}

/** The runtime's ValidationError; the control plane's is called ValidationException. */
export function validationError(message: string): SageMakerError {
  return new SageMakerError('ValidationError', message);
}
