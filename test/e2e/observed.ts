/** What a user sees of an installation under test: the status, the alarms, the model that answers; and model servers that fail on order. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, vi } from 'vitest';
import * as z from 'zod';
import { type Alarm, ringingAlarms } from '../../cli/status.ts';
import { predictionAnswer, routes } from '../../lambdas/contract/http.ts';
import { repository } from '../../local/cloud/layout.ts';
import type { Deployed } from './deployed.ts';
import { trialRows } from './trial.ts';

/** A loop takes some seconds on a machine that has nothing else to do. */
export const LOOP_MS = 120_000;
export const WAIT = { timeout: 90_000, interval: 250 };

const shownStatus = z.object({
  projects: z.array(z.object({ failures: z.array(z.looseObject({ type: z.string() })) })),
  deadLetters: z.array(z.object({ handler: z.string(), reasons: z.array(z.string()) })),
  alarms: z.array(z.object({ name: z.string(), description: z.string() })),
});

/** The answer of a command that was run as a user runs it. */
export async function answer(flywheel: Deployed, ...words: string[]): Promise<unknown> {
  return JSON.parse(await flywheel.flywheel(...words, '--json'));
}

/** What `flywheel status --json` says of a project: what went wrong, newest first, and what concerns the environment. */
export async function status(flywheel: Deployed, project: string) {
  const { projects, ...rest } = shownStatus.parse(await answer(flywheel, 'status', project));
  return { ...rest, failures: projects[0]?.failures ?? [] };
}

/** Waits until the alarm of a kind that watches a project or a function rings, and finds it in the status that people read. */
export async function rings(flywheel: Deployed, kind: string, of: string): Promise<Alarm> {
  const watches = ({ description }: Alarm) => description.includes(`] ${of}: `) && description.endsWith(`#${kind}`);
  const alarm = await vi.waitFor(async () => {
    const ringing = await ringingAlarms('local');
    const [found] = ringing.filter(watches);
    if (!found) throw new Error(`no ${kind} of ${of} among: ${ringing.map((each) => each.description).join('\n')}`);
    return found;
  }, WAIT);
  expect(await flywheel.flywheel('status')).toContain(alarm.name);
  return alarm;
}

/** The model version that answers over the HTTP API; the status code where none does. */
export async function serving(flywheel: Deployed, project: string): Promise<string | number> {
  const rows = trialRows({ from: 90_000, rows: 5 }).map(({ delay, wind, carrier }) => ({ delay, wind, carrier }));
  const text = JSON.stringify({ rows });
  const { status, body } = await flywheel.api.request(routes.predict, project, { text, type: 'application/json' });
  return status === 200 ? predictionAnswer.parse(body).modelVersion : status;
}

const SICK = 'sick';

/** Writes the images of a cloud that is to start: model servers end before they answer a ping while their version is made sick. */
export function imagesThatMayBeSick(directory: string): void {
  const python = join(repository, '.flywheel/venv/models/bin/python');
  const start = `test ! -e '${join(directory, SICK)}'/"$FLYWHEEL_MODEL_VERSION" && exec "$0" "$@"`;
  const serve = ['/bin/sh', '-c', start, '{python}', join(repository, 'models/common/serve.py')];
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'images.json'), JSON.stringify([{ pattern: 'sagemaker-xgboost:', python, serve }]));
}

/** From now on servers of a model version (`steady/2`) do not start; the answer heals it. */
export function makeSick({ directory }: Deployed, modelVersion: string): () => void {
  const file = join(directory, SICK, modelVersion);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, '');
  return () => rmSync(file);
}
