/** Upload → immutable dataset version, or quarantine. */
import { Duration } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { s3ObjectCreated } from '../../lambdas/contract/aws-events.ts';
import { DatasetRejected, DatasetVersionRegistered } from '../../lambdas/contract/events.ts';
import { uploadLimits } from '../../lambdas/contract/limits.ts';
import { metrics } from '../../lambdas/contract/metrics.ts';
import { EventFunction } from './event-function.ts';
import type { Platform } from './platform.ts';
import { sumOf } from './project-metrics.ts';
import { QueuedRoute } from './queued-route.ts';

/** Lambda's own limit. */
const TIMEOUT = Duration.minutes(15);

export class DatasetVersioning extends Construct {
  readonly functions: readonly EventFunction[];

  constructor(scope: Construct, id: string, { platform }: { readonly platform: Platform }) {
    super(scope, id);
    const { raw, datasets, key, table, bus, environment, alarms } = platform;
    const register = new EventFunction(this, 'Register', {
      name: 'register-dataset-version',
      description: 'hashes, checks and profiles an upload, and makes it a dataset version',
      platform,
      access: table
        .readWriteRelease(
          'dataset-version',
          'dataset-object',
          'upload',
          'quarantined-upload',
          'agent',
          'pending',
          'registration',
          'project',
        )
        .and(table.query())
        .and(bus.publish(DatasetVersionRegistered, DatasetRejected))
        .and(key.reference())
        .and(raw.named('RAW_BUCKET'))
        .and(raw.readVersions(''))
        .and(datasets.named('DATASET_BUCKET'))
        .and(datasets.read('datasets/*/manifests/', 'datasets/*/accepted/'))
        .and(datasets.write('datasets/', 'quarantine/')),
      memory: 2048,
      timeout: TIMEOUT,
    });
    new QueuedRoute(this, 'Uploads', {
      platform,
      event: s3ObjectCreated,
      detail: { bucket: { name: [raw.bucket.bucketName] } },
      to: register,
      concurrency: uploadLimits.concurrency,
      timeout: TIMEOUT,
    });
    for (const project of environment.projects)
      alarms.add(this, `${project.name}-rejected`, {
        kind: 'dataset-rejected',
        of: project.name,
        metric: sumOf(environment, project.name, metrics.datasetRejected),
        atLeast: 1,
      });
    this.functions = [register];
  }
}
