import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StateRecord, TrainingCause } from '../../lambdas/contract/records.ts';
import { decideTraining, strongerCause } from '../../lambdas/domain/training-policy.ts';
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
const demand = (force: boolean): TrainingCause & { trigger: 'demand' } => ({
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
) =>
  decideTraining(settings, cause, { state, runId: 'aaaaaaaaaaaa', budget: { hours: 0, reserved: 0 }, now, ...facts });

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
      expect(decide(cause, { budget: { hours: 10, reserved: 0 } })).toMatchObject({ train: false, rule: 'budget' });
    expect(decide(demand(true), { budget: { hours: 10, reserved: 0 } })).toMatchObject({ train: true });
  });

  it('counts what is held back for jobs under way as spent, and says so', () => {
    const decision = decide(upload, { budget: { hours: 8.5, reserved: 1.5 } });
    expect(decision).toMatchObject({ train: false, rule: 'budget' });
    expect(decision.reason).toBe('8.50 of 10 hours of this month are used, 1.50 are held back for jobs under way');
    expect(decide(upload, { budget: { hours: 8.5, reserved: 1.4 } })).toMatchObject({ train: true });
  });

  it('trains one run at a time, whoever asks, also when it is forced', () => {
    const active = { state: { ...state, activeRunId: 'bbbbbbbbbbbb' } };
    for (const cause of [upload, drift, demand(true)])
      expect(decide(cause, active)).toMatchObject({ train: false, rule: 'in-progress' });
    // The same run again is for the caller to see: no second one would come of it.
    expect(decide(demand(true), { ...active, runId: 'bbbbbbbbbbbb' })).toMatchObject({ train: true });
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
      expect(decide(cause, { state: each, budget: { hours: 10, reserved: 0 } }).train).toBe(false);
    });
  });
});

describe('strongerCause', () => {
  it('keeps a demand before drift before an upload, and a forced demand before another', () => {
    const second: TrainingCause = { ...demand(false), demandId: 'd2' };
    expect(strongerCause(undefined, upload)).toEqual(upload);
    expect(strongerCause(upload, drift)).toEqual(drift);
    expect(strongerCause(drift, upload)).toEqual(drift);
    expect(strongerCause(drift, second)).toEqual(second);
    expect(strongerCause(second, demand(true))).toEqual(demand(true));
    expect(strongerCause(demand(true), second)).toEqual(demand(true));
    expect(strongerCause(second, demand(false))).toEqual(second);
  });
});
