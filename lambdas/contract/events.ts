/**
 * The domain events: bus `flywheel`, source `flywheel`. One schema an event, read by the publisher, by the handler that
 * consumes it and by the rule that routes it. `at` is the time of the record that the event announces, so a repeated
 * publication is the same event to the letter.
 */
import * as z from 'zod/mini';
import { triggers } from './records.ts';
import { projectName } from './settings.ts';

export const EVENT_SOURCE = 'flywheel';

/** The archive of the bus keeps events so long, and a demand is recorded so long: a replayed event is checked by its record. */
export const ARCHIVE_DAYS = 90;

const project = projectName;
const at = z.iso.datetime();
const version = z.int().check(z.minimum(1));
/** First 12 hexadecimal digits of the hash of all that identifies a training run. */
const runId = z.string().check(z.regex(/^[0-9a-f]{12}$/));
const trigger = z.enum(triggers);
/**
 * The ARN by which IAM knows who asked, as the HTTP API tells it; only the API's functions may publish an event that holds
 * one. An IAM user's path has up to 512 characters, its name 64.
 */
const person = z.string().check(z.minLength(1), z.maxLength(640));
/** Makes two demands different; the same demand, repeated by a client or delivered twice, has the same. */
const demandId = z.string().check(z.minLength(1), z.maxLength(64));

export interface EventDefinition<Name extends string, Detail extends z.ZodMiniType> {
  /** Absent: EVENT_SOURCE, as in every domain event. */
  readonly source?: string;
  readonly detailType: Name;
  readonly detail: Detail;
}
export type AnyEventDefinition = EventDefinition<string, z.ZodMiniType>;
export type DetailOf<E extends AnyEventDefinition> = z.infer<E['detail']>;

function defineEvent<Name extends string, Shape extends z.core.$ZodLooseShape>(
  detailType: Name,
  shape: Shape,
): EventDefinition<Name, z.ZodMiniObject<{ project: typeof project; at: typeof at } & Shape>> {
  return { detailType, detail: z.object({ project, at, ...shape }) };
}

/* Data */
export const DatasetVersionRegistered = defineEvent('DatasetVersionRegistered', {
  version,
  manifestId: z.string(),
  rows: z.int(),
  /** Rows that this version has and the one before had not. */
  newRows: z.int(),
  uploads: z.array(z.string()),
});
export const DatasetRejected = defineEvent('DatasetRejected', {
  upload: z.string(),
  /** One sentence; the report has the rest. Never holds a value of a column that is personal data. */
  reason: z.string(),
  /** Key of the JSON report in the dataset bucket. */
  report: z.string(),
});

/* Training */
export const TrainingDemanded = defineEvent('TrainingDemanded', {
  requestedBy: person,
  reason: z.string().check(z.maxLength(1000)),
  /** Train in spite of budget and cooldown. */
  force: z.boolean(),
  demandId,
});
export const TrainingRequested = defineEvent('TrainingRequested', {
  runId,
  datasetVersion: version,
  trigger,
  reason: z.string(),
});
export const TrainingSuppressed = defineEvent('TrainingSuppressed', {
  trigger,
  /** in-progress and cooldown: not now; it is decided again when that is over. */
  rule: z.enum(['no-data', 'not-triggered', 'same-run', 'in-progress', 'new-rows', 'cooldown', 'budget']),
  reason: z.string(),
});
export const TrainingStarted = defineEvent('TrainingStarted', {
  runId,
  datasetVersion: version,
  jobName: z.string(),
  attempt: z.int().check(z.minimum(1)),
  instanceType: z.string(),
});
/** Nothing stands in the way any more of a cause that waited, or of a run that must be requested anew: it is decided now. */
export const TrainingDue = defineEvent('TrainingDue', { reason: z.string() });
/** The run waits for an instance that others use; `reconcile` asks again. */
export const TrainingDelayed = defineEvent('TrainingDelayed', { runId, reason: z.string() });
export const ModelTrained = defineEvent('ModelTrained', {
  runId,
  model: version,
  datasetVersion: version,
  jobName: z.string(),
  artifact: z.string(),
  billableSeconds: z.number(),
});
export const TrainingFailed = defineEvent('TrainingFailed', { runId, jobName: z.string(), reason: z.string() });

/* Evaluation and gate */
/** A model is to be evaluated again: after a failure that may pass, or because a person asks. */
export const EvaluationRequested = defineEvent('EvaluationRequested', {
  model: version,
  jobName: z.string(),
  reason: z.string(),
});
/** The evaluation waits for an instance that others use, or for a fault of SageMaker to pass; `reconcile` asks again. */
export const EvaluationDelayed = defineEvent('EvaluationDelayed', {
  model: version,
  jobName: z.string(),
  reason: z.string(),
});
export const EvaluationStarted = defineEvent('EvaluationStarted', {
  model: version,
  champion: z.nullable(version),
  jobName: z.string(),
});
export const ModelEvaluated = defineEvent('ModelEvaluated', {
  model: version,
  champion: z.nullable(version),
  jobName: z.string(),
  /** Point estimates on the held-out rows. */
  metrics: z.record(z.string(), z.number()),
});
export const EvaluationFailed = defineEvent('EvaluationFailed', {
  model: version,
  jobName: z.string(),
  reason: z.string(),
});
const decision = { model: version, decidedBy: person, reasons: z.array(z.string()) };
export const ModelApproved = defineEvent('ModelApproved', decision);
export const ModelRejected = defineEvent('ModelRejected', decision);
export const ApprovalRequested = defineEvent('ApprovalRequested', { model: version, reasons: z.array(z.string()) });
/** A person's answer to ApprovalRequested. */
export const ApprovalGiven = defineEvent('ApprovalGiven', {
  model: version,
  decision: z.enum(['approve', 'reject']),
  decidedBy: person,
  reason: z.string().check(z.minLength(1), z.maxLength(1000)),
  demandId,
});

/* Serving */
export const DeploymentStarted = defineEvent('DeploymentStarted', {
  model: version,
  endpoint: z.string(),
  endpointConfig: z.string(),
  replaces: z.nullable(version),
});
export const ModelDeployed = defineEvent('ModelDeployed', {
  model: version,
  endpoint: z.string(),
  replaces: z.nullable(version),
});
export const DeploymentRolledBack = defineEvent('DeploymentRolledBack', {
  model: version,
  endpoint: z.string(),
  /** The model that goes on serving; null when the endpoint never came into service. */
  inService: z.nullable(version),
  reason: z.string(),
});

/* Monitoring */
export const DriftMeasurementDemanded = defineEvent('DriftMeasurementDemanded', { requestedBy: person, demandId });
export const DriftMeasured = defineEvent('DriftMeasured', {
  model: version,
  rows: z.int(),
  decision: z.enum(['too-few-rows', 'none', 'pending', 'drifted']),
  features: z.array(z.object({ name: z.string(), psi: z.number(), drifted: z.boolean() })),
});
export const DriftDetected = defineEvent('DriftDetected', {
  model: version,
  rows: z.int(),
  measurementId: z.string(),
  features: z.array(z.object({ name: z.string(), psi: z.number() })),
  reasons: z.array(z.string()),
  /** Key of the HTML report in the capture bucket. */
  report: z.string(),
});

/* Recovery */
/** `reconcile` found that SageMaker has ended a step whose event never came; the step's finish function takes it up. */
export const StepOverdue = defineEvent('StepOverdue', {
  kind: z.enum(['training', 'evaluation', 'deployment']),
  /** Name of the training job, processing job or endpoint. */
  name: z.string(),
});

/** Every domain event. A test checks that each has a producer and a consumer. */
export const domainEvents = {
  DatasetVersionRegistered,
  DatasetRejected,
  TrainingDemanded,
  TrainingRequested,
  TrainingSuppressed,
  TrainingDue,
  TrainingStarted,
  TrainingDelayed,
  ModelTrained,
  TrainingFailed,
  EvaluationRequested,
  EvaluationDelayed,
  EvaluationStarted,
  ModelEvaluated,
  EvaluationFailed,
  ModelApproved,
  ModelRejected,
  ApprovalRequested,
  ApprovalGiven,
  DeploymentStarted,
  ModelDeployed,
  DeploymentRolledBack,
  DriftMeasurementDemanded,
  DriftMeasured,
  DriftDetected,
  StepOverdue,
} as const;
