/** What becomes of a deployment, also when SageMaker answers with a state from before the request. */
import { describe, expect, it } from 'vitest';
import type { DeploymentRecord } from '../../../lambdas/contract/records.ts';
import { type EndpointState, judgeDeployment, STALE_ANSWER_SECONDS } from '../../../lambdas/domain/serving/verdict.ts';

const startedAt = '2026-11-24T12:00:00.000Z';
const seconds = (count: number) => new Date(Date.parse(startedAt) + count * 1000);
const deployment: DeploymentRecord = {
  model: 3,
  status: 'updating',
  endpoint: 'flywheel-local-flights',
  endpointConfig: 'new',
  replaces: 2,
  startedAt,
  at: '2026-11-24T11:00:00.000Z',
};
const state = (change: Partial<EndpointState>): EndpointState => ({
  status: 'InService',
  endpointConfig: 'old',
  changedAt: seconds(30),
  ...change,
});
const verdict = (endpoint: EndpointState | undefined, afterwards = 60) =>
  judgeDeployment(deployment, endpoint, seconds(afterwards)).verdict;

describe('a deployment', () => {
  it('is deployed only in service with the wanted config', () => {
    expect(verdict(state({ endpointConfig: 'new' }))).toBe('deployed');
    expect(verdict(state({ endpointConfig: 'new', changedAt: undefined }))).toBe('deployed');
  });

  it('was rolled back when the endpoint is in service with the old config, with the reason of SageMaker', () => {
    expect(judgeDeployment(deployment, state({ failure: 'alarm errors' }), seconds(60))).toEqual({
      verdict: 'rolled-back',
      servesOld: true,
      reason: 'alarm errors',
    });
  });

  it.each(['Failed', 'OutOfService', 'UpdateRollbackFailed'])('serves nothing after %s', (status) => {
    expect(judgeDeployment(deployment, state({ status, endpointConfig: 'new' }), seconds(60))).toMatchObject({
      verdict: 'rolled-back',
      servesOld: false,
    });
  });

  it.each(['Creating', 'Updating', 'RollingBack', 'SystemUpdating', 'Deleting'])('goes on while %s', (status) => {
    expect(verdict(state({ status }))).toBe('in-progress');
  });
});

describe('an answer from before the request', () => {
  const before = [
    ['in service with the old config', state({ changedAt: seconds(-3600) })],
    ['in service with the old config, unchanged since this very moment', state({ changedAt: seconds(0) })],
    ['failed', state({ status: 'Failed', changedAt: seconds(-10) })],
    ['without a time', state({ changedAt: undefined })],
    ['no endpoint at all', undefined],
  ] as const;

  it.each(before)('decides nothing: %s', (_what, endpoint) => {
    expect(verdict(endpoint)).toBe('in-progress');
  });

  it.each(before)('is believed when it has not changed for longer than any lag: %s', (_what, endpoint) => {
    expect(verdict(endpoint, STALE_ANSWER_SECONDS)).toBe('in-progress');
    expect(verdict(endpoint, STALE_ANSWER_SECONDS + 1)).toBe('rolled-back');
  });
});
