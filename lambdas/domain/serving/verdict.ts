/**
 * What has become of a deployment, from what SageMaker says of the endpoint. DescribeEndpoint may answer with a state from
 * before our request, so a state that speaks against the deployment counts only when it is newer than the request.
 */
import type { DeploymentRecord } from '../../contract/records.ts';

/** What SageMaker says of an endpoint. */
export interface EndpointState {
  readonly status: string;
  readonly endpointConfig: string;
  /** Config that an update under way brings. */
  readonly pendingConfig?: string | undefined;
  readonly failure?: string | undefined;
  /** Absent: SageMaker said nothing of it. */
  readonly changedAt?: Date | undefined;
}

export type DeploymentVerdict =
  | { readonly verdict: 'in-progress' }
  | { readonly verdict: 'deployed' }
  | { readonly verdict: 'rolled-back'; readonly reason: string; readonly servesOld: boolean };

/** An answer older than the request is believed after this; no report of a longer lag is known. `reconcile` then asks again. */
export const STALE_ANSWER_SECONDS = 300;

/**
 * The verdict on a deployment whose request SageMaker took (status `updating`). Statuses in which SageMaker is still at work
 * (Creating, Updating, RollingBack, SystemUpdating, Deleting) decide nothing.
 * @param endpoint undefined when SageMaker knows no such endpoint
 */
export function judgeDeployment(
  deployment: DeploymentRecord,
  endpoint: EndpointState | undefined,
  now: Date,
): DeploymentVerdict {
  if (endpoint?.status === 'InService' && endpoint.endpointConfig === deployment.endpointConfig)
    return { verdict: 'deployed' };
  if (maybeStale(deployment, endpoint, now)) return { verdict: 'in-progress' };
  switch (endpoint?.status) {
    case undefined:
      return { verdict: 'rolled-back', servesOld: false, reason: 'the endpoint was deleted' };
    case 'InService':
      return {
        verdict: 'rolled-back',
        servesOld: true,
        reason: endpoint.failure ?? `SageMaker rolled back to ${endpoint.endpointConfig}`,
      };
    case 'Failed':
    case 'OutOfService':
    case 'UpdateRollbackFailed':
      return {
        verdict: 'rolled-back',
        servesOld: false,
        reason: endpoint.failure ?? `the endpoint ended in status ${endpoint.status}`,
      };
    default:
      return { verdict: 'in-progress' };
  }
}

/** The answer may be from before the request: it has not changed since, or is missing, and the request is young. */
function maybeStale(deployment: DeploymentRecord, endpoint: EndpointState | undefined, now: Date): boolean {
  const requestedAt = Date.parse(deployment.startedAt ?? deployment.at);
  if (now.getTime() - requestedAt > STALE_ANSWER_SECONDS * 1000) return false;
  return endpoint?.changedAt === undefined || endpoint.changedAt.getTime() <= requestedAt;
}
