/** The HTTP API, IAM-signed: bodies as clients send and receive them. */
import * as z from 'zod/mini';

export const routes = {
  predict: { method: 'POST', path: '/projects/{project}/predictions' },
  describe: { method: 'GET', path: '/projects/{project}' },
  groundTruth: { method: 'POST', path: '/projects/{project}/ground-truth' },
} as const;

/** One row `{column: value}` or many `{"rows": [...]}`; text/csv with a header row is taken too. */
export const predictionRequest = z.union([
  z.strictObject({ rows: z.array(z.record(z.string(), z.unknown())).check(z.minLength(1)) }),
  z.pipe(
    z.record(z.string(), z.unknown()),
    z.transform((row) => ({ rows: [row] })),
  ),
]);

export const predictionAnswer = z.object({
  project: z.string(),
  /** `flights/3`. */
  modelVersion: z.string(),
  predictions: z.array(z.object({ predictionId: z.string(), prediction: z.unknown() })),
});

export const groundTruthRequest = z.object({
  labels: z
    .array(z.object({ predictionId: z.string(), label: z.union([z.string(), z.number(), z.boolean()]) }))
    .check(z.minLength(1), z.maxLength(10_000)),
});

/** Every answer that is not 2xx. */
export const problem = z.object({
  error: z.string(),
  message: z.string(),
  /** Row (from 0), column and rule of each bad value. */
  violations: z.optional(z.array(z.object({ row: z.int(), column: z.string(), rule: z.string() }))),
});
