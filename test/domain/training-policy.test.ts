import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StateRecord } from '../../lambdas/contract/records.ts';
import { decideTraining, type TrainingCause } from '../../lambdas/domain/training-policy.ts';
import { projectSettings } from '../support/project.ts';
import { forAll } from './for-all.ts';

const now = new Date('2026-11-24T12:00:00Z');
const state: StateRecord = {
  revision: 3,
  datasetVersion: 2,
  manifestId: 'm2',
  rowsRegistered: 1000,
  rowsTrained: 500,
  champion: 1,
};
const upload: TrainingCause = { trigger: 'upload' };
const drift: TrainingCause = { trigger: 'drift', measurementId: 'm1-aa', reason: 'temp drifts' };
const demand = (force: boolean): TrainingCause => ({
  trigger: 'demand',
  demandId: 'd1',
  reason: 'new hyperparameters',
  requestedBy: 'arn:aws:iam::1:user/ada',
  force,
});
const decide = (
  cause: TrainingCause,
  facts: Partial<Parameters<typeof decideTraining>[2]> = {},
  settings = projectSettings(),
) => decideTraining(settings, cause, { state, hoursUsed: 0, now, ...facts });

describe('decideTraining', () => {
  it('trains on an upload with enough new rows, after the cooldown', () => {
    expect(decide(upload)).toMatchObject({ train: true, trigger: 'upload', cause: 'dataset-version/flights/2' });
  });

  it('waits for more rows, and says how many', () => {
    const decision = decide(upload, { state: { ...state, rowsTrained: 950 } });
    expect(decision).toMatchObject({ train: false, rule: 'new-rows' });
    expect(decision.reason).toBe('50 new rows, training waits for 100');
  });

  it('waits for the cooldown on an upload, not on drift or demand', () => {
    const recent = { state: { ...state, lastRunAt: '2026-11-24T11:55:00Z' } };
    expect(decide(upload, recent)).toMatchObject({ train: false, rule: 'cooldown' });
    expect(decide(drift, recent)).toMatchObject({ train: true });
    expect(decide(demand(false), recent)).toMatchObject({ train: true });
  });

  it('stops at the budget of the month unless a person forces it', () => {
    for (const cause of [upload, drift, demand(false)])
      expect(decide(cause, { hoursUsed: 10 })).toMatchObject({ train: false, rule: 'budget' });
    expect(decide(demand(true), { hoursUsed: 10 })).toMatchObject({ train: true });
  });

  it('takes an upload as the newer data that a drifting champion waits for', () => {
    const drifting = { state: { ...state, driftedModel: 1, rowsTrained: 999, lastRunAt: now.toISOString() } };
    expect(decide(upload, drifting)).toMatchObject({ train: true, trigger: 'drift' });
    // The drift of a model that has been replaced is over.
    expect(decide(upload, { state: { ...drifting.state, champion: 2 } })).toMatchObject({ train: false });
  });

  it('trains on nothing that the project does not listen to', () => {
    const settings = projectSettings();
    const quiet = { ...settings, training: { ...settings.training, triggers: [] } };
    for (const cause of [upload, drift, demand(true)])
      expect(decide(cause, {}, quiet)).toMatchObject({ train: false, rule: 'not-triggered' });
  });

  it('says that there is no data before the first upload', () => {
    expect(decide(drift, { state: { revision: 0 } })).toMatchObject({ train: false, rule: 'no-data' });
  });

  it('never trains with the budget used up and nobody forcing, whatever else is true', () => {
    const anyState = fc.record(
      {
        revision: fc.nat(),
        datasetVersion: fc.integer({ min: 1 }),
        rowsRegistered: fc.nat(),
        rowsTrained: fc.nat(),
        champion: fc.integer({ min: 1 }),
        driftedModel: fc.integer({ min: 1 }),
      },
      { requiredKeys: ['revision'] },
    );
    forAll(fc.tuple(anyState, fc.constantFrom(upload, drift, demand(false))), ([each, cause]) => {
      expect(decide(cause, { state: each, hoursUsed: 10 }).train).toBe(false);
    });
  });
});
