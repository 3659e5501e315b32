/** How much of each of AWS's quotas the templates of an environment use. */
import * as z from 'zod';
import type { DeployedStack, DeployedValues } from './deployed-values.ts';

interface Quota {
  readonly limit: number;
  /** What is counted, for a sentence. */
  readonly counts: string;
}

/**
 * None of these but the last two can be raised. Sources, in https://docs.aws.amazon.com: CloudFormation user guide
 * "Understand CloudFormation quotas"; Lambda guide "Lambda quotas"; IAM user guide "IAM and AWS STS quotas"; CloudWatch user guide
 * "CloudWatch service quotas", and "alarms" in CloudWatch API reference "Dashboard body structure and syntax"; S3 API
 * PutBucketLifecycleConfiguration; S3 user guide "Bucket policies"; KMS guide "Resource quotas".
 */
export const quotas = {
  resources: { limit: 500, counts: `resources in a template of CloudFormation` },
  outputs: { limit: 200, counts: `outputs in a template of CloudFormation` },
  templateBytes: { limit: 1_000_000, counts: `bytes in a template of CloudFormation` },
  // Lambda measures the variables as one JSON text, names and escaped quotes included ("String measured: {...}").
  variableBytes: { limit: 4096, counts: 'bytes of variables of a Lambda function' },
  // White space does not count, here and in the next two.
  rolePolicyCharacters: { limit: 10_240, counts: 'characters in the inline policies of a role together' },
  managedPolicyCharacters: { limit: 6144, counts: 'characters in a managed policy' },
  trustPolicyCharacters: { limit: 2048, counts: 'characters in the trust policy of a role' },
  bucketPolicyBytes: { limit: 20_480, counts: 'bytes in the policy of a bucket' },
  keyPolicyBytes: { limit: 32_768, counts: 'bytes in the policy of a key' },
  lifecycleRules: { limit: 1000, counts: 'lifecycle rules of a bucket' },
  widgets: { limit: 500, counts: 'widgets on a dashboard' },
  widgetAlarms: { limit: 100, counts: 'alarms in a widget' },
  widgetMetrics: { limit: 500, counts: 'metrics in a widget' },
  dashboardMetrics: { limit: 2500, counts: 'metrics on a dashboard' },
  // Of an account, or of an account in a region: an environment alone must not need more.
  roles: { limit: 1000, counts: 'roles, as many as an account may have without asking for more' },
  alarms: { limit: 5000, counts: 'alarms, as many as an account may have in a region without asking for more' },
} as const satisfies Readonly<Record<string, Quota>>;
export type QuotaName = keyof typeof quotas;

export interface Measurement {
  readonly quota: QuotaName;
  /** Stack, or stack and logical id: `Serving`, `Serving/DeploymentDeployFunctionA157AFA6`; empty for the environment. */
  readonly at: string;
  readonly value: number;
}

/** @param environment its name, with which the names of its stacks begin */
export function measure(
  environment: string,
  stacks: readonly DeployedStack[],
  values: DeployedValues,
  bytesOf: (stack: DeployedStack) => number,
): Measurement[] {
  const all = stacks.flatMap((stack) => [...Object.values(stack.template.Resources)]);
  const count = (type: string) => all.filter((each) => each.Type === type).length;
  return [
    ...stacks.flatMap((stack) => [
      ...ofTemplate(shortName(environment, stack), stack, bytesOf(stack)),
      ...Object.entries(stack.template.Resources).flatMap(([id, resource]) =>
        (ofResource[resource.Type] ?? nothing)(values.of(stack, resource.Properties)).map(([quota, value]) => ({
          quota,
          value,
          at: `${shortName(environment, stack)}/${id}`,
        })),
      ),
    ]),
    ...inlinePolicies(environment, stacks, values),
    { quota: 'roles', at: '', value: count('AWS::IAM::Role') },
    { quota: 'alarms', at: '', value: count('AWS::CloudWatch::Alarm') },
  ];
}

const ofTemplate = (at: string, { template }: DeployedStack, bytes: number): Measurement[] => [
  { quota: 'resources', at, value: Object.keys(template.Resources).length },
  { quota: 'outputs', at, value: Object.keys(template.Outputs).length },
  { quota: 'templateBytes', at, value: bytes },
];

type Measured = readonly [QuotaName, number][];
const nothing = (): Measured => [];
const bytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
const characters = (value: unknown): number => JSON.stringify(value).replaceAll(/\s/g, '').length;

const widget = z.object({
  properties: z.object({
    alarms: z.array(z.unknown()).default([]),
    metrics: z.array(z.unknown()).default([]),
  }),
});

/** By resource type; the properties are as they will be deployed. */
const ofResource: Readonly<Record<string, (properties: unknown) => Measured>> = {
  'AWS::Lambda::Function': (properties) => {
    const { Environment } = z.object({ Environment: z.object({ Variables: z.unknown() }) }).parse(properties);
    return [['variableBytes', bytes(Environment.Variables)]];
  },
  'AWS::IAM::Role': (properties) => {
    const { AssumeRolePolicyDocument } = z.object({ AssumeRolePolicyDocument: z.unknown() }).parse(properties);
    return [['trustPolicyCharacters', characters(AssumeRolePolicyDocument)]];
  },
  'AWS::IAM::ManagedPolicy': (properties) => [['managedPolicyCharacters', characters(documentOf(properties))]],
  'AWS::S3::BucketPolicy': (properties) => [['bucketPolicyBytes', bytes(documentOf(properties))]],
  'AWS::KMS::Key': (properties) => [
    ['keyPolicyBytes', bytes(z.object({ KeyPolicy: z.unknown() }).parse(properties).KeyPolicy)],
  ],
  'AWS::S3::Bucket': (properties) => {
    const rules = z.object({ LifecycleConfiguration: z.object({ Rules: z.array(z.unknown()) }) }).parse(properties);
    return [['lifecycleRules', rules.LifecycleConfiguration.Rules.length]];
  },
  'AWS::CloudWatch::Dashboard': (properties) => {
    const { DashboardBody } = z.object({ DashboardBody: z.string() }).parse(properties);
    const { widgets } = z.object({ widgets: z.array(widget) }).parse(JSON.parse(DashboardBody));
    const metrics = widgets.map((each) => each.properties.metrics.length);
    return [
      ['widgets', widgets.length],
      ['widgetAlarms', Math.max(0, ...widgets.map((each) => each.properties.alarms.length))],
      ['widgetMetrics', Math.max(0, ...metrics)],
      ['dashboardMetrics', metrics.reduce((sum, each) => sum + each, 0)],
    ];
  },
};

const documentOf = (properties: unknown): unknown =>
  z.object({ PolicyDocument: z.unknown() }).parse(properties).PolicyDocument;

/** The policies of a role are resources of their own, some of them of another stack. */
function inlinePolicies(
  environment: string,
  stacks: readonly DeployedStack[],
  values: DeployedValues,
): readonly Measurement[] {
  const resources = stacks.flatMap((stack) =>
    Object.entries(stack.template.Resources).map(([id, resource]) => ({ stack, id, ...resource })),
  );
  const sizes = new Map<string, number>();
  for (const { stack, Type, Properties } of resources) {
    if (Type !== 'AWS::IAM::Policy') continue;
    const { Roles, PolicyDocument } = z
      .object({ Roles: z.array(z.string()), PolicyDocument: z.unknown() })
      .parse(values.of(stack, Properties));
    const size = characters(PolicyDocument);
    for (const role of Roles) sizes.set(role, (sizes.get(role) ?? 0) + size);
  }
  return resources
    .filter(({ Type }) => Type === 'AWS::IAM::Role')
    .map(({ stack, id }) => ({
      quota: 'rolePolicyCharacters' as const,
      at: `${shortName(environment, stack)}/${id}`,
      value: sizes.get(values.text(stack, { Ref: id })) ?? 0,
    }));
}

const shortName = (environment: string, { name }: DeployedStack): string => name.slice(environment.length + 1);
