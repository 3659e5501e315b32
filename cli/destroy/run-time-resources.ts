/**
 * What an environment has made at run time, and so belongs to no stack: endpoints with their configurations and models,
 * jobs under way, alarms of deployments, log groups of endpoints. All share the prefix of the environment's names; in
 * SageMaker they also have our tag, and what has the name alone is left where it is.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { CloudWatchClient, DeleteAlarmsCommand, paginateDescribeAlarms } from '@aws-sdk/client-cloudwatch';
import {
  CloudWatchLogsClient,
  DeleteLogGroupCommand,
  paginateDescribeLogGroups,
} from '@aws-sdk/client-cloudwatch-logs';
import {
  DeleteEndpointCommand,
  DeleteEndpointConfigCommand,
  DeleteModelCommand,
  ListTagsCommand,
  paginateListEndpointConfigs,
  paginateListEndpoints,
  paginateListModels,
  paginateListProcessingJobs,
  paginateListTrainingJobs,
  SageMakerClient,
  StopProcessingJobCommand,
  StopTrainingJobCommand,
} from '@aws-sdk/client-sagemaker';
import { endpointLogGroup, sageMakerPrefix } from '../../lambdas/contract/keys.ts';
import { CommandFailed } from '../failure.ts';

/** Names, by what they name. */
export interface RunTimeResources {
  readonly endpoints: readonly string[];
  readonly endpointConfigs: readonly string[];
  readonly models: readonly string[];
  readonly jobs: readonly string[];
  readonly alarms: readonly string[];
}

interface Found {
  readonly name: string;
  readonly arn: string;
}

/**
 * Deletes endpoints first and waits for their end: SageMaker needs their role until then ("Do not delete or revoke the
 * permissions for your ExecutionRoleArn", API reference, DeleteEndpoint). Jobs are stopped; a stopped one stays listed.
 * @throws CommandFailed when an endpoint is still there after half an hour
 */
export async function removeRunTimeResources(
  environment: string,
  say: (line: string) => void,
): Promise<RunTimeResources> {
  const prefix = sageMakerPrefix(environment);
  const sageMaker = new SageMakerClient({});
  const client = { client: sageMaker };
  const tagged = ours(sageMaker, prefix);
  const endpoints = await tagged(paginateListEndpoints(client, { NameContains: prefix }), (page) =>
    (page.Endpoints ?? []).map((each) => found(each.EndpointName, each.EndpointArn)),
  );
  say(`deleting endpoints: ${listed(endpoints)}`);
  await endOf(sageMaker, prefix, endpoints);

  const configs = await tagged(paginateListEndpointConfigs(client, { NameContains: prefix }), (page) =>
    (page.EndpointConfigs ?? []).map((each) => found(each.EndpointConfigName, each.EndpointConfigArn)),
  );
  for (const EndpointConfigName of configs)
    await sageMaker.send(new DeleteEndpointConfigCommand({ EndpointConfigName }));
  const models = await tagged(paginateListModels(client, { NameContains: prefix }), (page) =>
    (page.Models ?? []).map((each) => found(each.ModelName, each.ModelArn)),
  );
  for (const ModelName of models) await sageMaker.send(new DeleteModelCommand({ ModelName }));
  say(`deleted endpoint configurations: ${listed(configs)}; models: ${listed(models)}`);
  return {
    endpoints,
    endpointConfigs: configs,
    models,
    jobs: await stopJobs(environment),
    alarms: await deleteAlarms(prefix),
  };
}

/** The logs of endpoints; those of jobs are in groups that SageMaker shares between all jobs of an account. */
export async function deleteEndpointLogs(environment: string): Promise<readonly string[]> {
  const logs = new CloudWatchLogsClient({});
  const logGroupNamePrefix = endpointLogGroup(sageMakerPrefix(environment));
  const groups: string[] = [];
  for await (const { logGroups = [] } of paginateDescribeLogGroups({ client: logs }, { logGroupNamePrefix }))
    groups.push(...logGroups.flatMap(({ logGroupName }) => logGroupName ?? []));
  for (const logGroupName of groups) await logs.send(new DeleteLogGroupCommand({ logGroupName }));
  return groups;
}

const found = (name = '', arn = ''): Found => ({ name, arn });
const listed = (names: readonly string[]): string => names.join(', ') || 'none';

/** Names that begin with the prefix, of resources with our tag. */
const ours =
  (sageMaker: SageMakerClient, prefix: string) =>
  async <Page>(pages: AsyncIterable<Page>, resourcesOf: (page: Page) => readonly Found[]): Promise<string[]> => {
    const names: string[] = [];
    for await (const page of pages)
      for (const { name, arn } of resourcesOf(page))
        if (name.startsWith(prefix) && (await isTagged(sageMaker, arn))) names.push(name);
    return names;
  };

async function isTagged(sageMaker: SageMakerClient, ResourceArn: string): Promise<boolean> {
  const { Tags = [] } = await sageMaker.send(new ListTagsCommand({ ResourceArn }));
  return Tags.some(({ Key }) => Key === 'flywheel:project');
}

const LONGEST_DELETION_MS = 30 * 60_000;
const POLL_MS = 2000;

/** An endpoint that is being made or changed cannot be deleted yet: it is tried again. */
async function endOf(sageMaker: SageMakerClient, prefix: string, names: readonly string[]): Promise<void> {
  const deadline = Date.now() + LONGEST_DELETION_MS;
  for (let left = new Set(names); left.size > 0; ) {
    const present = new Map<string, string>();
    for await (const { Endpoints = [] } of paginateListEndpoints({ client: sageMaker }, { NameContains: prefix }))
      for (const { EndpointName = '', EndpointStatus = '' } of Endpoints)
        if (left.has(EndpointName)) present.set(EndpointName, EndpointStatus);
    left = new Set(present.keys());
    if (left.size > 0 && Date.now() > deadline)
      throw new CommandFailed(`Still there after 30 minutes: ${[...left].join(', ')}. See SageMaker, then try again.`);
    for (const [EndpointName, status] of present)
      if (status !== 'Deleting') await unlessRefused(sageMaker.send(new DeleteEndpointCommand({ EndpointName })));
    if (left.size > 0) await pause(POLL_MS);
  }
}

/** Stops the jobs that are under way. @returns their names */
export async function stopJobs(environment: string): Promise<readonly string[]> {
  const prefix = sageMakerPrefix(environment);
  const sageMaker = new SageMakerClient({});
  const client = { client: sageMaker };
  const tagged = ours(sageMaker, prefix);
  const inProgress = { NameContains: prefix, StatusEquals: 'InProgress' } as const;
  const training = await tagged(paginateListTrainingJobs(client, inProgress), (page) =>
    (page.TrainingJobSummaries ?? []).map((each) => found(each.TrainingJobName, each.TrainingJobArn)),
  );
  for (const TrainingJobName of training)
    await unlessRefused(sageMaker.send(new StopTrainingJobCommand({ TrainingJobName })));
  const processing = await tagged(paginateListProcessingJobs(client, inProgress), (page) =>
    (page.ProcessingJobSummaries ?? []).map((each) => found(each.ProcessingJobName, each.ProcessingJobArn)),
  );
  for (const ProcessingJobName of processing)
    await unlessRefused(sageMaker.send(new StopProcessingJobCommand({ ProcessingJobName })));
  return [...training, ...processing];
}

/** SageMaker has no error of its own for what cannot be deleted now, has ended by itself in between, or is not there. */
async function unlessRefused(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!(error instanceof Error && error.name === 'ValidationException')) throw error;
  }
}

async function deleteAlarms(AlarmNamePrefix: string): Promise<string[]> {
  const cloudWatch = new CloudWatchClient({});
  const names: string[] = [];
  for await (const { MetricAlarms = [] } of paginateDescribeAlarms({ client: cloudWatch }, { AlarmNamePrefix }))
    names.push(...MetricAlarms.flatMap(({ AlarmName }) => AlarmName ?? []));
  for (const name of names) await cloudWatch.send(new DeleteAlarmsCommand({ AlarmNames: [name] }));
  return names;
}
