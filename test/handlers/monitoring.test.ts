import { text } from 'node:stream/consumers';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { beforeEach, describe, expect, it } from 'vitest';
import { driftMeasurementDue } from '../../lambdas/contract/aws-events.ts';
import { modelKey } from '../../lambdas/contract/keys.ts';
import { captureLimits } from '../../lambdas/contract/limits.ts';
import { measureDrift } from '../../lambdas/handlers/measure-drift.ts';
import { profileCapture } from '../../lambdas/handlers/profile-capture.ts';
import { recordEvent } from '../../lambdas/handlers/record-event.ts';
import { captureStore } from '../../lambdas/stores/capture-store.ts';
import { eventPublisher } from '../../lambdas/stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { modelStore } from '../../lambdas/stores/model-store.ts';
import { dyingPublisher, handlerContext } from '../support/context.ts';
import { baselineOf } from '../support/evaluation.ts';
import { environmentSettings, projectSettings } from '../support/project.ts';
import { createsModel } from '../support/records.ts';
import { createBus, createLineageTable, createVersionedBucket, type TestBus } from '../support/services.ts';

const now = new Date('2026-11-24T12:30:00.000Z');
const jobName = 'flywheel-local-flights-m1-e1-aaaaa';
const s3 = new S3Client({});

let lineage: LineageStore;
let bus: TestBus;
let bucket: string;

function context(events = eventPublisher(bus.name), settings = environmentSettings()) {
  const services = { lineage, events, captures: captureStore(bucket), models: modelStore(bucket) };
  return handlerContext(services, { now, settings });
}

/** Writes a capture file as SageMaker does; `delay` tells where in the baseline its rows lie. */
async function capture(
  name: string,
  rows: number,
  delay: (row: number) => number,
  model = 'flights/1',
): Promise<string> {
  const instances = Array.from({ length: rows }, (_, row) => ({ delay: delay(row), carrier: row % 2 ? 'UA' : 'DL' }));
  const predictions = instances.map((_, row) => (row % 2 ? 0.2 : 0.8));
  const line = {
    captureData: {
      endpointInput: {
        observedContentType: 'application/json',
        mode: 'INPUT',
        data: JSON.stringify({ instances }),
        encoding: 'JSON',
      },
      endpointOutput: {
        observedContentType: 'application/json',
        mode: 'OUTPUT',
        data: JSON.stringify({ predictions, modelVersion: model }),
        encoding: 'JSON',
      },
    },
    eventMetadata: { eventId: `event-${name}`, inferenceId: `id-${name}`, inferenceTime: '2026-11-24T12:10:00Z' },
    eventVersion: '0',
  };
  const key = `capture/flights/flywheel-local-flights/AllTraffic/2026/11/24/12/${name}.jsonl`;
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: `${JSON.stringify(line)}\n` }));
  return key;
}

const arrived = (key: string) => ({
  type: 'Object Created' as const,
  detail: { bucket: { name: bucket }, object: { key } },
});
const demanded = {
  type: 'DriftMeasurementDemanded' as const,
  detail: { project: 'flights', at: now.toISOString(), requestedBy: 'ada', demandId: 'd1' },
};
const even = (row: number) => (row % 4) * 10 - 5;
const shifted = () => 25;

beforeEach(async () => {
  lineage = lineageStore(await createLineageTable());
  bus = await createBus();
  bucket = await createVersionedBucket('monitoring');
  await serve('flights', JSON.stringify(baselineOf()));
});

/** A project whose first model is in service, with a baseline as it was written at its evaluation. */
async function serve(project: string, baseline: string): Promise<void> {
  await lineage.write([
    createsModel({ status: 'approved', evaluationJob: jobName, at: now.toISOString() }, project),
    { kind: 'state', project, read: { revision: 0 }, set: { model: 1, champion: 1 } },
  ]);
  const Key = modelKey.baselineFile(project, jobName);
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: baseline }));
}

describe('profile-capture and measure-drift', () => {
  it('find no drift in traffic like the training data', async () => {
    await profileCapture(arrived(await capture('a', 400, even)), context());
    await measureDrift(demanded, context());
    expect(await bus.drain()).toMatchObject([
      { 'detail-type': 'DriftMeasured', detail: { rows: 400, decision: 'none', model: 1 } },
    ]);
  });

  it('find the drift of a feature, tell of it, and leave a report', async () => {
    await profileCapture(arrived(await capture('a', 400, shifted)), context());
    const measured = context();
    await measureDrift(demanded, measured);
    const [, detected] = await bus.drain();
    expect(detected).toMatchObject({ 'detail-type': 'DriftDetected', detail: { features: [{ name: 'delay' }] } });
    expect((await lineage.state('flights')).driftedModel).toBe(1);
    const report = await text(await captureStore(bucket).captured(String(detected?.detail.report)));
    expect(report).toContain('delay');
    expect(measured.recorded).toContainEqual({ project: 'flights', name: 'DriftDetected', value: 1 });
  });

  it('count a file once, however often and in whatever order its event comes', async () => {
    const keys = [await capture('a', 300, even), await capture('b', 200, even)];
    for (const key of [...keys, ...keys.toReversed(), ...keys]) await profileCapture(arrived(key), context());
    await measureDrift(demanded, context());
    expect(await bus.drain()).toMatchObject([{ detail: { rows: 500 } }]);
  });

  it('count files that arrive at once, none lost', async () => {
    const keys = await Promise.all(['a', 'b', 'c', 'd'].map((name) => capture(name, 100, even)));
    let open = keys;
    // The run time repeats a handler that was overtaken; so does this loop.
    while (open.length > 0) {
      const outcomes = await Promise.allSettled(open.map((key) => profileCapture(arrived(key), context())));
      open = open.filter((_, index) => outcomes[index]?.status === 'rejected');
    }
    await measureDrift(demanded, context());
    expect(await bus.drain()).toMatchObject([{ detail: { rows: 400 } }]);
  });

  it('keep counts of two models apart', async () => {
    await profileCapture(arrived(await capture('a', 300, even)), context());
    await expect(profileCapture(arrived(await capture('b', 300, shifted, 'flights/2')), context())).rejects.toThrow(
      'model/flights/2',
    );
    await measureDrift(demanded, context());
    expect(await bus.drain()).toMatchObject([{ detail: { rows: 300, decision: 'none' } }]);
  });

  it('count the good lines of a file in which others name a model that is not there', async () => {
    const [good, bad] = [await capture('a', 300, even), await capture('b', 300, even, 'flights/9')];
    const read = async (key: string) => text(await captureStore(bucket).captured(key));
    const both = good.replace('a.jsonl', 'both.jsonl');
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: both, Body: (await read(bad)) + (await read(good)) }));
    await expect(profileCapture(arrived(both), context())).rejects.toThrow('model/flights/9');
    await measureDrift(demanded, context());
    expect(await bus.drain()).toMatchObject([{ detail: { rows: 300 } }]);
  });

  it('name a baseline that is too large, before it is read', async () => {
    const large = { ...baselineOf(), padding: 'x'.repeat(captureLimits.baselineBytes) };
    const Key = modelKey.baselineFile('flights', jobName);
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: JSON.stringify(large) }));
    await expect(profileCapture(arrived(await capture('a', 300, even)), context())).rejects.toThrow(
      `at most ${captureLimits.baselineBytes}`,
    );
  });

  it('name no feature that is no column of the project, of a baseline that was written over since its approval', async () => {
    const [delay, carrier] = baselineOf().features;
    const forged = Array.from({ length: 900 }, (_, index) => ({ ...delay, name: `forged${index}${'x'.repeat(1000)}` }));
    const value = 'v'.repeat(100_000);
    const large = carrier && { ...carrier, values: [value, 'DL'] };
    const baseline = { ...baselineOf(), features: [delay, large, ...forged] };
    const Key = modelKey.baselineFile('flights', jobName);
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: JSON.stringify(baseline) }));
    await profileCapture(arrived(await capture('a', 400, shifted)), context());
    const measured = context();
    await measureDrift(demanded, measured);
    const told = await bus.drain();
    expect(told.map((each) => each['detail-type'])).toEqual(['DriftMeasured', 'DriftDetected']);
    expect(JSON.stringify(told)).not.toContain(forged[0]?.name);
    expect(Buffer.byteLength(JSON.stringify(told))).toBeLessThan(100_000);
    expect(measured.recorded.filter(({ name }) => name === 'DriftPsi')).toHaveLength(3);
    expect(Buffer.byteLength(JSON.stringify(await lineage.newest('drift-measurement', 'flights', 1)))).toBeLessThan(
      100_000,
    );
  });

  it('record metrics once the events are told: what is too large to tell costs none', async () => {
    await profileCapture(arrived(await capture('a', 400, shifted)), context());
    const dying = context(dyingPublisher(eventPublisher(bus.name)));
    await expect(measureDrift(demanded, dying)).rejects.toThrow('killed');
    expect(dying.recorded).toEqual([]);
  });

  it('tell of a file that is beyond a limit, which is counted in part', async () => {
    const [whole, alone] = [context(), await capture('a', 300, even)];
    await profileCapture(arrived(alone), whole);
    expect(whole.recorded).toEqual([]);
    const line = await text(await captureStore(bucket).captured(alone));
    const hours = Array.from({ length: captureLimits.groups + 1 }, (_, hour) =>
      line.replace(
        '2026-11-24T12:10',
        `2026-11-${10 + Math.floor(hour / 24)}T${String(hour % 24).padStart(2, '0')}:10`,
      ),
    );
    const Key = alone.replace('a.jsonl', 'hours.jsonl');
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: hours.join('') }));
    const cut = context();
    await profileCapture(arrived(Key), cut);
    expect(cut.recorded).toEqual([{ project: null, name: 'CaptureBeyondLimit', value: 1 }]);
  });

  it('tell on the retry of a drift that was recorded by a killed handler, as the same measurement', async () => {
    await profileCapture(arrived(await capture('a', 400, shifted)), context());
    await expect(measureDrift(demanded, context(dyingPublisher(eventPublisher(bus.name))))).rejects.toThrow('killed');
    await measureDrift(demanded, context());
    const detected = (await bus.drain()).filter((each) => each['detail-type'] === 'DriftDetected');
    expect(detected).toHaveLength(1);
    expect(await lineage.newest('drift-measurement', 'flights', 10)).toHaveLength(1);
  });

  it('count a finding once when five measure at once, with no concurrency reserved', async () => {
    const { monitoring } = projectSettings();
    const settings = environmentSettings([projectSettings({ monitoring: { ...monitoring, consecutive: 2 } })]);
    const measureFive = async () => {
      const one = () => measureDrift(demanded, context(eventPublisher(bus.name), settings));
      const outcomes = await Promise.allSettled(Array.from({ length: 5 }, one));
      // As Lambda does, one after the other.
      for (const { status } of outcomes) if (status === 'rejected') await one();
      return new Set((await bus.drain()).map(({ detail }) => detail.decision ?? 'told'));
    };
    await profileCapture(arrived(await capture('a', 400, shifted)), context());
    expect([...(await measureFive())]).toEqual(['pending']);
    await profileCapture(arrived(await capture('b', 400, shifted)), context());
    expect([...(await measureFive())].sort()).toEqual(['drifted', 'told']);
    expect(await lineage.newest('drift-measurement', 'flights', 10)).toHaveLength(1);
  });

  it('measure each project by itself when all are due: a broken baseline stops no other', async () => {
    await serve('loans', 'not JSON');
    const settings = environmentSettings([projectSettings({ name: 'loans' }), projectSettings()]);
    const due = (detail: object) =>
      measureDrift(
        { type: 'DriftMeasurementDue', detail: driftMeasurementDue.detail.parse(detail) },
        context(eventPublisher(bus.name), settings),
      );
    await due({});
    const divided = await bus.drain();
    expect(divided.map(({ detail }) => detail)).toEqual([{ project: 'loans' }, { project: 'flights' }]);
    const outcomes = await Promise.allSettled(divided.map(({ detail }) => due(detail)));
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(await bus.drain()).toMatchObject([{ 'detail-type': 'DriftMeasured', detail: { project: 'flights' } }]);
  });

  it('say nothing of a project without a model in service', async () => {
    const read = await lineage.state('flights');
    await lineage.write([{ kind: 'state', project: 'flights', read, set: {}, unset: ['champion'] }]);
    await measureDrift(demanded, context());
    expect(await bus.drain()).toEqual([]);
  });
});

describe('record-event', () => {
  it('keeps an event once', async () => {
    const event = {
      type: 'ModelDeployed' as const,
      detail: { project: 'flights', at: now.toISOString(), model: 1, endpoint: 'e', replaces: null },
    };
    for (let repeat = 0; repeat < 5; repeat++) await recordEvent(event, context());
    const journal = await lineage.range('journal/flights', '2026', '2027');
    expect(journal).toMatchObject([{ detailType: 'ModelDeployed', detail: { model: 1 } }]);
  });
});
