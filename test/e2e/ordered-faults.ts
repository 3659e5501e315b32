/** Faults of the cloud on order: a permission that is gone, an event that is lost, a canary with errors, no capacity, time that passed. */
import { CloudWatchClient, DescribeAlarmsCommand, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import {
  DisableRuleCommand,
  EnableRuleCommand,
  EventBridgeClient,
  ListRulesCommand,
} from '@aws-sdk/client-eventbridge';
import { GetRolePolicyCommand, IAMClient, ListRolePoliciesCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { GetFunctionConfigurationCommand, InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { DescribeEndpointCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import { expect, vi } from 'vitest';
import * as z from 'zod';
import { reconciliationDue } from '../../lambdas/contract/aws-events.ts';
import { nodeId } from '../../lambdas/contract/keys.ts';
import { OVERDUE_SECONDS } from '../../lambdas/handlers/reconcile.ts';
import { secretHeaders } from '../support/services.ts';
import type { Deployed } from './deployed.ts';
import { WAIT } from './observed.ts';

const policyDocument = z.looseObject({
  Statement: z.array(z.looseObject({ Action: z.union([z.string(), z.array(z.string())]) })),
});

/** Rewrites the inline policies of a function's role without an action; the answer gives it back. */
export async function takeAway({ outputs }: Deployed, action: string, handler: string): Promise<() => Promise<void>> {
  const iam = new IAMClient({});
  const configuration = await new LambdaClient({}).send(
    new GetFunctionConfigurationCommand({ FunctionName: outputs.Functions[handler] }),
  );
  const RoleName = configuration.Role?.split('/').at(-1) ?? '';
  const { PolicyNames = [] } = await iam.send(new ListRolePoliciesCommand({ RoleName }));
  const before = new Map<string, string>();
  for (const PolicyName of PolicyNames) {
    const { PolicyDocument = '' } = await iam.send(new GetRolePolicyCommand({ RoleName, PolicyName }));
    const text = decodeURIComponent(PolicyDocument);
    const document = policyDocument.parse(JSON.parse(text));
    const Statement = document.Statement.flatMap((statement) => {
      const Action = [statement.Action].flat().filter((each) => each !== action);
      return Action.length > 0 ? [{ ...statement, Action }] : [];
    });
    if (!text.includes(`"${action}"`)) continue;
    before.set(PolicyName, text);
    const without = JSON.stringify({ ...document, Statement });
    await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument: without }));
  }
  expect(before.size, `policies of ${RoleName} that allow ${action}`).toBeGreaterThan(0);
  return async () => {
    for (const [PolicyName, PolicyDocument] of before)
      await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument }));
  };
}

/** Switches off the rules that wait for AWS's events of a type; the answer switches them on again. */
export async function loseEvents(detailType: string): Promise<() => Promise<void>> {
  const events = new EventBridgeClient({});
  const { Rules = [] } = await events.send(new ListRulesCommand({}));
  const rules = Rules.filter((rule) => rule.EventPattern?.includes(detailType)).flatMap((rule) => rule.Name ?? []);
  expect(rules).not.toEqual([]);
  for (const Name of rules) await events.send(new DisableRuleCommand({ Name }));
  return async () => {
    for (const Name of rules) await events.send(new EnableRuleCommand({ Name }));
  };
}

/** The two fleets of an endpoint while a deployment is under way, by their endpoint configs. */
export interface Fleets {
  readonly endpoint: string;
  readonly oldConfig: string;
  readonly newConfig: string;
}

/** Waits until the new fleet of an endpoint has a part of the traffic and its alarms are watched. */
export async function canaryOf(EndpointName: string): Promise<Fleets> {
  const sageMaker = new SageMakerClient({});
  return vi.waitFor(async () => {
    const { EndpointConfigName: oldConfig, PendingDeploymentSummary: pending } = await sageMaker.send(
      new DescribeEndpointCommand({ EndpointName }),
    );
    const [variant] = pending?.ProductionVariants ?? [];
    expect(variant?.VariantStatus?.map((each) => each.Status)).toContain('Baking');
    if (!oldConfig || !pending?.EndpointConfigName) throw new Error('a deployment names both configs');
    return { endpoint: EndpointName, oldConfig, newConfig: pending.EndpointConfigName };
  }, WAIT);
}

/** Reports errors of a fleet, as SageMaker does when its model answers with them: of the endpoint, and of the fleet. */
export async function errorsOf({ endpoint }: Fleets, endpointConfig: string): Promise<void> {
  const ofEndpoint = [
    { Name: 'EndpointName', Value: endpoint },
    { Name: 'VariantName', Value: 'AllTraffic' },
  ];
  const ofFleet = [...ofEndpoint, { Name: 'EndpointConfigName', Value: endpointConfig }];
  const MetricData = [ofEndpoint, ofFleet].map((Dimensions) => ({
    MetricName: 'Invocation5XXErrors',
    Dimensions,
    Values: [1],
    Counts: [5],
  }));
  await new CloudWatchClient({}).send(new PutMetricDataCommand({ Namespace: 'AWS/SageMaker', MetricData }));
}

/** Names of the alarms that a deployment of this config has. */
export async function alarmsOf(endpointConfig: string): Promise<string[]> {
  const { MetricAlarms = [] } = await new CloudWatchClient({}).send(
    new DescribeAlarmsCommand({ AlarmNamePrefix: endpointConfig }),
  );
  return MetricAlarms.flatMap(({ AlarmName }) => AlarmName ?? []).sort();
}

/** Whether instances of a type are to be had from now on. */
export async function setCapacity({ sagemakerUrl }: Deployed, instanceType: string, available: boolean): Promise<void> {
  const body = JSON.stringify({ instanceType, available });
  const response = await fetch(`${sagemakerUrl}/_flywheel/capacity`, {
    method: 'POST',
    headers: secretHeaders(),
    body,
  });
  expect(response.status).toBe(200);
}

/** The function of the schedule does its work in a project now, with its own role. */
export async function reconcileNow({ outputs }: Deployed, project: string): Promise<void> {
  const event = { id: 'by hand', source: reconciliationDue.source, 'detail-type': reconciliationDue.detailType };
  const answer = await new LambdaClient({}).send(
    new InvokeCommand({
      FunctionName: outputs.Functions.reconcile,
      Payload: JSON.stringify({ ...event, detail: { project } }),
    }),
  );
  expect(answer.FunctionError).toBeUndefined();
}

/** Makes a training run that is under way older than the age at which a step counts as overdue. */
export async function makeOverdue({ lineage }: Deployed, project: string): Promise<void> {
  const [run] = await lineage.newest('training-run', project, 1);
  const startedAt = new Date(Date.now() - (OVERDUE_SECONDS + 1) * 1000).toISOString();
  const id = nodeId.build('training-run', project, run?.runId ?? '');
  const write = { kind: 'update', id, set: { startedAt }, expect: { status: ['started'] } } as const;
  expect(await lineage.write([write])).toEqual({ written: true });
}
