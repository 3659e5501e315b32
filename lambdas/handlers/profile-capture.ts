/** A capture file arrived → its rows become counts in the bins of their model's baseline, by hour. */
import { s3ObjectCreated } from '../contract/aws-events.ts';
import { captureKey, itemKey, modelVersionName } from '../contract/keys.ts';
import { captureLimits } from '../contract/limits.ts';
import { metrics } from '../contract/metrics.ts';
import type { BaselineFile } from '../contract/model-files.ts';
import { countsItem } from '../contract/records.ts';
import { type Counts, decodeCounts, encodeCounts, fingerprint, mergeCounts } from '../domain/drift/counts.ts';
import { CaptureTally, type CountedModel } from '../domain/drift/tally.ts';
import { ConcurrentChange } from '../domain/errors.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { findProject } from '../runtime/settings.ts';
import { type CaptureStore, captureStore } from '../stores/capture-store.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';
import { type ModelStore, modelStore } from '../stores/model-store.ts';

interface Services {
  readonly lineage: LineageStore;
  readonly captures: Pick<CaptureStore, 'captured'>;
  readonly models: Pick<ModelStore, 'readBaseline'>;
}

/** Counts are kept for longer than any window looks back. */
const KEEP_SECONDS = 90 * 24 * 3600;

export const handler = eventHandler({
  name: 'profile-capture',
  consumes: [s3ObjectCreated],
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    captures: captureStore(environment.CAPTURE_BUCKET),
    models: modelStore(environment.MODEL_BUCKET),
  }),
  handle: profileCapture,
});

export async function profileCapture(
  event: ParsedEvent<typeof s3ObjectCreated>,
  context: Context<Services>,
): Promise<void> {
  const { key } = event.detail.object;
  const project = captureKey.project(key);
  if (project === undefined || !findProject(context.settings, project)) return;
  const tally = new CaptureTally(await context.services.captures.captured(key));
  await tally.read((version) => baselineOf(project, version, key, context));
  for (const { line, reason } of tally.broken)
    context.log.warn('a captured line was not counted', { key, line, reason });
  if (tally.uncounted > 0)
    context.log.warn('a captured file was counted in part', { key, lines: tally.lines, uncounted: tally.uncounted });
  if (tally.beyondLimit) context.metrics.record(null, metrics.captureBeyondLimit, 1);
  const failures: unknown[] = [...tally.failures];
  for (const { model, hour, baseline, counts } of tally.groups()) {
    // What one model or hour meets is no reason to leave the others uncounted.
    await addCounts({ project, model, hour, file: key }, baseline, counts, context).catch((error: unknown) => {
      failures.push(error);
    });
  }
  // An overtaken write is repeated at once, and finds what is written; anything else has first to be seen.
  const worst = failures.find((failure) => !(failure instanceof ConcurrentChange)) ?? failures[0];
  if (worst) throw worst;
}

/** Undefined for a model that is none of this project. */
async function baselineOf(
  project: string,
  version: string,
  key: string,
  { services, log }: Context<Services>,
): Promise<CountedModel | undefined> {
  const model = modelVersionName.parse(version);
  if (model?.project !== project) {
    log.warn('captured predictions name a model of another project', { key, version: version.slice(0, 80) });
    return undefined;
  }
  const { evaluationJob } = await services.lineage.require('model', project, model.model);
  if (evaluationJob === undefined) throw new Error(`model ${project}/${model.model} serves without a baseline`);
  return { model: model.model, baseline: await services.models.readBaseline(project, evaluationJob) };
}

async function addCounts(
  place: { project: string; model: number; hour: string; file: string },
  baseline: BaselineFile,
  counts: Counts,
  { services, now, log, metrics: recorder }: Context<Services>,
): Promise<void> {
  const { lineage } = services;
  const file = fingerprint(place.file);
  const key = itemKey.counts(place.project, place.model, place.hour, shardOf(file));
  const item = await lineage.item(key);
  const present = item ? countsItem.parse(item) : undefined;
  // The same file again (a repeated event) is in the counts already.
  if (present?.files.includes(file)) return;
  if (present && present.files.length >= captureLimits.filesPerItem) {
    recorder.record(null, metrics.captureBeyondLimit, 1);
    const limit = captureLimits.filesPerItem;
    return log.warn('an hour has more captured files than are counted', { ...place, limit });
  }
  const merged = present ? mergeCounts(decodeCounts(baseline, present.counts), counts) : counts;
  const written = await lineage.replace(
    key,
    present?.revision ?? 0,
    { files: [...(present?.files ?? []), file], counts: encodeCounts(merged) },
    Math.floor(now().getTime() / 1000) + KEEP_SECONDS,
  );
  if (!written) throw new ConcurrentChange(`the counts of ${place.project} model ${place.model}`);
}

const shardOf = (file: string): number => Number.parseInt(file.slice(-1), 16) % captureLimits.shards;
