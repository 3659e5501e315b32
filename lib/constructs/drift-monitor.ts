/** Captured requests → counts by feature and bin → drift, measured at intervals or on demand. */
import { Duration } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { driftMeasurementDue, s3ObjectCreated } from '../../lambdas/contract/aws-events.ts';
import { DriftDetected, DriftMeasured, DriftMeasurementDemanded } from '../../lambdas/contract/events.ts';
import { itemKey } from '../../lambdas/contract/keys.ts';
import { metrics } from '../../lambdas/contract/metrics.ts';
import { EventFunction } from './event-function.ts';
import { EventRoute } from './event-route.ts';
import type { Platform } from './platform.ts';
import { maximumOf, sumOfAll } from './project-metrics.ts';
import { Schedule } from './schedule.ts';

export class DriftMonitor extends Construct {
  readonly functions: readonly EventFunction[];

  constructor(scope: Construct, id: string, { platform }: { readonly platform: Platform }) {
    super(scope, id);
    const { environment, table, bus, captures, models, alarms } = platform;
    const profile = new EventFunction(this, 'Profile', {
      name: 'profile-capture',
      description: 'counts captured requests by feature and bin',
      platform,
      memory: 1024,
      access: table
        .readAndPut(itemKey.partitions.counts)
        .and(captures.named('CAPTURE_BUCKET'))
        .and(captures.read('capture/'))
        .and(models.named('MODEL_BUCKET'))
        .and(models.read('models/*/evaluations/')),
    });
    new EventRoute(this, 'Captured', {
      events: [s3ObjectCreated],
      detail: { bucket: { name: [captures.bucket.bucketName] }, object: { key: [{ prefix: 'capture/' }] } },
      to: profile,
    });

    const measure = new EventFunction(this, 'Measure', {
      name: 'measure-drift',
      description: "compares captured traffic with the champion's baseline",
      platform,
      timeout: Duration.minutes(5),
      access: table
        .readWrite('drift-measurement', 'project')
        .and(table.query())
        .and(bus.publish(DriftMeasured, DriftDetected, driftMeasurementDue))
        .and(captures.named('CAPTURE_BUCKET'))
        .and(captures.write('drift/'))
        .and(models.named('MODEL_BUCKET'))
        .and(models.read('models/*/evaluations/')),
    });
    new EventRoute(this, 'Demanded', { bus: bus.bus, events: [DriftMeasurementDemanded], to: measure });
    // The function divides what the schedule sends into an event for each project.
    new EventRoute(this, 'Due', { bus: bus.bus, events: [driftMeasurementDue], to: measure });
    new Schedule(this, 'Interval', { minutes: environment.driftMinutes, event: driftMeasurementDue, to: measure });

    alarms.add(this, 'Failing', {
      kind: 'drift-not-measured',
      of: measure.name,
      // As long as the interval, so that each of the periods has a measurement in it.
      metric: measure.function.metricErrors({
        period: Duration.minutes(Math.max(5, environment.driftMinutes)),
        statistic: 'sum',
      }),
      atLeast: 1,
      periods: 3,
    });
    alarms.add(this, 'BeyondLimit', {
      kind: 'capture-beyond-limit',
      of: profile.name,
      metric: sumOfAll(environment, metrics.captureBeyondLimit),
      atLeast: 1,
    });
    for (const project of environment.projects)
      alarms.add(this, `${project.name}-drifted`, {
        kind: 'drift-detected',
        of: project.name,
        metric: maximumOf(environment, project.name, metrics.driftDetected),
        atLeast: 1,
      });
    this.functions = [profile, measure];
  }
}
