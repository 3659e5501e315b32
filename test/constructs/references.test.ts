/** References between stacks (docs/decisions/0015-references-between-stacks.md), and in partitions other than `aws`. */
import { Stage } from 'aws-cdk-lib';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { defineFlywheel } from '../../lib/config/index.ts';
import { StateStack } from '../../lib/stacks/state-stack.ts';
import { appOf, installation, project, testApp } from '../synthesis.ts';

const template = z.object({
  Resources: z.record(
    z.string(),
    z.object({ Type: z.string(), Properties: z.record(z.string(), z.unknown()).default({}) }),
  ),
  Outputs: z
    .record(z.string(), z.object({ Value: z.unknown(), Export: z.object({ Name: z.string() }).optional() }))
    .default({}),
});
type Templates = ReadonlyMap<string, z.infer<typeof template>>;

/** By stack name. */
async function templatesOf(flywheel: ReturnType<typeof installation>): Promise<Templates> {
  const { app, stages } = await appOf(flywheel, { builtinCloudFormationValidation: false });
  const assembly = app.synth();
  const stacks = stages.flatMap((stage) => assembly.getNestedAssembly(stage.artifactId).stacks);
  return new Map(stacks.map((stack) => [stack.stackName, template.parse(stack.template)]));
}

const textOf = (templates: Templates) => [...templates.values()].map((each) => JSON.stringify(each)).join('\n');
const importsOf = (templates: Templates) =>
  [...textOf(templates).matchAll(/"Fn::ImportValue":"([^"]+)"/g)].map(([, name = '']) => name);
/** Stack and output. */
const weakOf = (templates: Templates) =>
  [...textOf(templates).matchAll(/"Fn::GetStackOutput":\{"StackName":"([^"]+)".*?"OutputName":"([^"]+)"/g)].map(
    ([, stack = '', output = '']) => ({ stack, output }),
  );

/** Of the state stack with no other stack beside it. */
function exportsOfStateAlone(): string[] {
  const [environment] = installation().environments;
  if (!environment) throw new Error('expected an environment');
  const stage = new Stage(testApp(), 'dev');
  const bundles = { folderOf: () => import.meta.dirname, remove: () => undefined };
  const { stackName } = new StateStack(stage, 'State', { environment, bundles });
  const { Outputs } = template.parse(stage.synth().getStackByName(stackName).template);
  return Object.values(Outputs).flatMap((output) => output.Export?.Name ?? []);
}

describe('a reference', () => {
  it('to what is kept is an export: CloudFormation refuses to replace it under its readers', async () => {
    const templates = await templatesOf(installation('flights', 'loans'));
    const imported = importsOf(templates);
    expect(imported.length).toBeGreaterThan(0);
    for (const name of imported) expect(name).toMatch(/^dev-State:/);
    expect(weakOf(templates).filter(({ stack }) => stack === 'dev-State')).toEqual([]);
  });

  it('never has to go before its export: all are exported, whoever reads them', async () => {
    const imported = new Set(importsOf(await templatesOf(installation('flights', 'loans'))));
    const exported = exportsOfStateAlone();
    expect([...imported].filter((name) => !exported.includes(name))).toEqual([]);
  });

  it('of another kind is to what nothing in a configuration can replace', async () => {
    const templates = await templatesOf(installation('flights', 'loans'));
    const target = z.union([
      z.object({ Ref: z.string() }),
      z.object({ 'Fn::GetAtt': z.tuple([z.string(), z.string()]) }),
    ]);
    const referred = weakOf(templates).map(({ stack, output }) => {
      const value = target.parse(templates.get(stack)?.Outputs[output]?.Value);
      return templates.get(stack)?.Resources['Ref' in value ? value.Ref : value['Fn::GetAtt'][0]];
    });
    expect(referred.length).toBeGreaterThan(0);
    // "Update requires: Replacement" in the template reference of each type; what is not listed here is to be looked up.
    const replacing: Readonly<Record<string, readonly string[]>> = {
      'AWS::IAM::Role': ['Path', 'RoleName'],
      'AWS::Lambda::Function': ['FunctionName', 'PackageType'],
      'AWS::Logs::LogGroup': ['LogGroupName'],
      'AWS::CloudWatch::Alarm': ['AlarmName'],
      'AWS::SQS::Queue': ['QueueName', 'FifoQueue'],
      'AWS::ApiGatewayV2::Api': [],
    };
    for (const resource of referred) {
      const properties = replacing[resource?.Type ?? ''];
      expect(properties, resource?.Type).toBeDefined();
      expect(
        properties?.filter((name) => name in (resource?.Properties ?? {})),
        resource?.Type,
      ).toEqual([]);
    }
  });
});

it('in China no ARN is of another partition, and the log service has its own principal', async () => {
  const china = defineFlywheel({ environments: { dev: { region: 'cn-north-1' } }, projects: [project('flights')] });
  const text = textOf(await templatesOf(china));
  expect(text).not.toMatch(/arn:aws:|"(?!logs)[\w.-]+\.amazonaws\.com\.cn"/);
  expect(text).toContain('arn:aws-cn:');
  expect(text).toMatch(/logs\.cn-north-1\.(amazonaws\.com\.cn|",\{"Ref":"AWS::URLSuffix"\})/);
});

it('a region that has no images is refused by name, GovCloud among them', async () => {
  const govCloud = defineFlywheel({
    environments: { dev: { region: 'us-gov-west-1' } },
    projects: [project('flights')],
  });
  await expect(templatesOf(govCloud)).rejects.toThrow(
    /got the region us-gov-west-1, expected one whose registries of images are known: .*; add its accounts to lib\/constructs\/image-registries\.ts/,
  );
});
