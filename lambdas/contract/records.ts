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

export const trainingRunRecord = z.object({
  runId: z.string(),
  status: z.enum(['requested', 'started', 'trained', 'failed']),
  datasetVersion: version,
  manifestId: z.string(),
  trigger: z.enum(['upload', 'drift', 'demand']),
  /** What asked for it: a dataset version, a measurement, a demand. The same cause again is a repeated event. */
  cause: z.string(),
  reason: z.string(),
  /** Repository and tag. */
  image: z.string(),
  /** What will evaluate and serve the model, as it was set at the request; absent: `image`. */
  servingImage: z.optional(z.string()),
  hyperparameters: z.record(z.string(), z.string()),
  codeSha256: z.string(),
  /** 1 for the first job; a capacity error or a renewed request after a failure takes the next. */
  attempt: z.int().check(z.minimum(1)),
  requestedAt: at,
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
  status: z.enum(['trained', 'evaluated', 'awaiting-approval', 'approved', 'rejected']),
  runId: z.string(),
  datasetVersion: version,
  jobName: z.string(),
  /** URI of the image that evaluates and serves it. */
  image: z.string(),
  artifact: z.string(),
  billableSeconds: z.number(),
  evaluationJob: z.optional(z.string()),
  metrics: z.optional(z.record(z.string(), z.number())),
  at,
});

export const evaluationRecord = z.object({
  jobName: z.string(),
  model: version,
  champion: z.nullable(version),
  status: z.enum(['started', 'completed', 'failed']),
  evaluation: z.optional(evaluationFile),
  failure: z.optional(z.string()),
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
  /** Rows ever registered, and how many of them there were at the newest training request. */
  rowsRegistered: z.optional(z.int()),
  rowsTrained: z.optional(z.int()),
  lastRunId: z.optional(z.string()),
  lastRunAt: z.optional(at),
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
