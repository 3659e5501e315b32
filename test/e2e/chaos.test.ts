/** The loop while SageMaker tells everything twice, late and out of order: one version, one job, one deployment. */
import { CloudWatchClient, GetMetricStatisticsCommand } from '@aws-sdk/client-cloudwatch';
import {
  ListEndpointConfigsCommand,
  ListProcessingJobsCommand,
  ListTrainingJobsCommand,
  SageMakerClient,
} from '@aws-sdk/client-sagemaker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPorts } from '../../local/cloud/layout.ts';
import { servicesOf, startService, stopService } from '../../local/cloud/services.ts';
import { type Deployed, type DeployedProject, deployed } from './deployed.ts';
import { trialCsv } from './trial.ts';

/** A loop takes some seconds; each of SageMaker's events may be two seconds late. */
const LOOP_MS = 120_000;

let flywheel: Deployed;
let project: DeployedProject;
beforeAll(async () => {
  flywheel = await deployed('chaos', 'faults.config.ts');
  await restartSageMaker(['--chaos', 'duplicate,delay,reorder']);
  project = flywheel.project('lossy');
});
afterAll(async () => {
  await flywheel.stop();
});

describe('while events of SageMaker come twice, late and out of order', () => {
  it('an upload becomes one version, one job of each kind, one deployment', async () => {
    await project.upload('first.csv.gz', trialCsv({ from: 0, rows: 3000 }));
    await project.event('ModelDeployed', { model: 1 }, LOOP_MS);
    await lastEventsArrived();
    await expectEach(1);
  });

  it('the next upload adds one of each, and takes the place of the first', async () => {
    await project.upload('second.csv.gz', trialCsv({ from: 10_000, rows: 3000 }));
    await project.event('ModelDeployed', { model: 2, replaces: 1 }, LOOP_MS);
    await lastEventsArrived();
    await expectEach(2);
  });
});

/** Of everything that an upload makes, as many as there were uploads: in the lineage, in SageMaker, and in the journal. */
async function expectEach(uploads: number): Promise<void> {
  const { lineage } = flywheel;
  // SageMaker told the one end of each job twice.
  expect(await calls('finish-training')).toBe(2 * uploads);
  expect(await calls('finish-evaluation')).toBe(2 * uploads);
  const recorded = async (type: Parameters<typeof lineage.newest>[0]) =>
    (await lineage.newest(type, project.name, 10)).length;
  const events = await project.events();
  const told = (type: string) => events.filter((each) => each === type).length;
  const sageMaker = new SageMakerClient({});
  const [training, processing, configs] = await Promise.all([
    sageMaker.send(new ListTrainingJobsCommand({ NameContains: project.name })),
    sageMaker.send(new ListProcessingJobsCommand({ NameContains: project.name })),
    sageMaker.send(new ListEndpointConfigsCommand({ NameContains: project.name })),
  ]);
  expect({
    versions: await recorded('dataset-version'),
    runs: await recorded('training-run'),
    models: await recorded('model'),
    evaluations: await recorded('evaluation'),
    decisions: await recorded('decision'),
    deployments: await recorded('deployment'),
    trainingJobs: training.TrainingJobSummaries?.length,
    processingJobs: processing.ProcessingJobSummaries?.length,
    endpointConfigs: configs.EndpointConfigs?.length,
    toldTrained: told('ModelTrained'),
    toldApproved: told('ModelApproved'),
    toldDeployed: told('ModelDeployed'),
  }).toEqual({
    versions: uploads,
    runs: uploads,
    models: uploads,
    evaluations: uploads,
    decisions: uploads,
    deployments: uploads,
    trainingJobs: uploads,
    processingJobs: uploads,
    endpointConfigs: uploads,
    toldTrained: uploads,
    toldApproved: uploads,
    toldDeployed: uploads,
  });
  expect(await lineage.state(project.name)).toMatchObject({ champion: uploads, wanted: uploads, model: uploads });
  const deployments = await lineage.newest('deployment', project.name, 10);
  expect(deployments.map((each) => each.status)).toEqual(Array.from({ length: uploads }, () => 'deployed'));
}

/** How often a function was called in the last hour. */
async function calls(handler: string): Promise<number> {
  const { Datapoints = [] } = await new CloudWatchClient({}).send(
    new GetMetricStatisticsCommand({
      Namespace: 'AWS/Lambda',
      MetricName: 'Invocations',
      Dimensions: [{ Name: 'FunctionName', Value: flywheel.outputs.Functions[handler] }],
      StartTime: new Date(Date.now() - 3600_000),
      EndTime: new Date(Date.now() + 60_000),
      Period: 7200,
      Statistics: ['Sum'],
    }),
  );
  return Datapoints.reduce((sum, each) => sum + (each.Sum ?? 0), 0);
}

/** What SageMaker still holds back comes within two seconds, and no event says that it was the last. */
async function lastEventsArrived(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 3000));
}

async function restartSageMaker(more: readonly string[]): Promise<void> {
  const { directory } = flywheel;
  const ports = readPorts(directory);
  const service =
    ports && servicesOf(directory, ports, { retryDelaySeconds: 0.2 }).find((each) => each.name === 'sagemaker');
  if (!service) throw new Error(`no SageMaker local runs in ${directory}`);
  await stopService(directory, 'sagemaker');
  await startService(directory, { ...service, command: [...service.command, ...more] });
}
