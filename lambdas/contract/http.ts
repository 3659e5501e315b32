/** The HTTP API, IAM-signed: bodies as clients send and receive them. */
import * as z from 'zod/mini';
import { requestLimits } from './limits.ts';

export const routes = {
  predict: { method: 'POST', path: '/projects/{project}/predictions' },
  describe: { method: 'GET', path: '/projects/{project}' },
  groundTruth: { method: 'POST', path: '/projects/{project}/ground-truth' },
  requestTraining: { method: 'POST', path: '/projects/{project}/training-requests' },
  requestDriftCheck: { method: 'POST', path: '/projects/{project}/drift-checks' },
  decide: { method: 'POST', path: '/projects/{project}/models/{model}/decisions' },
} as const;

export const predictionAnswer = z.object({
  project: z.string(),
  /** `flights/3`. */
  modelVersion: z.string(),
  predictions: z.array(z.object({ predictionId: z.string(), prediction: z.unknown() })),
});

/** The labels are parsed one by one (`groundTruthLabel`): a schema would tell the fault of each of two million. */
export const groundTruthRequest = z.object({
  labels: z.array(z.unknown()).check(z.minLength(1), z.maxLength(requestLimits.labels)),
});
export const groundTruthLabel = z.object({
  predictionId: z.string(),
  label: z.union([z.string(), z.number(), z.boolean()]),
});

/** The same key with a demand of the same caller makes it the same demand, however often it is sent. */
export const IDEMPOTENCY_KEY = 'idempotency-key';
export const idempotencyKey = z.string().check(z.regex(/^[\w.:-]{1,128}$/));

const reason = z.string().check(z.minLength(1), z.maxLength(1000));
export const trainingRequest = z.strictObject({
  reason,
  /** In spite of budget and cooldown. */
  force: z._default(z.boolean(), false),
});
export const driftCheckRequest = z.strictObject({});
export const decisionRequest = z.strictObject({ decision: z.enum(['approve', 'reject']), reason });

/** 202: the demand is on the bus; what comes of it is in the events of the project, from `at` on. */
export const demandAnswer = z.object({
  demandId: z.string(),
  /** ARN of the caller, as IAM knows it. */
  requestedBy: z.string(),
  at: z.iso.datetime(),
});

/** Every answer that is not 2xx. */
export const problem = z.object({
  error: z.string(),
  message: z.string(),
  /** Row (from 0), column and rule of bad values, the first hundred; the message says how many there are. */
  violations: z.optional(z.array(z.object({ row: z.int(), column: z.string(), rule: z.string() }))),
});
