import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type ProjectStatus, renderProject } from '../../cli/status.ts';

const at = '2026-11-24T12:00:00.000Z';
const evaluation = {
  jobName: 'flywheel-dev-flights-m3-e2-aaaaa',
  model: 3,
  champion: null,
  number: 2,
  instance: 0,
  tries: 2,
  requestedAt: at,
  at,
};
const empty: ProjectStatus = {
  project: 'flights',
  state: { revision: 1 },
  datasetVersions: [],
  trainingRuns: [],
  models: [],
  evaluation: null,
  deployments: [],
  drift: null,
  events: [],
  failures: [],
};
const shown = (more: Partial<ProjectStatus>) =>
  stripVTControlCharacters(renderProject({ ...empty, ...more }, Date.parse(at) + 600_000));

describe('the status of a project', () => {
  it('says for what an evaluation waits, or why it was given up and what asks for it again', () => {
    const waiting = { ...evaluation, status: 'waiting' as const, waitingSince: at, waitingFor: 'the quota is in use' };
    expect(shown({ evaluation: waiting })).toMatch(
      /evaluation +flights\/3 +10 min 0 s ago +waiting: the quota is in use/,
    );
    const failed = { ...evaluation, status: 'failed' as const, endedAt: at, failure: 'AlgorithmError: exit code: 1' };
    expect(shown({ evaluation: failed })).toContain(
      'failed: AlgorithmError: exit code: 1; flywheel train flights asks again',
    );
    expect(shown({ evaluation: { ...failed, retriedAs: 'next' } })).not.toContain('AlgorithmError');
  });

  it('says for what a training run waits', () => {
    const run = {
      runId: '0123456789ab',
      status: 'waiting' as const,
      datasetVersion: 2,
      manifestId: 'm',
      trigger: 'upload' as const,
      cause: 'c',
      reason: 'r',
      image: 'i',
      hyperparameters: {},
      codeSha256: 'c',
      attempt: 1,
      instance: 0,
      tries: 1,
      requestedAt: at,
      waitingSince: at,
      waitingFor: 'the quota is in use',
      at,
    };
    expect(shown({ trainingRuns: [run] })).toContain(`waiting since ${at}: the quota is in use, on flights@2 (upload)`);
  });
});
