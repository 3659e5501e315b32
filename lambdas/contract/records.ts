/**
 * What the lineage table holds: a node for every entity and activity (key: its id), with the fields of its type; edges
 * between them (PROV relations, from effect to cause); and one state item a project. Parsed on every read.
 */
import * as z from 'zod/mini';
import { evaluationFile } from './model-files.ts';

const at = z.iso.datetime();
const version = z.int().check(z.minimum(1));

/** One stored object of a dataset version. */
export const manifestObject = z.object({
  sha256: z.string(),
  bytes: z.int(),
  rows: z.int(),
  /** Key in the raw bucket that it came from, and the S3 version of that key. */
  upload: z.string(),
  uploadVersion: z.string(),
  /** When S3 took it: decides which of two uploads to one key, or of two snapshots, is the newer, whatever came first. */
  uploadedAt: at,
});
/** `datasets/<project>/manifests/<id>.json`; the id is the hash of the objects' hashes in order. */
export const manifestFile = z.object({
  schemaVersion: z.literal(1),
  project: z.string(),
  objects: z.array(manifestObject),
});

/** Account or service by S3's own record: never what the caller wrote. */
const uploadedBy = z.string();
/** What the caller wrote: a hint for people, no identity. */
const claimedBy = z.optional(z.string());

/** One checked and stored file of an upload. */
export const acceptedFile = z.object({ object: manifestObject, uploadedBy, claimedBy });

/**
 * `datasets/<project>/accepted/<batch>.json`: the files that one event brought, all of which the same version takes up. Written
 * when they are checked, before any version holds them.
 */
export const acceptedUpload = z.object({
  schemaVersion: z.literal(1),
  batch: z.string(),
  files: z.array(acceptedFile),
  at,
});

export const uploadRecord = z.object({
  key: z.string(),
  s3Version: z.string(),
  sha256: z.string(),
  bytes: z.int(),
  uploadedBy,
  claimedBy,
  at,
});

export const quarantineRecord = z.object({
  key: z.string(),
  s3Version: z.string(),
  sha256: z.string(),
  reason: z.string(),
  report: z.string(),
  uploadedBy,
  claimedBy,
  at,
});

export const datasetVersionRecord = z.object({
  version,
  manifestId: z.string(),
  objects: z.int(),
  rows: z.int(),
  newRows: z.int(),
  uploads: z.array(z.string()),
  at,
});

export const triggers = ['upload', 'drift', 'demand'] as const;
const trigger = z.enum(triggers);

/** What may start a training run. */
export const trainingCause = z.discriminatedUnion('trigger', [
  /** A dataset version was registered. */
  z.object({ trigger: z.literal('upload') }),
  z.object({ trigger: z.literal('drift'), measurementId: z.string(), reason: z.string() }),
  z.object({
    trigger: z.literal('demand'),
    demandId: z.string(),
    reason: z.string(),
    requestedBy: z.string(),
    force: z.boolean(),
  }),
]);

/** A step that SageMaker is asked to carry out on one instance of a list of types. */
const placement = {
  /** Position in the list of instance types, from 0. */
  instance: z.int().check(z.minimum(0)),
  /** Types before it, and why each was passed over. */
  refusals: z.optional(z.array(z.object({ instanceType: z.string(), reason: z.string() }))),
  /** Counts the tries of one request, from 1: a failure that may pass takes the next. */
  tries: z.int().check(z.minimum(1)),
  requestedAt: at,
  /** Hours of the budget held back for it until it ends. */
  reservation: z.optional(z.object({ month: z.string(), hours: z.number() })),
  /** waiting: since when and for what. `reconcile` asks again. */
  waitingSince: z.optional(at),
  waitingFor: z.optional(z.string()),
};

export const trainingRunRecord = z.object({
  runId: z.string(),
  /**
   * waiting: SageMaker does not take the job now, and may later. superseded: never started, for the code was deployed anew;
   * another run takes its place.
   */
  status: z.enum(['requested', 'waiting', 'started', 'trained', 'failed', 'superseded']),
  datasetVersion: version,
  manifestId: z.string(),
  trigger,
  /** What asked for it: a dataset version, a measurement, a demand. The same cause again is a repeated event. */
  cause: z.string(),
  reason: z.string(),
  /** Repository and tag. */
  image: z.string(),
  /** What will evaluate and serve the model, as it was set at the request; absent: `image`. */
  servingImage: z.optional(z.string()),
  hyperparameters: z.record(z.string(), z.string()),
  codeSha256: z.string(),
  /** Rows ever registered when it was requested: seen when it has trained. */
  rowsRegistered: z.optional(z.int()),
  /** Counts the jobs of the run, from 1: part of the job's name. */
  attempt: z.int().check(z.minimum(1)),
  ...placement,
  jobName: z.optional(z.string()),
  instanceType: z.optional(z.string()),
  startedAt: z.optional(at),
  endedAt: z.optional(at),
  billableSeconds: z.optional(z.number()),
  /** Container time: from the start of the training phase to its end. */
  trainingSeconds: z.optional(z.number()),
  model: z.optional(version),
  failure: z.optional(z.string()),
  at,
});

export const modelRecord = z.object({
  model: version,
  status: z.enum(['trained', 'evaluation-failed', 'evaluated', 'awaiting-approval', 'approved', 'rejected']),
  runId: z.string(),
  datasetVersion: version,
  jobName: z.string(),
  /** URI of the image that evaluates and serves it. */
  image: z.string(),
  artifact: z.string(),
  billableSeconds: z.number(),
  /** Job of the evaluation that its metrics, and the baseline of its drift, are from. */
  evaluationJob: z.optional(z.string()),
  /** Job of the newest evaluation, whatever has become of it. */
  newestEvaluation: z.optional(z.string()),
  metrics: z.optional(z.record(z.string(), z.number())),
  at,
});

export const evaluationRecord = z.object({
  jobName: z.string(),
  model: version,
  champion: z.nullable(version),
  /** Counts the evaluations of the model, from 1: part of the job's name. */
  number: z.int().check(z.minimum(1)),
  /** What asked for it, where it was more than the model itself. The same cause again is a repeated event. */
  cause: z.optional(z.string()),
  /** waiting: SageMaker does not take the job now, or the one before failed of something that may pass. */
  status: z.enum(['requested', 'waiting', 'started', 'completed', 'failed']),
  ...placement,
  startedAt: z.optional(at),
  evaluation: z.optional(evaluationFile),
  failure: z.optional(z.string()),
  /** Job of the evaluation that took the place of this failed one. */
  retriedAs: z.optional(z.string()),
  seconds: z.optional(z.number()),
  endedAt: z.optional(at),
  at,
});

export const decisionRecord = z.object({
  model: version,
  decision: z.enum(['approve', 'reject', 'ask']),
  /** The gate, or the ARN of a person. */
  decidedBy: z.string(),
  reasons: z.array(z.string()),
  /** Of a person's decision: the demand that brought it. */
  demandId: z.optional(z.string()),
  at,
});

export const deploymentRecord = z.object({
  model: version,
  status: z.enum(['requested', 'updating', 'deployed', 'rolled-back']),
  endpoint: z.string(),
  endpointConfig: z.string(),
  replaces: z.nullable(version),
  startedAt: z.optional(at),
  endedAt: z.optional(at),
  failure: z.optional(z.string()),
  at,
});

export const driftMeasurementRecord = z.object({
  measurementId: z.string(),
  model: version,
  rows: z.int(),
  decision: z.enum(['too-few-rows', 'none', 'pending', 'drifted']),
  features: z.array(z.object({ name: z.string(), psi: z.number(), drifted: z.boolean() })),
  reasons: z.array(z.string()),
  report: z.string(),
  at,
});

/** Key: `itemKey.state(project)`. Counters and pointers; every change is conditional on what was read. */
export const stateRecord = z.object({
  /** Grows by one with each change; the condition of each change. */
  revision: z.int(),
  datasetVersion: z.optional(version),
  manifestId: z.optional(z.string()),
  rows: z.optional(z.int()),
  /** Rows ever registered, and how many of them there were at the request of the newest run that has trained. */
  rowsRegistered: z.optional(z.int()),
  rowsTrained: z.optional(z.int()),
  /** The training run under way: one at a time. */
  activeRunId: z.optional(z.string()),
  /** When the newest training run was requested. */
  lastRunAt: z.optional(at),
  /** A cause that came while a run was under way, or too soon after one: decided when that is over. Of several the strongest. */
  pending: z.optional(z.object({ cause: trainingCause, since: at })),
  /** A run that was decided for, and whose code was deployed anew before it could start: requested anew. */
  renewal: z.optional(z.object({ trigger, cause: z.string(), reason: z.string(), since: at })),
  /** Newest model version number given out. */
  model: z.optional(version),
  /** Model in service. */
  champion: z.optional(version),
  /** Newest approved model: what the endpoint should serve. */
  wanted: z.optional(version),
  /** Drift of the champion was declared and no newer model has replaced it. */
  driftedModel: z.optional(version),
});

/** Key: `itemKey.registration(project, batch)`: the version that took an accepted upload up. */
export const registrationRecord = z.object({
  version,
  /** The version holds every file; false: a newer upload had replaced one before its turn came. */
  whole: z.boolean(),
  at,
});

/** The detail of the event that a demand was published as; its type is part of the key. */
export const demandRecord = z.object({ detail: z.record(z.string(), z.unknown()) });

/** Captured requests of one model and hour: the counts, and which files are in them. */
export const countsItem = z.object({ revision: z.int(), files: z.array(z.string()), counts: z.string() });

export const edgeRecord = z.object({ from: z.string(), relation: z.string(), to: z.string(), at });

export const journalRecord = z.object({
  detailType: z.string(),
  detail: z.record(z.string(), z.unknown()),
  at,
});

export type AcceptedFile = z.infer<typeof acceptedFile>;
export type AcceptedUpload = z.infer<typeof acceptedUpload>;
export type ManifestFile = z.infer<typeof manifestFile>;
export type ManifestObject = z.infer<typeof manifestObject>;
export type TrainingRunRecord = z.infer<typeof trainingRunRecord>;
export type ModelRecord = z.infer<typeof modelRecord>;
export type EvaluationRecord = z.infer<typeof evaluationRecord>;
export type DeploymentRecord = z.infer<typeof deploymentRecord>;
export type TrainingCause = z.infer<typeof trainingCause>;
export type StateRecord = z.infer<typeof stateRecord>;

/** Record schema of each node type that has one. */
export const nodeRecords = {
  upload: uploadRecord,
  'quarantined-upload': quarantineRecord,
  'dataset-version': datasetVersionRecord,
  'training-run': trainingRunRecord,
  model: modelRecord,
  evaluation: evaluationRecord,
  decision: decisionRecord,
  deployment: deploymentRecord,
  'drift-measurement': driftMeasurementRecord,
} as const;
