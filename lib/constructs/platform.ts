/** What every capability builds on: the environment, its code, and the state that outlives all else. */
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { FunctionBundles } from '../bundle.ts';
import type { Environment } from '../config/index.ts';
import type { Alarms } from './alarms.ts';
import type { DataBucket } from './data-bucket.ts';
import type { DataKey } from './data-key.ts';
import type { DomainBus } from './domain-bus.ts';
import type { LineageTable } from './lineage-table.ts';

export interface Platform {
  readonly environment: Environment;
  readonly bundles: FunctionBundles;
  readonly key: DataKey;
  readonly raw: DataBucket;
  readonly datasets: DataBucket;
  readonly models: DataBucket;
  readonly captures: DataBucket;
  readonly table: LineageTable;
  readonly bus: DomainBus;
  readonly topic: ITopic;
  readonly alarms: Alarms;
}
