/** Environments: where the same stacks are deployed, and how carefully. */
import * as z from 'zod';
import { environmentSettings } from '../../lambdas/contract/settings.ts';
import { type Duration, duration, hours } from './duration.ts';
import { type Problem, problemsOf } from './problems.ts';

/** Retention periods that CloudWatch Logs offers, in days. */
const retentionDays = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653] as const;

export interface EnvironmentInput {
  /**
   * Account number.
   * @default - the account of the credentials at deployment
   */
  readonly account?: string;
  /** @default - the region of the credentials at deployment */
  readonly region?: string;
  /**
   * manual: every model of every project waits for a person (`flywheel approve`).
   * @default - as each project says
   */
  readonly approval?: 'automatic' | 'manual';
  /**
   * The first of two keys to destroy data. The second is `flywheel destroy --destroy-data <environment>`; without both,
   * deleting the stacks leaves buckets, table and key where they are.
   * @default 'retain'
   */
  readonly removal?: 'retain' | 'destroy';
  /** @default 90 */
  readonly logRetentionDays?: (typeof retentionDays)[number];
  /**
   * Who hears of alarms and of models that wait for approval.
   * @default - nobody; subscribe to the topic of the state stack (output AlarmTopic)
   */
  readonly alarmEmail?: string;
  /**
   * How often drift is measured: 1 to 60 minutes.
   * @default 5
   */
  readonly driftMinutes?: number;
  /**
   * How long alarms watch a canary, whatever the projects say: shorter where nobody depends on the predictions.
   * @default - as each project says
   */
  readonly canaryBake?: Duration;
  /** @default 50 requests a second, 100 in a burst */
  readonly apiLimit?: { readonly requestsPerSecond: number; readonly burst: number };
  /**
   * Whose credentials deploy: those of the roles that `cdk bootstrap` made, or those of the command line.
   * @default 'bootstrap'
   */
  readonly deployWith?: 'bootstrap' | 'command-line';
}

const environmentSchema = z
  .strictObject({
    account: z
      .string()
      .regex(/^\d{12}$/, 'expected the 12 digits of an account')
      .optional(),
    region: z
      .string()
      .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, "expected a region such as 'eu-central-1'")
      .optional(),
    approval: z.enum(['automatic', 'manual']).optional(),
    removal: z.enum(['retain', 'destroy']).default('retain'),
    logRetentionDays: z.literal(retentionDays).default(90),
    alarmEmail: z.email('expected an e-mail address').optional(),
    driftMinutes: z.int().min(1).max(60).default(5),
    canaryBake: duration({ atMost: hours(1) }).optional(),
    apiLimit: z
      .strictObject({ requestsPerSecond: z.int().min(1), burst: z.int().min(1) })
      .default({ requestsPerSecond: 50, burst: 100 }),
    deployWith: z.enum(['bootstrap', 'command-line']).default('bootstrap'),
  })
  .readonly();

/** @returns the environment with every default filled in, or all that is wrong. */
export function parseEnvironment(name: string, input: EnvironmentInput): EnvironmentBase | readonly Problem[] {
  const at = `environments/${name}`;
  // Does not compile when the type that users see and the schema that checks it differ.
  const given: z.input<typeof environmentSchema> = input;
  const parsedName = environmentSettings.shape.name.safeParse(name, { reportInput: true });
  const parsed = environmentSchema.safeParse(given, { reportInput: true });
  if (parsedName.success && parsed.success) return { ...parsed.data, name: parsedName.data };
  return [parsedName, parsed].flatMap((each) => (each.error ? problemsOf(each.error, at) : []));
}

export type EnvironmentBase = z.output<typeof environmentSchema> & { readonly name: string };
