/** From the name of an environment to what is deployed there: the outputs of its stacks. */
import * as z from 'zod';
import type { Environment } from '../lib/config/index.ts';
import { loadFlywheel } from '../lib/config/load.ts';
import { stackNames } from '../lib/stack-names.ts';
import { isolatedEnvironment } from '../local/cloud/environment.ts';
import { cloudEnvironment } from '../local/cloud.ts';
import { CommandFailed, exitCodes } from './failure.ts';
import { stackOutputs } from './stacks.ts';

export type { Environment };

/** JSON of `handler name → name or URL`. */
const named = z
  .string()
  .transform((text): unknown => JSON.parse(text))
  .pipe(z.record(z.string(), z.string()));
const outputs = z.object({
  RawBucket: z.string(),
  DatasetBucket: z.string(),
  ModelBucket: z.string(),
  CaptureBucket: z.string(),
  LineageTable: z.string(),
  EventBus: z.string(),
  ApiUrl: z.string(),
  AlarmTopic: z.string(),
  Functions: named,
  DeadLetterQueues: named,
  UnansweredRequestsQueue: z.string(),
});
export type StackOutputs = z.infer<typeof outputs>;

export interface Connection {
  readonly environment: Environment;
  readonly outputs: StackOutputs;
}

export const LOCAL = 'local';

/** Folder of the laptop cloud that `--env local` means: FLYWHEEL_LOCAL, else the default one. */
export const laptopCloud = (): { readonly directory?: string } =>
  process.env.FLYWHEEL_LOCAL ? { directory: process.env.FLYWHEEL_LOCAL } : {};

/**
 * Points this process's AWS SDK at an environment: region, and for the laptop cloud its endpoints and credentials.
 * @throws CommandFailed for an environment that `flywheel.config.ts` does not have
 */
export async function enter(name: string): Promise<Environment> {
  const environment = await configured(name);
  if (name === LOCAL) enterLaptopCloud();
  else if (environment.region) process.env.AWS_REGION = environment.region;
  return environment;
}

/** @throws CommandFailed for an environment that `flywheel.config.ts` does not have */
export async function configured(name: string): Promise<Environment> {
  // Read only now: a mistake in it is explained like any other, and does not stop `flywheel local`.
  const { environments } = await loadFlywheel();
  const environment = environments.find((each) => each.name === name);
  if (environment) return environment;
  const known = environments.map((each) => each.name).join(', ');
  throw new CommandFailed(
    `Got --env ${name}, expected an environment of flywheel.config.ts: ${known}.`,
    exitCodes.usage,
  );
}

export const notRunning = () =>
  new CommandFailed('The laptop cloud is not running. Start it:  flywheel local up', exitCodes.notFound);

/** After this no AWS setting of the user's is left in this process, and so no way to a real account. */
function enterLaptopCloud(): void {
  const environment = cloudEnvironment(laptopCloud());
  if (!environment) throw notRunning();
  const variables = isolatedEnvironment(environment);
  for (const name of Object.keys(process.env)) if (!(name in variables)) delete process.env[name];
  Object.assign(process.env, variables);
}

/** @throws CommandFailed when the environment is not deployed, or by an older version of the stacks */
export async function connect(name: string): Promise<Connection> {
  const environment = await enter(name);
  // By name: an account's other stacks (dev-website) may have outputs of the same names.
  const found = await Promise.all(stackNames(name).map(stackOutputs));
  const parsed = outputs.safeParse(Object.assign({}, ...found));
  if (!parsed.success) {
    const missing = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ');
    throw new CommandFailed(
      `Environment ${name} is not deployed, or not by this version (its stacks lack the outputs ${missing}).\n` +
        `Deploy it:  flywheel deploy --env ${name}`,
      exitCodes.notFound,
    );
  }
  return { environment, outputs: { ...parsed.data, ApiUrl: reachable(parsed.data.ApiUrl) } };
}

/** @throws CommandFailed for a project that the environment does not have */
export function projectOf(environment: Environment, name: string): Environment['projects'][number] {
  const project = environment.projects.find((each) => each.name === name);
  if (project) return project;
  const known = environment.projects.map((each) => each.name).join(', ');
  throw new CommandFailed(
    `There is no project ${name}; flywheel.config.ts has: ${known || 'none'}.`,
    exitCodes.notFound,
  );
}

/** The laptop cloud serves APIs by path: the host names that AWS gives them do not resolve there. */
function reachable(apiUrl: string): string {
  const endpoint = process.env.AWS_ENDPOINT_URL;
  const id = /^https?:\/\/([a-z0-9-]+)\.execute-api\./.exec(apiUrl)?.[1];
  return endpoint && id ? `${endpoint}/_aws/execute-api/${id}/$default` : apiUrl.replace(/\/$/, '');
}
