/** A fault in each step, on the real stacks: the reason is told, an alarm exists, and the old model goes on serving. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CloudWatchClient,
  type MetricAlarm,
  PutMetricDataCommand,
  paginateDescribeAlarms,
} from '@aws-sdk/client-cloudwatch';
import {
  DisableRuleCommand,
  EnableRuleCommand,
  EventBridgeClient,
  ListRulesCommand,
} from '@aws-sdk/client-eventbridge';
import { GetRolePolicyCommand, IAMClient, ListRolePoliciesCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { GetFunctionConfigurationCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { DescribeEndpointCommand, DescribeTrainingJobCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { predictionAnswer, routes } from '../../lambdas/contract/http.ts';
import { endpointName } from '../../lambdas/contract/keys.ts';
import { OVERDUE_SECONDS, reconcile } from '../../lambdas/handlers/reconcile.ts';
import { endpointGateway } from '../../lambdas/stores/endpoint-gateway.ts';
import { eventPublisher } from '../../lambdas/stores/event-publisher.ts';
import { trainingGateway } from '../../lambdas/stores/training-gateway.ts';
import { repository } from '../../local/cloud/layout.ts';
import { handlerContext } from '../support/context.ts';
import { environmentSettings } from '../support/project.ts';
import { trialSettings } from '../support/trial-data.ts';
import { type Deployed, deployed } from './deployed.ts';
import { trialCsv, trialRows } from './trial.ts';

const ENVIRONMENT = 'local';
const LOOP_MS = 120_000;

let flywheel: Deployed;
beforeAll(async () => {
  flywheel = await deployed('faults', 'faults.config.ts', writeImages);
});
afterAll(async () => {
  await flywheel.stop();
});

describe('a permission that is taken away', () => {
  const permission = 'sagemaker:CreateProcessingJob';

  it('fails the step with the reason of AWS in the status; given back, a redrive finishes the loop', async () => {
    const steady = flywheel.project('steady');
    const giveBack = await takeAway(permission, 'start-evaluation');
    await steady.upload('first.csv.gz', trialCsv({ from: 0, rows: 3000 }));
    await steady.event('ModelTrained', { model: 1 }, LOOP_MS);
    const reason = await vi.waitFor(async () => {
      const { deadLetters } = await status(steady.name);
      const reasons = deadLetters.find(({ handler }) => handler === 'start-evaluation')?.reasons ?? [];
      expect(reasons).toHaveLength(1);
      return reasons[0];
    }, WAIT);
    expect(reason).toMatch(/is not authorized to perform: sagemaker:CreateProcessingJob/);
    expect(await steady.events()).not.toContain('EvaluationStarted');
    await rings('dead-letters', 'start-evaluation');

    await giveBack();
    expect(await answer('redrive', 'start-evaluation')).toEqual([{ handler: 'start-evaluation', messages: 1 }]);
    await steady.event('ModelDeployed', { model: 1 }, LOOP_MS);
    expect((await status(steady.name)).deadLetters).toEqual([]);
  });
});

describe('a canary with errors', () => {
  it('is rolled back by the alarm, and the champion serves', async () => {
    const canary = flywheel.project('canary');
    await canary.upload('first.csv.gz', trialCsv({ from: 0, rows: 3000 }));
    await canary.event('ModelDeployed', { model: 1 }, LOOP_MS);
    await canary.upload('second.csv.gz', trialCsv({ from: 10_000, rows: 3000 }));
    await canary.event('DeploymentStarted', { model: 2, replaces: 1 }, LOOP_MS);
    const endpoint = endpointName.build(ENVIRONMENT, canary.name);
    await vi.waitFor(async () => expect(await stages(endpoint)).toContain('Baking'), WAIT);
    await putErrors(endpoint);

    const { reason, inService } = await canary.event('DeploymentRolledBack', { model: 2 });
    const [alarm = 'none'] = await alarmsOn('Invocation5XXErrors', endpoint);
    expect(reason).toContain(alarm);
    expect(inService).toBe(1);
    expect((await flywheel.lineage.state(canary.name)).champion).toBe(1);
    expect(await servingModel(canary.name)).toBe('canary/1');
    await rings('deployment-rolled-back', canary.name);
    expect((await status(canary.name)).failures[0]).toMatchObject({ type: 'DeploymentRolledBack' });
  });
});

describe('a training script that fails', () => {
  it('is told in the words of the script, and rings the alarm of the project', async () => {
    const project = flywheel.project('newcomer');
    const onTime = trialRows({ from: 0, rows: 1000 }).filter((row) => !row.late);
    const lines = onTime.map((row) => `${row.row_id},${row.delay},${row.wind},${row.carrier},${row.late}`);
    await project.upload('on-time.csv', `${['row_id,delay,wind,carrier,late', ...lines].join('\n')}\n`);

    const { reason } = await project.event('TrainingFailed', {}, LOOP_MS);
    expect(reason).toContain(
      "got 1 classes of label 'late' in the training rows, expected two; upload rows of each class",
    );
    expect((await status(project.name)).failures).toMatchObject([{ type: 'TrainingFailed', detail: { reason } }]);
    await rings('training-failed', project.name);
  });
});

describe('an instance type that is not to be had', () => {
  it('is followed by the next of the list', async () => {
    await setCapacity('ml.g5.xlarge', false);
    const project = flywheel.project('newcomer');
    await project.upload('all.csv.gz', trialCsv({ from: 0, rows: 3000 }));
    const { jobName } = await project.event('TrainingStarted', { attempt: 2, instanceType: 'ml.m5.xlarge' }, LOOP_MS);
    await setCapacity('ml.g5.xlarge', true);
    await project.event('ModelDeployed', { model: 1 }, LOOP_MS);
    const job = await new SageMakerClient({}).send(new DescribeTrainingJobCommand({ TrainingJobName: `${jobName}` }));
    expect(job).toMatchObject({ TrainingJobStatus: 'Completed', ResourceConfig: { InstanceType: 'ml.m5.xlarge' } });
  });
});

describe('a model server that never becomes healthy', () => {
  it('is rolled back, and the old model serves', async () => {
    const sick = join(flywheel.directory, SICK);
    writeFileSync(sick, '');
    const project = flywheel.project('steady');
    await project.upload('more.csv.gz', trialCsv({ from: 0, rows: 4000 }));
    const { reason, inService } = await project.event('DeploymentRolledBack', { model: 2 }, LOOP_MS);
    rmSync(sick);
    expect(reason).toMatch(/did not pass the ping health check/);
    expect(inService).toBe(1);
    expect((await flywheel.lineage.state(project.name)).champion).toBe(1);
    expect(await servingModel(project.name)).toBe('steady/1');
    expect((await status(project.name)).failures[0]).toMatchObject({
      type: 'DeploymentRolledBack',
      detail: { reason },
    });
    await rings('deployment-rolled-back', project.name);
  });
});

describe('a model that a person has to approve', () => {
  it('waits, and the decision names who let it into service and why', async () => {
    const project = flywheel.project('reviewed');
    await project.upload('first.csv.gz', trialCsv({ from: 0, rows: 3000 }));
    await project.event('ApprovalRequested', { model: 1 }, LOOP_MS);
    expect(await project.events()).not.toContain('DeploymentStarted');

    const why = 'reviewed with the operations desk';
    expect(await answer('approve', 'reviewed/1', '--reason', why)).toMatchObject({ type: 'ModelApproved' });
    await project.event('ModelDeployed', { model: 1 }, LOOP_MS);
    const decision = await flywheel.lineage.require('decision', project.name, '1-approval');
    expect(decision).toMatchObject({ decision: 'approve', decidedBy: expect.stringMatching(/^arn:/), reasons: [why] });
  });
});

describe('an event of SageMaker that is lost', () => {
  it('is made up for by reconcile', async () => {
    const project = flywheel.project('lossy');
    const found = await loseEvents('SageMaker Training Job State Change');
    await project.upload('first.csv.gz', trialCsv({ from: 0, rows: 3000 }));
    const { jobName } = await project.event('TrainingStarted', {}, LOOP_MS);
    const sageMaker = new SageMakerClient({});
    await vi.waitFor(async () => {
      const job = await sageMaker.send(new DescribeTrainingJobCommand({ TrainingJobName: `${jobName}` }));
      expect(job.TrainingJobStatus).toBe('Completed');
    }, WAIT);
    await found();
    await reconciled(project.name, 0);
    expect(await project.events()).not.toContain('StepOverdue');
    await reconciled(project.name, OVERDUE_SECONDS);
    await project.event('StepOverdue', { kind: 'training', name: jobName });
    await project.event('ModelDeployed', { model: 1 }, LOOP_MS);
  });
});

const WAIT = { timeout: 90_000, interval: 500 };

const shownStatus = z.object({
  projects: z.array(z.object({ failures: z.array(z.looseObject({ type: z.string() })) })),
  deadLetters: z.array(z.object({ handler: z.string(), reasons: z.array(z.string()) })),
  alarms: z.array(z.object({ name: z.string(), description: z.string() })),
});

/** Of a command, run as a user runs it. */
async function answer(...words: string[]): Promise<unknown> {
  return JSON.parse(await flywheel.flywheel(...words, '--json'));
}

/** What `flywheel status` says. */
async function status(...project: string[]) {
  const { projects, ...rest } = shownStatus.parse(await answer('status', ...project));
  return { ...rest, failures: projects[0]?.failures ?? [] };
}

/** Waits until the status shows the alarm of a kind that watches a project or a function. */
async function rings(kind: string, of: string): Promise<void> {
  await vi.waitFor(async () => {
    const descriptions = (await status()).alarms.map((alarm) => alarm.description);
    const wanted = descriptions.filter((each) => each.includes(`] ${of}: `) && each.endsWith(`runbook.md#${kind}`));
    expect(wanted, descriptions.join('\n')).toHaveLength(1);
  }, WAIT);
}

async function servingModel(project: string): Promise<string> {
  const rows = trialRows({ from: 90_000, rows: 5 }).map(({ delay, wind, carrier }) => ({ delay, wind, carrier }));
  const text = JSON.stringify({ rows });
  const { body } = await flywheel.api.request(routes.predict, project, { text, type: 'application/json' });
  return predictionAnswer.parse(body).modelVersion;
}

const policyDocument = z.looseObject({
  Statement: z.array(z.looseObject({ Action: z.union([z.string(), z.array(z.string())]) })),
});

/** Rewrites the inline policies of a function's role without an action; the answer gives it back. */
async function takeAway(action: string, handler: string): Promise<() => Promise<void>> {
  const iam = new IAMClient({});
  const configuration = await new LambdaClient({}).send(
    new GetFunctionConfigurationCommand({ FunctionName: flywheel.outputs.Functions[handler] }),
  );
  const RoleName = configuration.Role?.split('/').at(-1) ?? '';
  const { PolicyNames = [] } = await iam.send(new ListRolePoliciesCommand({ RoleName }));
  const before = new Map<string, string>();
  for (const PolicyName of PolicyNames) {
    const { PolicyDocument = '' } = await iam.send(new GetRolePolicyCommand({ RoleName, PolicyName }));
    const document = policyDocument.parse(JSON.parse(decodeURIComponent(PolicyDocument)));
    const Statement = document.Statement.flatMap((statement) => {
      const Action = [statement.Action].flat().filter((each) => each !== action);
      return Action.length > 0 ? [{ ...statement, Action }] : [];
    });
    const without = JSON.stringify({ ...document, Statement });
    if (without.length === JSON.stringify({ ...document }).length) continue;
    before.set(PolicyName, JSON.stringify(document));
    await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument: without }));
  }
  expect([...before.values()].join()).toContain(action);
  return async () => {
    for (const [PolicyName, PolicyDocument] of before)
      await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument }));
  };
}

async function stages(EndpointName: string): Promise<string[]> {
  const { PendingDeploymentSummary } = await new SageMakerClient({}).send(
    new DescribeEndpointCommand({ EndpointName }),
  );
  return (PendingDeploymentSummary?.ProductionVariants ?? []).flatMap((variant) =>
    (variant.VariantStatus ?? []).map((each) => `${each.Status}`),
  );
}

/** As SageMaker reports them when a model answers with errors. */
async function putErrors(endpoint: string): Promise<void> {
  const Dimensions = [
    { Name: 'EndpointName', Value: endpoint },
    { Name: 'VariantName', Value: 'AllTraffic' },
  ];
  const errors = { MetricName: 'Invocation5XXErrors', Dimensions, Value: 5 };
  await new CloudWatchClient({}).send(new PutMetricDataCommand({ Namespace: 'AWS/SageMaker', MetricData: [errors] }));
}

async function alarmsOn(metric: string, endpoint: string): Promise<string[]> {
  const ofEndpoint = (await metricAlarms()).filter(
    (alarm) => alarm.MetricName === metric && alarm.Dimensions?.some((each) => each.Value === endpoint),
  );
  return ofEndpoint.flatMap((alarm) => alarm.AlarmName ?? []);
}

async function metricAlarms(): Promise<MetricAlarm[]> {
  const alarms: MetricAlarm[] = [];
  for await (const { MetricAlarms = [] } of paginateDescribeAlarms({ client: new CloudWatchClient({}) }, {}))
    alarms.push(...MetricAlarms);
  return alarms;
}

async function setCapacity(instanceType: string, available: boolean): Promise<void> {
  const url = `${flywheel.sagemakerUrl}/_flywheel/capacity`;
  const response = await fetch(url, { method: 'POST', body: JSON.stringify({ instanceType, available }) });
  expect(response.status).toBe(200);
}

/** Switches off the rules that wait for events of a type; the answer switches them on again. */
async function loseEvents(detailType: string): Promise<() => Promise<void>> {
  const events = new EventBridgeClient({});
  const { Rules = [] } = await events.send(new ListRulesCommand({}));
  const rules = Rules.filter((rule) => rule.EventPattern?.includes(detailType)).flatMap((rule) => rule.Name ?? []);
  expect(rules).not.toEqual([]);
  for (const Name of rules) await events.send(new DisableRuleCommand({ Name }));
  return async () => {
    for (const Name of rules) await events.send(new EnableRuleCommand({ Name }));
  };
}

/** The step of the schedule, as it would be a number of seconds from now. */
async function reconciled(project: string, secondsFromNow: number): Promise<void> {
  const settings = { ...environmentSettings(), name: ENVIRONMENT, projects: [{ ...trialSettings(), name: project }] };
  const services = {
    lineage: flywheel.lineage,
    events: eventPublisher(flywheel.outputs.EventBus),
    jobs: trainingGateway(),
    endpoints: endpointGateway(),
  };
  const now = new Date(Date.now() + secondsFromNow * 1000);
  await reconcile({ type: 'ReconciliationDue', detail: {} }, handlerContext(services, { settings, now }));
}

/** While the cloud's folder has this file, a model server ends before it answers a ping. */
const SICK = 'sick';

function writeImages(directory: string): void {
  const server = join(repository, 'models/common/serve.py');
  const serve = ['/bin/sh', '-c', `test ! -e '${join(directory, SICK)}' && exec "$0" "$@"`, '{python}', server];
  const python = join(repository, '.flywheel/venv/models/bin/python');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'images.json'), JSON.stringify([{ pattern: 'sagemaker-xgboost:', python, serve }]));
}
