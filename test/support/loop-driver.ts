/**
 * The whole loop without deployed functions: events of the bus and of SageMaker land in a queue, and the test decides how
 * each is delivered to the handlers that consume it: once, many times, in another order, or to a handler that dies before
 * it publishes. Table, bus, buckets, jobs and endpoints are real ones of the laptop cloud.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import {
  endpointDeploymentStateChange,
  endpointStateChange,
  processingJobStateChange,
  reconciliationDue,
  s3ObjectCreated,
  trainingJobStateChange,
} from '../../lambdas/contract/aws-events.ts';
import * as domain from '../../lambdas/contract/events.ts';
import { sageMakerPrefix } from '../../lambdas/contract/keys.ts';
import type { EnvironmentSettings, ProjectSettings } from '../../lambdas/contract/settings.ts';
import { ConcurrentChange } from '../../lambdas/domain/errors.ts';
import { installationOf } from '../../lambdas/domain/installation.ts';
import { deployModel } from '../../lambdas/handlers/deploy-model.ts';
import { finishDeployment } from '../../lambdas/handlers/finish-deployment.ts';
import { finishEvaluation } from '../../lambdas/handlers/finish-evaluation.ts';
import { finishTraining } from '../../lambdas/handlers/finish-training.ts';
import { judgeCandidate } from '../../lambdas/handlers/judge-candidate.ts';
import { reconcile } from '../../lambdas/handlers/reconcile.ts';
import { registerDatasetVersion } from '../../lambdas/handlers/register-dataset-version.ts';
import { requestTraining } from '../../lambdas/handlers/request-training.ts';
import { startEvaluation } from '../../lambdas/handlers/start-evaluation.ts';
import { startTraining } from '../../lambdas/handlers/start-training.ts';
import { type ConsumedEvent, type Context, parseEvent } from '../../lambdas/runtime/event-handler.ts';
import { alarmStore } from '../../lambdas/stores/alarm-store.ts';
import { datasetStore } from '../../lambdas/stores/dataset-store.ts';
import { endpointGateway } from '../../lambdas/stores/endpoint-gateway.ts';
import { endpointLogs } from '../../lambdas/stores/endpoint-logs.ts';
import { type EventPublisher, eventPublisher } from '../../lambdas/stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { modelStore } from '../../lambdas/stores/model-store.ts';
import { trainingGateway } from '../../lambdas/stores/training-gateway.ts';
import { makeCodeArchive } from '../../lib/code-archive.ts';
import { handlerContext } from './context.ts';
import {
  createBus,
  createKey,
  createLineageTable,
  createVersionedBucket,
  type ReceivedEvent,
  type TestBus,
  uniqueName,
} from './services.ts';

const root = join(import.meta.dirname, '../..');

/** One handler with what wakes it. */
export interface Consumer {
  readonly name: string;
  readonly consumes: readonly ConsumedEvent[];
  /** Handles the event as the run time would, with this publisher. */
  handle(event: ReceivedEvent, events: EventPublisher): Promise<void>;
}

export interface LoopDriver {
  readonly project: string;
  /** What names in SageMaker are made of, and the role that jobs run with. */
  readonly place: { readonly environment: string; readonly installation: string; readonly roleArn: string };
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
  readonly consumers: readonly Consumer[];
  /** Seconds that the clock of the handlers is ahead. */
  ahead: number;
  /** The event of the schedule of `reconcile`, for this project. */
  readonly reconciliation: ReceivedEvent;
  /** Puts an object into the raw bucket and returns its event. */
  upload(key: string, body: Uint8Array | string): Promise<ReceivedEvent>;
  /**
   * Delivers what is in the queue, by `deliver`, until an event of this type was seen and nothing came for a while.
   * @throws after a minute, with the events seen
   */
  runUntil(detailType: string, first: readonly ReceivedEvent[], deliver: Delivery): Promise<readonly ReceivedEvent[]>;
}

/** Delivers a batch of events: `consume` finds the handlers of one and wakes them. */
export type Delivery = (batch: readonly ReceivedEvent[], driver: LoopDriver) => Promise<void>;

export async function loopDriver(settingsOf: (environment: string) => ProjectSettings): Promise<LoopDriver> {
  // SageMaker's names are shared by all tests on this cloud: an environment of its own keeps them apart.
  const environment = `t${createHash('sha256').update(uniqueName('e')).digest('hex').slice(0, 8)}`;
  const [tableName, bus, keyArn, roleArn] = await Promise.all([
    createLineageTable(),
    createBus(),
    createKey(),
    createRole(environment),
  ]);
  const [raw, datasets, models, captures] = await Promise.all(
    ['raw', 'data', 'model', 'capture'].map(createVersionedBucket),
  );
  if (!(raw && datasets && models && captures)) throw new Error('four buckets were asked for');
  await routeSageMaker(bus, environment);

  const unarchived = settingsOf(environment);
  const archive = await makeCodeArchive(root, unarchived);
  const project: ProjectSettings = { ...unarchived, code: { sha256: archive.sha256 } };
  const settings: EnvironmentSettings = { name: environment, projects: [project] };
  const lineage = lineageStore(tableName);
  const roles = { [project.name]: roleArn };
  const places = {
    installation: installationOf(tableName),
    keyArn,
    datasetBucket: datasets,
    modelBucket: models,
    captureBucket: captures,
  };
  const stores = {
    lineage,
    datasets: datasetStore({ rawBucket: raw, datasetBucket: datasets, keyArn }),
    models: modelStore(models),
    roles,
    installation: places.installation,
  };
  const now = () => new Date(Date.now() + driver.ahead * 1000);
  const consumer = <const E extends ConsumedEvent, Services>(
    name: string,
    consumes: readonly E[],
    handle: (event: never, context: Context<Services & { events: EventPublisher }>) => Promise<void>,
    services: Services,
  ): Consumer => ({
    name,
    consumes,
    handle: async (event, events) =>
      settled(() =>
        handle(
          parseEvent(consumes, { id: 'x', source: sourceOf(event), ...event }) as never,
          handlerContext({ ...services, events }, { settings, now: now() }),
        ),
      ),
  });
  const jobs = trainingGateway();
  const registries = { 'sagemaker-xgboost': '683313688378.dkr.ecr.us-east-1.amazonaws.com' };
  const endpoints = endpointGateway();
  const consumers = [
    consumer('register-dataset-version', [s3ObjectCreated], registerDatasetVersion, stores),
    consumer(
      'request-training',
      [domain.DatasetVersionRegistered, domain.DriftDetected, domain.TrainingDemanded, domain.TrainingDue],
      requestTraining,
      stores,
    ),
    consumer('start-training', [domain.TrainingRequested], startTraining, {
      ...stores,
      sageMaker: jobs,
      readCode: () => archive.bytes,
      places: { ...places, registries, region: 'us-east-1' },
    }),
    consumer('finish-training', [trainingJobStateChange, domain.StepOverdue], finishTraining, {
      ...stores,
      sageMaker: jobs,
      registries,
    }),
    consumer('start-evaluation', [domain.ModelTrained, domain.EvaluationRequested], startEvaluation, {
      ...stores,
      sageMaker: jobs,
      places,
    }),
    consumer('finish-evaluation', [processingJobStateChange, domain.StepOverdue], finishEvaluation, {
      ...stores,
      sageMaker: jobs,
    }),
    consumer('reconcile', [reconciliationDue], reconcile, { ...stores, jobs, endpoints }),
    consumer('judge-candidate', [domain.ModelEvaluated, domain.ApprovalGiven], judgeCandidate, stores),
    consumer('deploy-model', [domain.ModelApproved], deployModel, {
      ...stores,
      sageMaker: endpoints,
      places,
      alarms: alarmStore(),
      logs: endpointLogs({ keyArn, retentionDays: 7 }),
    }),
    consumer('finish-deployment', [endpointStateChange, endpointDeploymentStateChange], finishDeployment, {
      ...stores,
      sageMaker: endpoints,
      alarms: alarmStore(),
    }),
  ];
  const driver: LoopDriver = {
    project: project.name,
    place: { environment, installation: places.installation, roleArn },
    ahead: 0,
    reconciliation: { 'detail-type': reconciliationDue.detailType, detail: { project: project.name } },
    lineage,
    events: eventPublisher(bus.name),
    consumers,
    async upload(key, body) {
      const Key = `${project.name}/${key}`;
      const { VersionId } = await new S3Client({}).send(new PutObjectCommand({ Bucket: raw, Key, Body: body }));
      const detail = {
        bucket: { name: raw },
        object: { key: Key, 'version-id': VersionId },
        requester: '000000000000',
      };
      return { 'detail-type': s3ObjectCreated.detailType, detail };
    },
    async runUntil(detailType, first, deliver) {
      const seen: ReceivedEvent[] = [];
      let batch: readonly ReceivedEvent[] = first;
      const deadline = performance.now() + 150_000;
      for (let quiet = 0; quiet < QUIET_LOOKS; ) {
        if (batch.length > 0) {
          quiet = 0;
          seen.push(...batch);
          await deliver(batch, driver);
        } else if (seen.some((each) => each['detail-type'] === detailType)) quiet += 1;
        if (performance.now() > deadline)
          throw new Error(`no ${detailType}; seen: ${seen.map((each) => each['detail-type']).join(', ')}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
        batch = await bus.drain();
      }
      return seen;
    },
  };
  return driver;
}

/** Twenty looks of 50 ms without an event: what was under way has ended. */
const QUIET_LOOKS = 20;

/** The handlers that an event wakes. */
export const consumersOf = (driver: LoopDriver, event: ReceivedEvent): readonly Consumer[] =>
  driver.consumers.filter((each) => each.consumes.some((definition) => definition.detailType === event['detail-type']));

const awsEvents = [
  s3ObjectCreated,
  trainingJobStateChange,
  processingJobStateChange,
  endpointStateChange,
  endpointDeploymentStateChange,
  reconciliationDue,
];
const sourceOf = (event: ReceivedEvent): string =>
  awsEvents.find((each) => each.detailType === event['detail-type'])?.source ?? domain.EVENT_SOURCE;

/** As the run time does: a handler that was overtaken reads and decides again. */
async function settled(handle: () => Promise<void>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await handle();
    } catch (error) {
      if (!(error instanceof ConcurrentChange) || attempt === 8) throw error;
    }
  }
}

/** SageMaker's events of one environment, from the default bus into the test bus's queue. */
async function routeSageMaker(bus: TestBus, environment: string): Promise<void> {
  const client = new EventBridgeClient({});
  const prefix = [{ prefix: sageMakerPrefix(environment) }];
  const names = ['TrainingJobName', 'ProcessingJobName', 'EndpointName'];
  const pattern = { source: ['aws.sagemaker'], detail: { $or: names.map((name) => ({ [name]: prefix })) } };
  await client.send(new PutRuleCommand({ Name: bus.name, EventPattern: JSON.stringify(pattern) }));
  await client.send(new PutTargetsCommand({ Rule: bus.name, Targets: [{ Id: 'queue', Arn: bus.queueArn }] }));
}

/** A role for jobs and endpoints. The roles that the stacks make, with their limits, are under test where stacks are deployed. */
async function createRole(name: string): Promise<string> {
  const client = new IAMClient({});
  const trust = { Effect: 'Allow', Principal: { Service: 'sagemaker.amazonaws.com' }, Action: 'sts:AssumeRole' };
  const { Role } = await client.send(
    new CreateRoleCommand({
      RoleName: name,
      AssumeRolePolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [trust] }),
    }),
  );
  const everything = { Effect: 'Allow', Action: ['s3:*', 'kms:*', 'logs:*', 'cloudwatch:*', 'ecr:*'], Resource: '*' };
  await client.send(
    new PutRolePolicyCommand({
      RoleName: name,
      PolicyName: 'data',
      PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [everything] }),
    }),
  );
  if (!Role?.Arn) throw new Error('IAM made a role without an ARN');
  return Role.Arn;
}
