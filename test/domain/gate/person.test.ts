import { describe, expect, it } from 'vitest';
import { effectOfDecision, type ModelFacts } from '../../../lambdas/domain/gate/person.ts';

const facts = (status: ModelFacts['model']['status'], more: Partial<ModelFacts> = {}): ModelFacts => ({
  model: { model: 2, status },
  champion: 1,
  deployment: undefined,
  ...more,
});
const waiting = facts('awaiting-approval');

describe('a decision on a model', () => {
  it('answers a model that waits for approval', () => {
    expect(effectOfDecision('approve', waiting)).toEqual({ effect: 'answers' });
    expect(effectOfDecision('reject', waiting)).toEqual({ effect: 'answers' });
  });

  it.each(['deployed', 'rolled-back'] as const)('puts an approved model back whose deployment is %s', (deployment) => {
    expect(effectOfDecision('approve', facts('approved', { deployment }))).toEqual({ effect: 'reinstates' });
  });

  it.each(['trained', 'evaluated', 'rejected'] as const)('is refused for a model that is %s', (status) => {
    expect(effectOfDecision('approve', facts(status))).toEqual({ refusal: `awaits no approval: it is ${status}` });
  });

  it('is refused for the model in service', () => {
    const inService = facts('approved', { champion: 2, deployment: 'deployed' });
    expect(effectOfDecision('approve', inService).refusal).toMatch(/in service/);
  });

  it.each([undefined, 'requested', 'updating'] as const)(
    'is refused while the deployment of the approved model is %s',
    (deployment) => {
      expect(effectOfDecision('approve', facts('approved', { deployment })).refusal).toMatch(/has not ended/);
    },
  );

  it('cannot reject what was approved before', () => {
    expect(effectOfDecision('reject', facts('approved', { deployment: 'deployed' })).refusal).toMatch(/approved/);
  });
});
