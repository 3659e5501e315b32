/** cdk-nag's AwsSolutions pack over every environment, and rules of our own for IAM policies. */
import { Stack, Validations } from 'aws-cdk-lib';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { AwsSolutionsChecks } from 'cdk-nag';
import { beforeAll, describe, expect, it } from 'vitest';
import flywheel from '../flywheel.config.ts';
import { type Statement, statementsByRole } from './support/role-statements.ts';
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

let stacks: readonly SynthesizedStack[];
let statements: ReadonlyMap<string, readonly Statement[]>;
beforeAll(async () => {
  ({ stacks } = await synthesize(installation('flights', 'loans')));
  statements = statementsByRole(stacks);
});

describe('roles', () => {
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

  it('of a project leave the code of its jobs alone: start-training writes it, and trusts what is there', () => {
    const all = statements.get('jobs and endpoints of flights') ?? [];
    const written = all
      .filter(({ Action }) => Action.includes('s3:PutObject'))
      .flatMap(({ Resource }) => Resource.map((each) => /[^"]*\/flights\/[^"]*/.exec(JSON.stringify(each))?.[0]));
    expect(written.sort()).toEqual([
      '/capture/flights/*',
      '/models/flights/checkpoints/*',
      '/models/flights/evaluations/*',
      '/models/flights/runs/*',
    ]);
  });

  it('use no policy that AWS manages', () => {
    for (const [id, { Properties }] of ofType(stacks, 'AWS::IAM::Role'))
      expect(Properties.ManagedPolicyArns, id).toBeUndefined();
  });
});
