/** A capture file arrived → its rows become counts in the bins of their model's baseline, by hour. */
import * as z from 'zod/mini';
import { s3ObjectCreated } from '../contract/aws-events.ts';
import { captureKey, itemKey, modelVersionName } from '../contract/keys.ts';
import type { BaselineFile } from '../contract/model-files.ts';
import { type CapturedRequest, parseCapture } from '../domain/drift/capture.ts';
import {
  type Counts,
  countRows,
  decodeCounts,
  encodeCounts,
  fingerprint,
  mergeCounts,
} from '../domain/drift/counts.ts';
import { ConcurrentChange } from '../domain/errors.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { findProject } from '../runtime/settings.ts';
import { type CaptureStore, captureStore } from '../stores/capture-store.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';
import { type ModelStore, modelStore } from '../stores/model-store.ts';

interface Services {
  readonly lineage: LineageStore;
  readonly captures: Pick<CaptureStore, 'readCapture'>;
  readonly models: Pick<ModelStore, 'readBaseline'>;
}

/** One model and hour: the counts, and which files are in them. */
export const countsItem = z.object({ revision: z.int(), files: z.array(z.string()), counts: z.string() });

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
  const { requests, broken } = parseCapture(await context.services.captures.readCapture(key));
  for (const { line, reason } of broken) context.log.warn('a captured line was not counted', { key, line, reason });

  const groups = Map.groupBy(requests, (request) => `${request.modelVersion} ${request.time.slice(0, 13)}`);
  for (const [group, captured] of groups) {
    const [version = '', hour = ''] = group.split(' ');
    const model = modelVersionName.parse(version);
    if (model?.project !== project) {
      context.log.warn('captured predictions name a model of another project', { key, version });
      continue;
    }
    await addCounts({ project, model: model.model, hour, file: fingerprint(key) }, captured, context);
  }
}

async function addCounts(
  place: { project: string; model: number; hour: string; file: string },
  captured: readonly CapturedRequest[],
  { services, now }: Context<Services>,
): Promise<void> {
  const { lineage } = services;
  const model = await lineage.require('model', place.project, place.model);
  if (model.evaluationJob === undefined)
    throw new Error(`model ${place.project}/${place.model} serves without a baseline`);
  const baseline = await services.models.readBaseline(place.project, model.evaluationJob);
  const key = itemKey.counts(place.project, place.model, place.hour);
  const item = await lineage.item(key);
  const present = item ? countsItem.parse(item) : undefined;
  // The same file again (a repeated event) is in the counts already.
  if (present?.files.includes(place.file)) return;
  const counts = countCaptured(baseline, captured);
  const merged = present ? mergeCounts(decodeCounts(baseline, present.counts), counts) : counts;
  const written = await lineage.replace(
    key,
    present?.revision ?? 0,
    { files: [...(present?.files ?? []), place.file], counts: encodeCounts(merged) },
    Math.floor(now().getTime() / 1000) + KEEP_SECONDS,
  );
  if (!written) throw new ConcurrentChange(`the counts of ${place.project} model ${place.model}`);
}

function countCaptured(baseline: BaselineFile, captured: readonly CapturedRequest[]): Counts {
  return countRows(
    baseline,
    captured.flatMap((request) => request.rows),
    captured.flatMap((request) => request.predictions),
  );
}
