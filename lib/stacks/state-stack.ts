/** What outlives everything else: key, buckets, table, bus, and the topic that people subscribe to. */
import {
  CfnOutput,
  CrossStackReferences,
  Duration,
  ReferenceStrength,
  RemovalPolicy,
  Stack,
  type StackProps,
} from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { LifecycleRule } from 'aws-cdk-lib/aws-s3';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct, IConstruct } from 'constructs';
import type { FunctionBundles } from '../bundle.ts';
import type { Environment } from '../config/index.ts';
import { Alarms } from '../constructs/alarms.ts';
import { accessLogBucket, DataBucket } from '../constructs/data-bucket.ts';
import { DataKey } from '../constructs/data-key.ts';
import { DomainBus } from '../constructs/domain-bus.ts';
import { LineageTable } from '../constructs/lineage-table.ts';
import type { Platform } from '../constructs/platform.ts';
import { destroysData } from '../removal.ts';

export interface StateStackProps extends StackProps {
  readonly environment: Environment;
  readonly bundles: FunctionBundles;
}

export class StateStack extends Stack {
  readonly platform: Platform;

  constructor(scope: Construct, id: string, { environment, bundles, ...props }: StateStackProps) {
    const destroys = destroysData(scope, environment);
    super(scope, id, { ...props, terminationProtection: !destroys });
    const removalPolicy = destroys ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN;

    const key = new DataKey(this, 'Key', { removalPolicy });
    const accessLogs = accessLogBucket(this, 'AccessLogs', removalPolicy);
    const bucket = (name: string, lifecycleRules: readonly LifecycleRule[], announcesObjects = false) =>
      new DataBucket(this, name, { key, accessLogs, removalPolicy, lifecycleRules, announcesObjects });
    const raw = bucket('Raw', [{ id: 'registered-uploads', expiration: Duration.days(90) }], true);
    const datasets = bucket('Dataset', [expiring('quarantine', 'quarantine/', 90)]);
    const models = bucket(
      'Model',
      environment.projects.map(({ name }) => expiring(`${name}-checkpoints`, `models/${name}/checkpoints/`, 30)),
    );
    const captures = bucket('Capture', [expiring('captured-traffic', 'capture/', 90)], true);
    const table = new LineageTable(this, 'Lineage', { key, removalPolicy, deletionProtection: !destroys });
    const bus = new DomainBus(this, 'Domain', { environment: environment.name });
    const topic = this.#alarmTopic(environment, key);
    this.platform = {
      environment,
      bundles,
      key,
      raw,
      datasets,
      models,
      captures,
      table,
      bus,
      topic,
      alarms: new Alarms(topic),
    };

    this.#holdForOthers(key.key, [key.key.keyArn]);
    for (const { bucket } of [raw, datasets, models, captures])
      this.#holdForOthers(bucket, [bucket.bucketArn, bucket.bucketName]);
    this.#holdForOthers(table.table, [table.table.tableArn, table.table.tableName]);
    this.#holdForOthers(bus.bus, [bus.bus.eventBusArn, bus.bus.eventBusName]);
    this.#holdForOthers(topic, [topic.topicArn]);

    new CfnOutput(this, 'RawBucket', { value: raw.bucket.bucketName });
    new CfnOutput(this, 'DatasetBucket', { value: datasets.bucket.bucketName });
    new CfnOutput(this, 'ModelBucket', { value: models.bucket.bucketName });
    new CfnOutput(this, 'CaptureBucket', { value: captures.bucket.bucketName });
    new CfnOutput(this, 'LineageTable', { value: table.table.tableName });
    new CfnOutput(this, 'EventBus', { value: bus.bus.eventBusName });
    new CfnOutput(this, 'AlarmTopic', { value: topic.topicArn });
  }

  /**
   * Exports, which CloudFormation neither changes nor removes while another stack imports them: state that would be
   * replaced under its readers stops the deployment. All of them, used or not, so that no reader has to go before its
   * export (docs/decisions/0015-references-between-stacks.md).
   */
  #holdForOthers(resource: IConstruct, values: readonly string[]): void {
    CrossStackReferences.of(resource).produce(ReferenceStrength.STRONG);
    for (const value of values) this.exportValue(value);
  }

  /** Here, because a subscription that was confirmed by hand must not be lost with a redeployment of alarms. */
  #alarmTopic({ name, alarmEmail }: Environment, key: DataKey): ITopic {
    const topic = new Topic(this, 'Alarms', {
      displayName: `Flywheel ${name}`,
      masterKey: key.key,
      enforceSSL: true,
    });
    // A policy takes the place of SNS's default one, and CDK's SnsAction adds nothing for the alarms it gives a topic to.
    const { account, region, partition } = this;
    topic.addToResourcePolicy(
      new PolicyStatement({
        sid: 'AlarmsOfThisAccount',
        principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [topic.topicArn],
        conditions: {
          StringEquals: { 'aws:SourceAccount': account },
          ArnLike: { 'aws:SourceArn': `arn:${partition}:cloudwatch:${region}:${account}:alarm:*` },
        },
      }),
    );
    if (alarmEmail !== undefined) topic.addSubscription(new EmailSubscription(alarmEmail));
    return topic;
  }
}

const expiring = (id: string, prefix: string, days: number): LifecycleRule => ({
  id,
  prefix,
  expiration: Duration.days(days),
});
