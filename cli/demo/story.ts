/**
 * The demo's story, in the order in which 2013 happened. Every step waits for the event that ends it; nothing is done
 * here that a user could not do with the command line.
 */

import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type * as z from 'zod';
import {
  DatasetRejected,
  DatasetVersionRegistered,
  DeploymentRolledBack,
  type DetailOf,
  DriftDetected,
  DriftMeasured,
  EvaluationFailed,
  ModelDeployed,
  ModelRejected,
  TrainingFailed,
  TrainingRequested,
  TrainingSuppressed,
} from '../../lambdas/contract/events.ts';
import { routes } from '../../lambdas/contract/http.ts';
import type { ProjectSettings } from '../../lambdas/contract/settings.ts';
import { type Api, connectApi, demand } from '../api.ts';
import type { Session } from '../command.ts';
import { lineageOf } from '../commands/lineage.ts';
import type { LineageGraph } from '../lineage/walk.ts';
import { brokenFile, featureRows, flightsFile } from './flights.ts';
import { replay, steadyClient, type TrafficReport } from './traffic.ts';
import { StepFailed, type Watcher } from './watcher.ts';

export interface Told {
  /** Milliseconds since 1970, when the first upload began. */
  readonly firstUploadAt: number;
  readonly traffic: TrafficReport;
  readonly suppressed: readonly DetailOf<typeof TrainingSuppressed>[];
  readonly replayedRows: number;
  readonly drift: DetailOf<typeof DriftDetected>;
  readonly retraining: DetailOf<typeof TrainingRequested>;
  /** What became of the model that the drift asked for. */
  readonly retrained: z.infer<(typeof ModelDeployed)['detail']>;
  readonly quarantine: DetailOf<typeof DatasetRejected> & { readonly content: unknown };
  /** Dataset version before and after the broken file. */
  readonly versions: readonly [before: number | undefined, after: number | undefined];
  readonly predictionId: string;
  readonly lineage: LineageGraph;
}

type Narrator = (line: string) => void;

/** Events after which no model goes into service by itself. */
const endOfHope = [TrainingFailed, EvaluationFailed, ModelRejected, DeploymentRolledBack];

/** @throws StepFailed when a step did not end as it should */
export async function tell(
  session: Session,
  project: ProjectSettings | Session['environment']['projects'][number],
  watcher: Watcher,
  say: Narrator,
): Promise<Told> {
  const { outputs, store } = session;
  const name = project.name;
  const s3 = new S3Client({});
  const api = connectApi(outputs.ApiUrl);
  const uploadBytes = (key: string, Body: Buffer) =>
    s3.send(new PutObjectCommand({ Bucket: outputs.RawBucket, Key: `${name}/${key}`, Body }));
  const upload = (part: string) => uploadBytes(`2013-${part}.csv.gz`, readFileSync(flightsFile(part)));
  const version = (part: string) => ({
    matches: (detail: DetailOf<typeof DatasetVersionRegistered>) =>
      detail.uploads.some((key) => key.endsWith(`2013-${part}.csv.gz`)),
  });
  const deployed = (model: number) => ({
    matches: (detail: DetailOf<typeof ModelDeployed>) => detail.model === model,
    unless: endOfHope,
    after: watcher.events.length,
  });

  say('January is uploaded: the first version, the first model');
  const firstUploadAt = Date.now();
  await upload('01');
  await watcher.until(ModelDeployed, 'the first model in service', deployed(1));

  say('Clients begin to ask for predictions, ten a second, and go on while models change');
  const client = steadyClient(api, name, featureRows('02', project.data.columns).slice(0, 2000));
  try {
    say('February is uploaded: a second model, which has to beat the first on the same rows');
    const wait = deployed(2);
    await upload('02');
    await watcher.until(ModelDeployed, 'the second model in service', wait);

    say('Two weeks of June are uploaded: new versions, but not enough for a training run');
    const suppressed = [];
    for (const part of ['06-week-1', '06-week-2']) {
      const after = watcher.events.length;
      await upload(part);
      await watcher.until(DatasetVersionRegistered, `the version with ${part}`, version(part));
      suppressed.push(await watcher.until(TrainingSuppressed, `the decision about ${part}`, { after }));
    }

    say('A broken file is uploaded: two values among thousands that no flight has');
    const before = (await store.state(name)).datasetVersion;
    await uploadBytes('2013-03-broken.csv.gz', brokenFile('03'));
    const rejected = await watcher.until(DatasetRejected, 'the quarantine of the broken file');
    const report = await s3.send(new GetObjectCommand({ Bucket: outputs.DatasetBucket, Key: rejected.report }));
    const content: unknown = JSON.parse((await report.Body?.transformToString()) ?? 'null');
    const versions = [before, (await store.state(name)).datasetVersion] as const;

    say('July is replayed as traffic against a model of the winter');
    const july = featureRows('07', project.data.columns);
    const { drift, replayedRows } = await replayUntilDrift(july, session, project, watcher, say);
    const retraining = await watcher.until(TrainingRequested, 'the training run that the drift asks for', {
      matches: (detail) => detail.trigger === 'drift',
    });
    say('Drift asks for a training run, on all that has arrived since');
    const retrained = await watcher.until(ModelDeployed, 'the retrained model in service', {
      matches: (detail) => detail.model > 2,
      unless: [TrainingFailed, EvaluationFailed, ModelRejected],
    });

    say('Where does one prediction of the new model come from?');
    const { predictionId } = await predictionOf(client, name, retrained.model);
    const lineage = await lineageWithCapture(session, predictionId);
    return {
      firstUploadAt,
      traffic: await client.stop(),
      suppressed,
      replayedRows,
      drift,
      retraining,
      retrained,
      quarantine: { ...rejected, content },
      versions,
      predictionId,
      lineage,
    };
  } finally {
    await client.stop();
  }
}

/** As many rows between two measurements: a few days of flights. */
const ROWS_A_PART = 4000;

/** Replays a part, asks for a measurement, and so on: drift is declared after several measurements in a row find it. */
async function replayUntilDrift(
  rows: readonly ReturnType<typeof featureRows>[number][],
  { outputs }: Session,
  project: Session['environment']['projects'][number],
  watcher: Watcher,
  say: Narrator,
) {
  const api = connectApi(outputs.ApiUrl);
  const found = () => watcher.events.findLast((entry) => entry.type === DriftDetected.detailType);
  for (let sent = 0; sent < rows.length; ) {
    const part = rows.slice(sent, sent + ROWS_A_PART);
    const refused = await replay(api, project.name, part, project.serving.maximumRows);
    if (refused.length > 0) throw new StepFailed(`The API refused replayed rows: ${refused.join('; ')}`);
    sent += part.length;
    say(`${sent.toLocaleString('en-US')} flights of July replayed`);
    const measured = await measureWhenCaptured(project.name, sent, api, watcher);
    if (measured.decision !== 'drifted') continue;
    const entry = found() ?? (await watcher.until(DriftDetected, 'the drift that was measured').then(found));
    return { drift: DriftDetected.detail.parse(entry?.detail), replayedRows: sent };
  }
  throw new StepFailed(`All ${rows.length} flights of July were replayed, and no drift was declared.`);
}

/** Captured requests become counts seconds after they were answered: asks again until most of them are there. */
async function measureWhenCaptured(project: string, sent: number, api: Api, watcher: Watcher) {
  for (let attempt = 0; attempt < 30; attempt += 1) {
    const after = watcher.events.length;
    const { at } = await demand(api, routes.requestDriftCheck, project, {});
    const measured = await watcher.until(DriftMeasured, 'a drift measurement', {
      after,
      matches: (detail) => detail.at >= at,
    });
    if (measured.rows >= sent * 0.9) return measured;
    await pause(500);
  }
  throw new StepFailed(`${sent} rows were answered, but fewer were captured and counted.`);
}

/** A prediction that the new model made: the steady client meets it within moments. */
async function predictionOf(client: ReturnType<typeof steadyClient>, project: string, model: number) {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const { last } = client;
    if (last?.predictionId.startsWith(`${project}.${model}.`)) return last;
    await pause(100);
  }
  throw new StepFailed(`${project}/${model} is in service, but the clients' predictions do not come from it.`);
}

/** Its captured request is written seconds after the answer: asks again until it is part of the lineage. */
async function lineageWithCapture(session: Session, predictionId: string): Promise<LineageGraph> {
  for (let attempt = 0; attempt < 40; attempt += 1) {
    const lineage = await lineageOf(session, predictionId, 'up');
    if ('captured' in (lineage.nodes.get(lineage.root)?.fields ?? {})) return lineage;
    await pause(250);
  }
  throw new StepFailed(`The request of prediction ${predictionId} was not captured.`);
}
