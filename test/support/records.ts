/** Records as the loop leaves them in the lineage table, for tests that begin in the middle of it. */
import type { EvaluationRecord, ModelRecord } from '../../lambdas/contract/records.ts';
import type { Write } from '../../lambdas/stores/lineage-writes.ts';

const at = '2026-11-24T12:00:00.000Z';

/** A model as its training leaves it, with what a test says otherwise. */
export const modelRecord = (change: Partial<ModelRecord> = {}): ModelRecord => ({
  model: 1,
  status: 'trained',
  runId: '0123456789ab',
  datasetVersion: 1,
  jobName: 'job',
  image: 'registry/sagemaker-xgboost:3.2-0',
  artifact: 's3://models/model.tar.gz',
  billableSeconds: 10,
  at,
  ...change,
});

/** Creates a model, as `modelRecord`. */
export const createsModel = (change: Partial<ModelRecord> = {}, project = 'flights'): Write => {
  const record = modelRecord(change);
  return { kind: 'create', type: 'model', project, local: record.model, order: record.model, record };
};

/** Creates the first evaluation of a model, under way, with what a test says otherwise. */
export const createsEvaluation = (jobName: string, change: Partial<EvaluationRecord> = {}): Write => {
  const record: EvaluationRecord = {
    jobName,
    model: 1,
    champion: null,
    number: 1,
    instance: 0,
    tries: 1,
    requestedAt: at,
    status: 'started',
    at,
    ...change,
  };
  return { kind: 'create', type: 'evaluation', project: 'flights', local: jobName, record };
};
