/** Quotas that AWS enforces when stacks are deployed or functions run. */
import { PutDashboardCommand } from '@aws-sdk/client-cloudwatch';
import { PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { PutFunctionConcurrencyCommand, UpdateFunctionConfigurationCommand } from '@aws-sdk/client-lambda';
import {
  account,
  type Claim,
  type Clients,
  deployed,
  errorOf,
  failingFunction,
  one,
  policy,
  region,
  roleOf,
  unique,
} from '../requests.ts';

export const quotaClaims: readonly Claim[] = [
  ['quotas', 'variables of a function have 4 kB', variablesAreLimited],
  ['quotas', 'what is reserved leaves 100 executions to the other functions', reservationIsLimited],
  ['quotas', 'inline policies of a role have 10,240 characters together', inlinePoliciesAreLimited],
  ['quotas', 'a managed policy has 6,144 characters', managedPolicyIsLimited],
  ['quotas', 'an alarm widget shows 100 alarms', widgetIsLimited],
  ['quotas', 'the policy of an event bus has 10,240 characters', busPolicyIsLimited],
  ['quotas', 'one PutEvents takes 1 MB', entriesAreLimited],
];

/** Whether the shorter is taken and the longer is not, one over the quota. */
async function endsAt(quota: number, isTaken: (size: number) => Promise<boolean>): Promise<boolean> {
  return (await isTaken(quota)) && !(await isTaken(quota + 1));
}

async function variablesAreLimited(cloud: Clients): Promise<boolean> {
  const variables = (bytes: number) => ({ Variables: { A: 'x'.repeat(bytes - '{"A":""}'.length) } });
  const FunctionName = await failingFunction(cloud, { Environment: variables(4096) });
  const byTemplate = await failingFunction(cloud, { Environment: variables(4097) }).catch(() => undefined);
  const update = (bytes: number) =>
    cloud.lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, Environment: variables(bytes) }));
  const byApi = await endsAt(4096, async (bytes) => (await errorOf(update(bytes))) === 'allowed');
  return byApi && byTemplate === undefined;
}

async function reservationIsLimited(cloud: Clients): Promise<boolean> {
  const FunctionName = await failingFunction(cloud);
  const reserve = (ReservedConcurrentExecutions: number) =>
    errorOf(cloud.lambda.send(new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions })));
  // Others of this file have reserved two.
  const answers = [await reserve(850), await reserve(901)];
  const byTemplate = await failingFunction(cloud, { ReservedConcurrentExecutions: 100 }).catch(() => undefined);
  await reserve(0);
  return answers.join() === 'allowed,InvalidParameterValueException' && byTemplate === undefined;
}

const grant = (characters: number) => {
  const document = policy({ Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::' });
  return document.replace('arn:aws:s3:::', `arn:aws:s3:::${'x'.repeat(characters - document.length)}`);
};

async function inlinePoliciesAreLimited(cloud: Clients): Promise<boolean> {
  const RoleName = (await roleOf(cloud, { Service: 'lambda.amazonaws.com' }, grant(240))).split('/')[1] ?? '';
  const puts = async (size: number) => {
    const PolicyDocument = grant(size).replace(',', ', ');
    const put = new PutRolePolicyCommand({ RoleName, PolicyName: 'more', PolicyDocument });
    return (await errorOf(cloud.iam.send(put))) === 'allowed';
  };
  const template = (size: number) =>
    one('AWS::IAM::Policy', {
      PolicyName: 'more',
      Roles: [RoleName],
      PolicyDocument: JSON.parse(grant(size)),
    });
  const byApi = await endsAt(10_000, puts);
  return byApi && (await deployed(cloud, template(10_001))).status === 'CREATE_FAILED';
}

async function managedPolicyIsLimited(cloud: Clients): Promise<boolean> {
  return endsAt(6144, async (size) => {
    const PolicyDocument = JSON.parse(grant(size));
    return (await deployed(cloud, one('AWS::IAM::ManagedPolicy', { PolicyDocument }))).status === 'CREATE_COMPLETE';
  });
}

async function busPolicyIsLimited(cloud: Clients): Promise<boolean> {
  const allow = { Effect: 'Allow', Principal: { AWS: account }, Action: 'events:PutEvents' };
  const isTaken = async (size: number) => {
    const EventBusName = unique();
    const bus = { Type: 'AWS::Events::EventBus', Properties: { Name: EventBusName } };
    const statement = { EventBusName, StatementId: 's', Statement: { ...allow, Resource: 'x'.repeat(size) } };
    const Policy = { Type: 'AWS::Events::EventBusPolicy', DependsOn: 'Bus', Properties: statement };
    return (await deployed(cloud, { Resources: { Bus: bus, Policy } })).status === 'CREATE_COMPLETE';
  };
  return (await isTaken(10_000)) && !(await isTaken(10_240));
}

async function widgetIsLimited(cloud: Clients): Promise<boolean> {
  const arn = `arn:aws:cloudwatch:${region}:${account}:alarm:a`;
  const body = (size: number) => {
    const alarms = Array.from({ length: size }, (_, index) => `${arn}${index}`);
    return JSON.stringify({ widgets: [{ type: 'alarm', properties: { title: 'alarms', alarms } }] });
  };
  const byApi = await endsAt(100, async (size) => {
    const put = new PutDashboardCommand({ DashboardName: unique(), DashboardBody: body(size) });
    return (await errorOf(cloud.cloudwatch.send(put))) === 'allowed';
  });
  const template = one('AWS::CloudWatch::Dashboard', { DashboardBody: body(101) });
  return byApi && (await deployed(cloud, template)).status === 'CREATE_FAILED';
}

async function entriesAreLimited(cloud: Clients): Promise<boolean> {
  return endsAt(1_048_576, async (size) => {
    const entry = { Source: 'test', DetailType: 'Test', Detail: JSON.stringify({ a: '' }) };
    const rest = entry.Source.length + entry.DetailType.length + entry.Detail.length;
    const Detail = JSON.stringify({ a: 'x'.repeat(size - rest) });
    return (await errorOf(cloud.events.send(new PutEventsCommand({ Entries: [{ ...entry, Detail }] })))) === 'allowed';
  });
}
