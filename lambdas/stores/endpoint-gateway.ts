/** SageMaker models, endpoint configs and endpoints. Missing and existing resources are both ValidationException there; the texts tell them apart. */
import {
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  CreateModelCommand,
  DeleteEndpointCommand,
  DescribeEndpointCommand,
  SageMakerClient,
  UpdateEndpointCommand,
} from '@aws-sdk/client-sagemaker';
import type { DeploymentRequests } from '../domain/deployment.ts';
import type { EndpointState } from '../domain/serving/verdict.ts';

export type EndpointGateway = ReturnType<typeof endpointGateway>;

export function endpointGateway(client = new SageMakerClient({})) {
  return {
    /** Undefined when there is no such endpoint. */
    async describe(endpoint: string): Promise<EndpointState | undefined> {
      try {
        const described = await client.send(new DescribeEndpointCommand({ EndpointName: endpoint }));
        return {
          status: described.EndpointStatus ?? 'Unknown',
          endpointConfig: described.EndpointConfigName ?? '',
          pendingConfig: described.PendingDeploymentSummary?.EndpointConfigName,
          failure: described.FailureReason,
          changedAt: described.LastModifiedTime,
        };
      } catch (error) {
        if (isValidation(error, /could not find/i)) return undefined;
        throw error;
      }
    },

    /** Model and endpoint config; both are immutable, so one that exists is the one wanted. */
    async prepare(requests: DeploymentRequests): Promise<void> {
      await unlessExists(client.send(new CreateModelCommand(requests.createModel)));
      await unlessExists(client.send(new CreateEndpointConfigCommand(requests.createEndpointConfig)));
    },

    /** @returns false when there is an endpoint of this name, which may be another model's: only DescribeEndpoint tells. */
    async create(requests: DeploymentRequests): Promise<boolean> {
      return unlessExists(client.send(new CreateEndpointCommand(requests.createEndpoint)));
    },

    /** @returns false when SageMaker is at work on the endpoint and takes no update now. */
    async update(requests: DeploymentRequests): Promise<boolean> {
      try {
        await client.send(new UpdateEndpointCommand(requests.updateEndpoint));
        return true;
      } catch (error) {
        if (isValidation(error, /in-progress|in progress|cannot update/i)) return false;
        throw error;
      }
    },

    async delete(endpoint: string): Promise<void> {
      await client.send(new DeleteEndpointCommand({ EndpointName: endpoint }));
    },
  };
}

/** @returns false when it exists */
async function unlessExists(sent: Promise<unknown>): Promise<boolean> {
  try {
    await sent;
    return true;
  } catch (error) {
    if (!isValidation(error, /already exist/i)) throw error;
    return false;
  }
}

function isValidation(error: unknown, text: RegExp): boolean {
  return error instanceof Error && error.name === 'ValidationException' && text.test(error.message);
}
