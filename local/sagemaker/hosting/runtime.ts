import { notImplemented, SageMakerError } from '../core/errors.ts';
import type { RuntimeHandler } from '../core/server.ts';
import type { HostedResources } from './hosted-resources.ts';
import { invoke } from './invoke.ts';
import { InvokePermission } from './invoke-permission.ts';
import { invokeStreaming } from './invoke-streaming.ts';
import { sendError, validationError } from './runtime-errors.ts';

/** The calls of the runtime, by the last part of their path. */
const actions: Readonly<Record<string, { readonly permission: string; readonly answer: typeof invoke }>> = {
  invocations: { permission: 'sagemaker:InvokeEndpoint', answer: invoke },
  'invocations-response-stream': { permission: 'sagemaker:InvokeEndpointWithResponseStream', answer: invokeStreaming },
};

/** Handles SageMaker Runtime: InvokeEndpoint; InvokeEndpointWithResponseStream; InvokeEndpointAsync answers that it is not implemented. */
export function runtimeHandler(hosted: HostedResources): RuntimeHandler {
  const permission = new InvokePermission();
  return async (core, request, response) => {
    const started = performance.now();
    try {
      const path = new URL(request.url, 'http://localhost').pathname;
      const [, name, call] = /^\/endpoints\/([^/]+)\/([a-z-]+)$/.exec(path) ?? [];
      if (request.method !== 'POST' || name === undefined) throw unknownCall(request.method, path);
      const caller = await core.access.identify(request);
      if (call === 'async-invocations') throw notImplemented('InvokeEndpointAsync is a call');
      const action = call === undefined ? undefined : actions[call];
      if (action === undefined) throw unknownCall(request.method, path);
      await permission.require(core.access, caller, action.permission, hosted.endpoints.arn(caller, name));
      const endpoint = hosted.findEndpoint(caller, name);
      // An endpoint that is still being created is not known to the runtime, as on AWS; and its name is matched by case (API
      // reference, CreateEndpoint: the name's "case is preserved and must be matched in InvokeEndpoint").
      if (endpoint?.resource.name !== name || !['InService', 'Updating', 'RollingBack'].includes(endpoint.status)) {
        throw validationError(`Endpoint ${name} of account ${caller.account} not found.`);
      }
      await action.answer(hosted, endpoint, request, response, started);
    } catch (error) {
      if (!(error instanceof SageMakerError)) throw error;
      sendError(response, error, request.requestId);
    }
  };
}

function unknownCall(method: string, path: string): SageMakerError {
  return new SageMakerError('UnknownOperationException', `SageMaker Runtime has no call ${method} ${path}.`, 404);
}
