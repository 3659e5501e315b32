/** Quotas of AWS: what an environment of too many projects is told at synth. */
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { quotaProblems } from '../../lib/quotas/check.ts';
import { DeployedValues, deployedStack } from '../../lib/quotas/deployed-values.ts';
import { type Measurement, measure, type QuotaName, quotas } from '../../lib/quotas/measure.ts';
import { installation, ofType, type SynthesizedStack, synthesize } from '../synthesis.ts';

const many = (count: number) =>
  installation(...Array.from({ length: count }, (_, position) => `project${String(position).padStart(3, '0')}`));

/** What `cdk synth` of so many projects ends with. */
async function endOf(count: number): Promise<string> {
  try {
    await synthesize(many(count));
    return 'synthesized';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The number of projects that the sentence says would fit. */
const promised = (sentence: string): number => Number(/expected at most about (\d+) with/.exec(sentence)?.[1]);

describe('an environment of too many projects', () => {
  let told: string;
  beforeAll(async () => {
    told = await endOf(120);
  });

  it('is told how many are too many, and what to change', () => {
    expect(told).toMatch(
      /environments\/dev: projects: got 120, expected at most about \d+ .* a second configuration, .* in FLYWHEEL_CONFIG/,
    );
  });

  it.each([
    ['Pipeline: got \\d{3} resources in a template of CloudFormation, expected at most 500'],
    ['Pipeline: got \\d{3} outputs in a template of CloudFormation, expected at most 200'],
    ['Pipeline: got 1,\\d{3},\\d{3} bytes in a template of CloudFormation, expected at most 1,000,000'],
    ['Pipeline/\\w+: got [\\d,]+ characters in a managed policy, expected at most 6,144'],
    ['\\w+/\\w+: got \\d{2},\\d{3} bytes of variables of a Lambda function, expected at most 4,096'],
  ])('is told "%s"', (sentence) => {
    expect(told).toMatch(new RegExp(`^  environments/dev: ${sentence}$`, 'm'));
  });

  it('is told a number that fits, and the next ones do not', async () => {
    const fit = promised(told);
    // README.md, "Limits".
    expect(fit).toBeGreaterThanOrEqual(24);
    expect(await endOf(fit)).toBe('synthesized');
    expect(promised(await endOf(fit + 2))).toBeGreaterThanOrEqual(fit);
  });

  it('has all its alarms on the dashboard, a hundred in a widget', async () => {
    expect(told).not.toContain(quotas.widgetAlarms.counts);
    const { stacks } = await synthesize(many(promised(told)));
    const alarms = ofType(stacks, 'AWS::CloudWatch::Alarm').length;
    const shown = alarmsByWidget(stacks);
    expect(shown[0]).toBe(quotas.widgetAlarms.limit);
    expect(shown.reduce((sum, each) => sum + each)).toBe(alarms);
  });
});

/** How many alarms each widget of the dashboard shows that shows any. */
function alarmsByWidget(stacks: readonly SynthesizedStack[]): number[] {
  // What is not yet known stands where an ARN will.
  const body = z.object({ 'Fn::Join': z.tuple([z.literal(''), z.array(z.string().catch('later'))]) });
  const widgets = z.object({
    widgets: z.array(z.object({ properties: z.object({ alarms: z.array(z.string()).default([]) }) })),
  });
  return ofType(stacks, 'AWS::CloudWatch::Dashboard')
    .flatMap(([, { Properties }]) => {
      const text = body.parse(Properties.DashboardBody)['Fn::Join'][1].join('');
      return widgets.parse(JSON.parse(text)).widgets.map(({ properties }) => properties.alarms.length);
    })
    .filter((count) => count > 0);
}

describe('a quota', () => {
  const stackOf = (resources: Readonly<Record<string, unknown>>) =>
    deployedStack('dev-State', { Resources: resources, Outputs: {} });
  const measuredIn = (resources: Readonly<Record<string, unknown>>) => {
    const stack = stackOf(resources);
    return measure('dev', [stack], new DeployedValues([stack]), () => 1);
  };
  const valueIn = (measured: readonly Measurement[], quota: QuotaName) =>
    measured.find((each) => each.quota === quota)?.value;
  const usage = { environment: 'dev', projects: 10, measuredWithoutProjects: () => [] };

  it('is no problem when it is just reached', () => {
    const at = (value: number) => quotaProblems({ ...usage, measured: [{ quota: 'outputs', at: 'State', value }] });
    expect(at(200)).toEqual([]);
    expect(at(201).map(({ message }) => message)).toEqual([
      expect.stringContaining('got 10, expected at most about 9 '),
      'got 201 outputs in a template of CloudFormation, expected at most 200',
    ]);
  });

  it('that no project would keep is no mistake of the configuration', () => {
    const measured: Measurement[] = [{ quota: 'outputs', at: 'State', value: 201 }];
    const [advice] = quotaProblems({ ...usage, measured, measuredWithoutProjects: () => measured });
    expect(advice?.message).toContain('a mistake in lib/');
  });

  it('of variables counts the JSON text that Lambda measures, with references resolved', () => {
    const measured = measuredIn({
      Queue: { Type: 'AWS::SQS::Queue' },
      Function: {
        Type: 'AWS::Lambda::Function',
        Properties: { Environment: { Variables: { MAP: '{"a":1}', QUEUE: { 'Fn::GetAtt': ['Queue', 'Arn'] } } } },
      },
    });
    const queue = 'arn:aws:sqs:ap-southeast-1:111122223333:dev-State-Queue-A1B2C3D4E5F6';
    expect(valueIn(measured, 'variableBytes')).toBe(`{"MAP":"{\\"a\\":1}","QUEUE":"${queue}"}`.length);
  });

  it('of policies adds those of a role, without white space', () => {
    const policy = (text: string) => ({
      Type: 'AWS::IAM::Policy',
      Properties: { PolicyDocument: { a: text }, Roles: [{ Ref: 'Role' }] },
    });
    const measured = measuredIn({
      Role: { Type: 'AWS::IAM::Role', Properties: { AssumeRolePolicyDocument: {} } },
      One: policy('x y'),
      Two: policy('z'),
    });
    expect(valueIn(measured, 'rolePolicyCharacters')).toBe('{"a":"xy"}'.length + '{"a":"z"}'.length);
  });

  it('of a dashboard counts widgets, and the alarms and metrics of the fullest', () => {
    const widgets = [
      { properties: { alarms: ['a', 'b'] } },
      { properties: { metrics: [1, 2, 3] } },
      { properties: { metrics: [1] } },
    ];
    const measured = measuredIn({
      Dashboard: { Type: 'AWS::CloudWatch::Dashboard', Properties: { DashboardBody: JSON.stringify({ widgets }) } },
    });
    const expected = { widgets: 3, widgetAlarms: 2, widgetMetrics: 3, dashboardMetrics: 4 } as const;
    expect(Object.fromEntries(measured.map(({ quota, value }) => [quota, value]))).toMatchObject(expected);
  });

  it('of lifecycle rules, roles and trust policies is counted', () => {
    const measured = measuredIn({
      Bucket: { Type: 'AWS::S3::Bucket', Properties: { LifecycleConfiguration: { Rules: [1, 2] } } },
      Role: { Type: 'AWS::IAM::Role', Properties: { AssumeRolePolicyDocument: { Version: '2012-10-17' } } },
    });
    expect(valueIn(measured, 'lifecycleRules')).toBe(2);
    expect(valueIn(measured, 'roles')).toBe(1);
    expect(valueIn(measured, 'trustPolicyCharacters')).toBe('{"Version":"2012-10-17"}'.length);
  });
});
