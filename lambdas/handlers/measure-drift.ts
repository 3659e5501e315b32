/** A schedule or a person asks → the window's traffic of a project is compared with its champion's baseline. */
import * as z from 'zod/mini';
import { driftMeasurementDue } from '../contract/aws-events.ts';
import { DriftDetected, DriftMeasured, DriftMeasurementDemanded } from '../contract/events.ts';
import { itemKey, nodeId } from '../contract/keys.ts';
import { metrics } from '../contract/metrics.ts';
import type { BaselineFile } from '../contract/model-files.ts';
import { countsItem } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { type Counts, decodeCounts, emptyCounts, mergeCounts } from '../domain/drift/counts.ts';
import { type DriftMeasurement, driftState, measureDrift as measure } from '../domain/drift/measure.ts';
import { renderDriftReport } from '../domain/drift/report.ts';
import { toldFeatures } from '../domain/drift/told.ts';
import { ConcurrentChange } from '../domain/errors.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { eachProject, projectNamed } from '../runtime/settings.ts';
import { type CaptureStore, captureStore } from '../stores/capture-store.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';
import { type ModelStore, modelStore } from '../stores/model-store.ts';

type Events = ParsedEvent<typeof driftMeasurementDue | typeof DriftMeasurementDemanded>;
interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
  readonly models: Pick<ModelStore, 'readBaseline'>;
  readonly captures: Pick<CaptureStore, 'writeDriftReport'>;
}

/** The measurement before. `announced` is the measurement that DriftDetected was told of, while the drift lasts. */
const driftItem = z.object({ revision: z.int(), state: driftState, announced: z.nullable(z.string()) });

export const handler = eventHandler({
  name: 'measure-drift',
  consumes: [driftMeasurementDue, DriftMeasurementDemanded],
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    events: eventPublisher(environment.EVENT_BUS_NAME),
    models: modelStore(environment.MODEL_BUCKET),
    captures: captureStore(environment.CAPTURE_BUCKET),
  }),
  handle: measureDrift,
});

export async function measureDrift(event: Events, context: Context<Services>): Promise<void> {
  const { settings, services } = context;
  const { project } = event.detail;
  // One project's broken baseline is no reason to leave the others unmeasured: each gets an event of its own.
  if (project === undefined) return services.events.publishAll(driftMeasurementDue, eachProject(settings));
  await measureProject(projectNamed(settings, project), context);
}

async function measureProject(project: ProjectSettings, context: Context<Services>): Promise<void> {
  const { services, now, log, metrics: recorder } = context;
  const { champion } = await services.lineage.state(project.name);
  if (champion === undefined) return log.info('no model in service, nothing to measure', { project: project.name });
  const { evaluationJob } = await services.lineage.require('model', project.name, champion);
  if (evaluationJob === undefined) throw new Error(`model ${project.name}/${champion} serves without a baseline`);
  const baseline = await services.models.readBaseline(project.name, evaluationJob);
  const key = itemKey.drift(project.name, champion);
  const item = await services.lineage.item(key);
  const previous = item ? driftItem.parse(item) : undefined;
  const counts = await countsInWindow(project, champion, baseline, context);
  const measurement = measure({
    baseline,
    counts,
    policy: project.monitoring,
    previous: previous?.state,
  });

  const at = now().toISOString();
  const drifted = measurement.decision === 'drifted';
  const announced = drifted ? (previous?.announced ?? `m${champion}-${measurement.state.judged}`) : null;
  if (announced !== null && announced !== previous?.announced)
    await recordDrift(project, champion, announced, { at, baseline, counts, measurement }, context);
  if (!drifted && previous?.announced) await recordEndOfDrift(project, champion, services.lineage);
  const kept = await services.lineage.replace(key, previous?.revision ?? 0, { state: measurement.state, announced });
  if (!kept) throw new ConcurrentChange(`the drift state of ${project.name}`);

  await announce(project, champion, at, measurement, announced, services);
  const worst = Math.max(0, ...measurement.features.map((feature) => feature.psi), measurement.prediction.psi);
  recorder.record(project.name, metrics.driftRows, measurement.rows);
  recorder.record(project.name, metrics.driftDetected, drifted ? 1 : 0);
  if (measurement.decision !== 'too-few-rows') {
    recorder.record(project.name, metrics.driftMaximumPsi, worst);
    for (const { name, psi } of toldFeatures(measurement, project.data.columns))
      recorder.record(project.name, metrics.driftPsi, psi, name);
  }
}

/** Counts are kept by the hour, so a window starts at the full hour before its first second. */
async function countsInWindow(
  project: ProjectSettings,
  model: number,
  baseline: BaselineFile,
  { services, now }: Context<Services>,
) {
  const hour = (time: number) => new Date(time).toISOString().slice(0, 13);
  const until = now().getTime();
  const from = until - project.monitoring.windowSeconds * 1000;
  const { pk, first, last } = itemKey.countsBetween(project.name, model, hour(from), hour(until));
  const items = await services.lineage.range(pk, first, last);
  return items
    .map((each) => decodeCounts(baseline, countsItem.parse(each).counts))
    .reduce(mergeCounts, emptyCounts(baseline));
}

async function recordDrift(
  project: ProjectSettings,
  model: number,
  measurementId: string,
  found: { at: string; baseline: BaselineFile; counts: Counts; measurement: DriftMeasurement },
  { services }: Context<Services>,
): Promise<void> {
  const { at, measurement } = found;
  const { lineage } = services;
  // Named by the counts that were judged: a repeat of this measurement finds it recorded.
  if (await lineage.get('drift-measurement', project.name, measurementId)) return;
  const html = renderDriftReport({ project: project.name, model, threshold: project.monitoring.psi, ...found });
  const report = await services.captures.writeDriftReport(project.name, measurementId, html);
  const state = await lineage.state(project.name);
  const id = nodeId.build('drift-measurement', project.name, measurementId);
  const features = toldFeatures(measurement, project.data.columns);
  const outcome = await lineage.write([
    {
      kind: 'create',
      type: 'drift-measurement',
      project: project.name,
      local: measurementId,
      record: {
        measurementId,
        model,
        rows: measurement.rows,
        decision: measurement.decision,
        features: features.map(({ name, psi, drifted }) => ({ name, psi, drifted })),
        reasons: [...measurement.reasons],
        report,
        at,
      },
    },
    { kind: 'edge', from: id, relation: 'used', to: nodeId.build('model', project.name, model), at },
    { kind: 'state', project: project.name, read: state, set: { driftedModel: model } },
  ]);
  if (!outcome.written) throw new ConcurrentChange(`the state of ${project.name}`);
}

async function recordEndOfDrift(project: ProjectSettings, model: number, lineage: LineageStore): Promise<void> {
  const state = await lineage.state(project.name);
  if (state.driftedModel !== model) return;
  const outcome = await lineage.write([
    { kind: 'state', project: project.name, read: state, set: {}, unset: ['driftedModel'] },
  ]);
  if (!outcome.written) throw new ConcurrentChange(`the state of ${project.name}`);
}

/** DriftDetected is told with every measurement while the drift lasts: training may have been suppressed, and data may have come. */
async function announce(
  project: ProjectSettings,
  model: number,
  at: string,
  measurement: DriftMeasurement,
  announced: string | null,
  { lineage, events }: Services,
): Promise<void> {
  const features = toldFeatures(measurement, project.data.columns);
  await events.publish(DriftMeasured, {
    project: project.name,
    at,
    model,
    rows: measurement.rows,
    decision: measurement.decision,
    features: features.map(({ name, psi, drifted }) => ({ name, psi, drifted })),
  });
  if (announced === null || project.monitoring.onDrift !== 'retrain') return;
  const record = await lineage.require('drift-measurement', project.name, announced);
  await events.publish(DriftDetected, {
    ...record,
    project: project.name,
    features: record.features.filter((feature) => feature.drifted),
  });
}
