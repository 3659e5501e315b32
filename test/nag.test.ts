/** cdk-nag's AwsSolutions pack over every environment, and the IAM policies against what each function is for. */
import { Stack, Validations } from 'aws-cdk-lib';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { AwsSolutionsChecks } from 'cdk-nag';
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import flywheel from '../flywheel.config.ts';
import type { FunctionName } from '../lambdas/contract/env.ts';
import { appOf, installation, ofType, type SynthesizedStack, synthesize, testApp } from './synthesis.ts';

describe('cdk-nag', () => {
  it('has no finding in any environment that is not acknowledged beside its resource', async () => {
    const { app } = await appOf(flywheel);
    expect(() => app.synth()).not.toThrow();
    const report = new AwsSolutionsChecks(app).validateScope(app);
    expect(report.violations).toEqual([]);
  });

  it('would find something', () => {
    const app = testApp();
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    new Bucket(new Stack(app, 'Stack'), 'Open');
    expect(() => app.synth()).toThrow(/AwsSolutions-S1/);
  });
});

const oneOrMore = z.union([z.array(z.unknown()), z.unknown().transform((each) => [each])]);
const statement = z.object({
  Effect: z.literal('Allow'),
  Action: oneOrMore.pipe(z.array(z.string())),
  Resource: oneOrMore,
  Condition: z.unknown().optional(),
});
type Statement = z.infer<typeof statement>;
const policy = z.object({
  PolicyDocument: z.object({ Statement: z.array(statement) }),
  Roles: z.array(z.union([z.object({ Ref: z.string() }), z.unknown()])),
});

let stacks: readonly SynthesizedStack[];
let statements: ReadonlyMap<string, readonly Statement[]>;
beforeAll(async () => {
  ({ stacks } = await synthesize(installation('flights', 'loans')));
  statements = statementsByRole();
});

/** What each role may do, by what the role is for. */
function statementsByRole(): Map<string, Statement[]> {
  const purpose = new Map(
    ofType(stacks, 'AWS::IAM::Role').map(([id, role]) => [
      id,
      z
        .string()
        .parse(role.Properties.Description)
        .replace(/^Flywheel (dev)?:? ?/, ''),
    ]),
  );
  const found = new Map<string, Statement[]>();
  for (const [, { Properties }] of ofType(stacks, 'AWS::IAM::Policy')) {
    const { PolicyDocument, Roles } = policy.parse(Properties);
    for (const role of Roles) {
      // A role of another stack is named by a reference that holds its logical id.
      const id = [...purpose.keys()].find((each) => JSON.stringify(role).includes(each)) ?? JSON.stringify(role);
      const name = purpose.get(id) ?? id;
      found.set(name, [...(found.get(name) ?? []), ...PolicyDocument.Statement]);
    }
  }
  return found;
}

const actionsOf = (role: string) => [...new Set((statements.get(role) ?? []).flatMap((each) => each.Action))].sort();

const LOGS = ['logs:CreateLogStream', 'logs:PutLogEvents'];
const KEY = ['kms:Decrypt', 'kms:DescribeKey', 'kms:GenerateDataKey'];
const NAME_KEY = [...KEY, 'kms:CreateGrant'];
const DEAD_LETTERS = ['sqs:SendMessage', ...KEY];
const READ = ['dynamodb:BatchGetItem', 'dynamodb:GetItem', 'dynamodb:Query'];
const TABLE = [
  ...READ,
  'dynamodb:ConditionCheckItem',
  'dynamodb:DeleteItem',
  'dynamodb:PutItem',
  'dynamodb:UpdateItem',
];
const PUBLISH = ['events:PutEvents'];
const GET = ['s3:GetObject', 's3:GetObjectVersion', 's3:ListBucket'];
const PUT = ['s3:PutObject'];
const PASS = ['iam:PassRole'];
const sm = (...names: readonly string[]) => names.map((name) => `sagemaker:${name}`);

/** What each function is for; nothing of SageMaker, S3 or IAM that is not here. */
const expected: Readonly<Record<FunctionName, readonly string[]>> = {
  'register-dataset-version': [...DEAD_LETTERS, ...TABLE, ...PUBLISH, ...GET, ...PUT, ...NAME_KEY],
  'request-training': [...DEAD_LETTERS, ...TABLE, ...PUBLISH],
  'start-training': [
    ...DEAD_LETTERS,
    ...TABLE,
    ...PUBLISH,
    ...GET,
    ...PUT,
    ...NAME_KEY,
    ...PASS,
    ...sm('CreateTrainingJob', 'DescribeTrainingJob', 'AddTags'),
  ],
  'finish-training': [...DEAD_LETTERS, ...TABLE, ...PUBLISH, ...sm('DescribeTrainingJob')],
  'start-evaluation': [
    ...DEAD_LETTERS,
    ...TABLE,
    ...PUBLISH,
    ...NAME_KEY,
    ...PASS,
    ...sm('CreateProcessingJob', 'DescribeProcessingJob', 'AddTags'),
  ],
  'finish-evaluation': [...DEAD_LETTERS, ...TABLE, ...PUBLISH, ...GET, ...sm('DescribeProcessingJob')],
  'judge-candidate': [...DEAD_LETTERS, ...TABLE, ...PUBLISH],
  'deploy-model': [
    ...DEAD_LETTERS,
    ...TABLE,
    ...PUBLISH,
    ...NAME_KEY,
    ...PASS,
    ...sm('CreateModel', 'CreateEndpointConfig', 'CreateEndpoint', 'UpdateEndpoint', 'DeleteEndpoint', 'AddTags'),
    ...sm('DescribeModel', 'DescribeEndpointConfig', 'DescribeEndpoint'),
    ...['PutMetricAlarm', 'DeleteAlarms', 'DescribeAlarms'].map((action) => `cloudwatch:${action}`),
    ...['CreateLogGroup', 'AssociateKmsKey', 'PutRetentionPolicy'].map((action) => `logs:${action}`),
  ],
  'finish-deployment': [...DEAD_LETTERS, ...TABLE, ...PUBLISH, ...sm('DescribeEndpoint'), 'cloudwatch:DeleteAlarms'],
  predict: sm('InvokeEndpoint'),
  'describe-project': [...READ, ...KEY],
  'record-ground-truth': [...PUT, ...KEY],
  'request-manual-training': PUBLISH,
  'request-drift-check': [...READ, ...PUBLISH, ...KEY],
  'decide-model': [...READ, ...PUBLISH, ...KEY],
  'profile-capture': [...DEAD_LETTERS, ...TABLE, ...GET],
  'measure-drift': [...DEAD_LETTERS, ...TABLE, ...PUBLISH, ...GET, ...PUT],
  'record-event': [...DEAD_LETTERS, ...TABLE],
  reconcile: [
    ...DEAD_LETTERS,
    ...TABLE,
    ...PUBLISH,
    ...sm('DescribeTrainingJob', 'DescribeProcessingJob', 'DescribeEndpoint'),
  ],
};

describe('roles', () => {
  it.each(Object.entries(expected))('%s may do what it is for', (name, actions) => {
    expect(actionsOf(name)).toEqual([...new Set([...LOGS, ...actions])].sort());
  });

  it('name every action', () => {
    for (const [role, all] of statements)
      for (const { Action } of all)
        expect(
          Action.filter((action) => action.includes('*')),
          role,
        ).toEqual([]);
  });

  it('name every resource, but for two actions that know none', () => {
    const everywhere = [...statements].flatMap(([role, all]) =>
      all
        .filter((each) => each.Resource.includes('*'))
        .flatMap((each) => each.Action.map((action) => `${role} ${action}`)),
    );
    expect(everywhere.sort()).toEqual(
      ['flights', 'loans']
        .flatMap((project) => [
          `jobs and endpoints of ${project} cloudwatch:PutMetricData`,
          `jobs and endpoints of ${project} ecr:GetAuthorizationToken`,
        ])
        .sort(),
    );
  });

  it('reach SageMaker in their own environment only', () => {
    for (const [role, all] of statements)
      for (const { Action, Resource } of all) {
        if (!Action.some((action) => action.startsWith('sagemaker:'))) continue;
        for (const each of Resource) expect(JSON.stringify(each), role).toContain('/flywheel-dev-*');
      }
  });

  it('are passed to SageMaker only', () => {
    for (const all of statements.values())
      for (const { Action, Condition } of all)
        if (Action.includes('iam:PassRole'))
          expect(Condition).toEqual({ StringEquals: { 'iam:PassedToService': 'sagemaker.amazonaws.com' } });
  });

  it.each([
    ['flights', 'loans'],
    ['loans', 'flights'],
  ])('of the project %s see nothing of %s', (own, other) => {
    const all = statements.get(`jobs and endpoints of ${own}`) ?? [];
    expect(all.length).toBeGreaterThan(0);
    expect(JSON.stringify(all)).toContain(`/${own}/`);
    expect(JSON.stringify(all.map(({ Resource, Condition }) => ({ Resource, Condition })))).not.toContain(other);
  });

  it('use no policy that AWS manages', () => {
    for (const [id, { Properties }] of ofType(stacks, 'AWS::IAM::Role'))
      expect(Properties.ManagedPolicyArns, id).toBeUndefined();
  });
});
