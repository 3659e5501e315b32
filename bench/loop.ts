/**
 * One loop on an empty laptop cloud, from the first upload of real data to its model in service, and where its time
 * goes: what is not spent inside the programs of containers is overhead. Median of three loops, each on a fresh cloud.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { flightsFile, prepareFlights } from '../cli/demo/flights.ts';
import { freshCloud } from '../cli/demo/fresh-cloud.ts';
import { containerTimes } from '../cli/demo/report.ts';
import { loopSteps, type Step, sumOf } from '../cli/demo/timing.ts';
import { watch } from '../cli/demo/watcher.ts';
import {
  DeploymentRolledBack,
  EvaluationFailed,
  ModelDeployed,
  ModelRejected,
  TrainingFailed,
} from '../lambdas/contract/events.ts';
import { repository } from '../local/cloud/layout.ts';
import { resetCloud } from '../local/cloud.ts';

const PROJECT = 'flights';
const LOOPS = 3;
/** Metaflow's own time for three local steps that do nothing (reference figure of the project's goals). */
const METAFLOW = { name: 'Metaflow, three local steps', value: 2300 };

export async function run() {
  const directory = join(repository, '.flywheel', 'bench-loop');
  await prepareFlights();
  const loops: Step[][] = [];
  try {
    for (let loop = 0; loop < LOOPS; loop += 1) loops.push(await oneLoop(directory));
  } finally {
    await resetCloud({ directory });
  }
  const overhead = (steps: readonly Step[]) => sumOf(steps, (step) => !step.inContainer);
  const median = loops.toSorted((a, b) => overhead(a) - overhead(b))[Math.floor(LOOPS / 2)] ?? [];
  const overheadMs = overhead(median);
  return [
    { metric: 'loop', value: sumOf(median), unit: 'ms' },
    { metric: 'in containers', value: sumOf(median, (step) => step.inContainer), unit: 'ms' },
    {
      metric: 'overhead',
      value: overheadMs,
      unit: 'ms',
      against: METAFLOW,
      ratio: Math.round((METAFLOW.value / overheadMs) * 100) / 100,
    },
    ...median.map(({ step, ms }, index) => ({
      metric: `${String(index + 1).padStart(2)} ${step}`,
      value: ms,
      unit: 'ms',
    })),
  ];
}

async function oneLoop(directory: string): Promise<Step[]> {
  const { store, outputs } = await freshCloud(directory, () => {});
  const watcher = watch(store, PROJECT, new Date().toISOString(), () => {});
  try {
    const key = { Bucket: outputs.RawBucket, Key: `${PROJECT}/2013-01.csv.gz` };
    const body = readFileSync(flightsFile('01'));
    const firstUploadAt = Date.now();
    await new S3Client({}).send(new PutObjectCommand({ ...key, Body: body }));
    await watcher.until(ModelDeployed, 'the model in service', {
      unless: [TrainingFailed, EvaluationFailed, ModelRejected, DeploymentRolledBack],
    });
    return loopSteps(firstUploadAt, watcher.events, await containerTimes({ store }, PROJECT), 1);
  } finally {
    await watcher.stop();
  }
}
