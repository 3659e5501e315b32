/**
 * The environment variables of each function: the construct that makes the function must set exactly these (a missing
 * one is a compile error), and the function parses them once at its start.
 */
import * as z from 'zod/mini';

const name = z.string().check(z.minLength(1));
const json = <T extends z.ZodMiniType>(schema: T) =>
  z.pipe(
    z.pipe(
      z.string(),
      z.transform((text: string, context): unknown => {
        try {
          return JSON.parse(text);
        } catch {
          context.issues.push({ code: 'custom', message: 'expected JSON', input: text });
          return z.NEVER;
        }
      }),
    ),
    schema,
  );

const wholeNumber = z.pipe(
  z.string().check(z.regex(/^\d+$/)),
  z.transform((digits: string) => Number(digits)),
);

const table = { TABLE_NAME: name };
const bus = { EVENT_BUS_NAME: name };
/** Project name → ARN of the role that its SageMaker jobs and endpoints run with. */
const projectRoles = { PROJECT_ROLES: json(z.record(z.string(), z.string())) };
/** Repository → host with account and region, `683313688378.dkr.ecr.us-east-1.amazonaws.com`; projects name repository and tag. */
const imageRegistries = { IMAGE_REGISTRIES: json(z.record(z.string(), z.string())) };
const key = { DATA_KEY_ARN: name };
/** Set by Lambda itself, not by the construct. */
const runtimeVariables = { AWS_REGION: name };

export const environments = {
  'register-dataset-version': z.object({ ...table, ...bus, RAW_BUCKET: name, DATASET_BUCKET: name, ...key }),
  'request-training': z.object({ ...table, ...bus }),
  'start-training': z.object({
    ...table,
    ...bus,
    ...projectRoles,
    ...key,
    DATASET_BUCKET: name,
    MODEL_BUCKET: name,
    ...imageRegistries,
    ...runtimeVariables,
  }),
  'finish-training': z.object({ ...table, ...bus, ...imageRegistries }),
  'start-evaluation': z.object({
    ...table,
    ...bus,
    ...projectRoles,
    ...key,
    DATASET_BUCKET: name,
    MODEL_BUCKET: name,
  }),
  'finish-evaluation': z.object({ ...table, ...bus, MODEL_BUCKET: name }),
  'judge-candidate': z.object({ ...table, ...bus }),
  'deploy-model': z.object({
    ...table,
    ...bus,
    ...projectRoles,
    ...key,
    CAPTURE_BUCKET: name,
    /** How long the logs of endpoints are kept. */
    LOG_RETENTION_DAYS: wholeNumber,
  }),
  'finish-deployment': z.object({ ...table, ...bus }),
  predict: z.object({}),
  'describe-project': z.object({ ...table }),
  'record-ground-truth': z.object({ ...table, CAPTURE_BUCKET: name }),
  'request-manual-training': z.object({ ...table, ...bus }),
  'request-drift-check': z.object({ ...table, ...bus }),
  'decide-model': z.object({ ...table, ...bus }),
  'profile-capture': z.object({ ...table, CAPTURE_BUCKET: name, MODEL_BUCKET: name }),
  'measure-drift': z.object({ ...table, ...bus, CAPTURE_BUCKET: name, MODEL_BUCKET: name }),
  'record-event': z.object({ ...table }),
  reconcile: z.object({ ...table, ...bus }),
} as const;

export type FunctionName = keyof typeof environments;
/** What a function finds in its environment after parsing. */
export type EnvironmentOf<Name extends FunctionName> = z.infer<(typeof environments)[Name]>;
/** What the construct of a function must set: the same keys, all strings. */
export type VariablesOf<Name extends FunctionName> = {
  readonly [Key in Exclude<keyof z.input<(typeof environments)[Name]>, keyof typeof runtimeVariables>]: string;
};
