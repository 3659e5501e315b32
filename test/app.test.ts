/** The whole app: its parts fit together. */
import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import flywheel from '../flywheel.config.ts';
import { SCHEDULE_SOURCE } from '../lambdas/contract/aws-events.ts';
import { environments } from '../lambdas/contract/env.ts';
import { domainEvents, EVENT_SOURCE } from '../lambdas/contract/events.ts';
import { functionNames } from '../lib/bundle.ts';
import { defineFlywheel } from '../lib/config/index.ts';
import { stackNames } from '../lib/stack-names.ts';
import { installation, ofType, project, type Resource, type SynthesizedStack, synthesize } from './synthesis.ts';

/** A client waits for their answer. */
const behindApi = [
  'predict',
  'describe-project',
  'record-ground-truth',
  'request-manual-training',
  'request-drift-check',
  'decide-model',
];

const oneOrMore = z.union([z.array(z.string()), z.string().transform((each) => [each])]);

let stacks: readonly SynthesizedStack[];
beforeAll(async () => {
  ({ stacks } = await synthesize(installation('flights', 'loans')));
});

const description = (resource: Resource) => z.string().parse(resource.Properties.Description);
/** The functions of the contract by name, as they say in the description of their role. */
function functions(): Map<string, Resource> {
  const nameOfRole = new Map(
    ofType(stacks, 'AWS::IAM::Role').map(([id, role]) => [id, description(role).replace('Flywheel dev: ', '')]),
  );
  const roleOf = z.object({ 'Fn::GetAtt': z.tuple([z.string(), z.literal('Arn')]) });
  return new Map(
    ofType(stacks, 'AWS::Lambda::Function').map(([, made]) => {
      const role = roleOf.parse(made.Properties.Role)['Fn::GetAtt'][0];
      return [nameOfRole.get(role) ?? `function with role ${role}`, made];
    }),
  );
}

describe('functions', () => {
  it('are those of the contract, each once', () => {
    expect([...functions().keys()].sort()).toEqual(functionNames().sort());
    expect(ofType(stacks, 'AWS::Lambda::Function')).toHaveLength(functionNames().length);
  });

  it.each(functionNames())('%s gets the environment that it parses', (name) => {
    const environment = z.object({ Variables: z.record(z.string(), z.unknown()) });
    const { Variables } = environment.parse(functions().get(name)?.Properties.Environment);
    const { NODE_OPTIONS: _, ...given } = Variables;
    const byLambda = ['AWS_REGION'];
    const wanted = Object.keys(environments[name].shape).filter((key) => !byLambda.includes(key));
    expect(Object.keys(given).sort()).toEqual(wanted.sort());
  });

  it('run on Node 24 and arm64, with a role and a log group of their own', () => {
    const all = ofType(stacks, 'AWS::Lambda::Function').map(([, each]) => each.Properties);
    for (const each of all) expect(each).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'] });
    const distinct = (values: readonly unknown[]) => new Set(values.map((value) => JSON.stringify(value))).size;
    expect(distinct(all.map((each) => each.Role))).toBe(all.length);
    expect(distinct(all.map((each) => each.LoggingConfig))).toBe(all.length);
  });

  it('have their variables encrypted with the key of the environment', () => {
    for (const [, { Properties }] of ofType(stacks, 'AWS::Lambda::Function'))
      expect(JSON.stringify(Properties.KmsKeyArn)).toMatch(/Key\w+Arn/);
  });

  it('keep what they gave up on, unless a client waits for the answer', () => {
    const without = [...functions()].filter(([, each]) => each.Properties.DeadLetterConfig === undefined);
    expect(without.map(([name]) => name).sort()).toEqual(behindApi.toSorted());
    // And one of the rule that asks people for approval, and the one in which uploads wait.
    expect(ofType(stacks, 'AWS::SQS::Queue')).toHaveLength(functionNames().length - behindApi.length + 2);
  });

  it('that events wake are retried twice', () => {
    for (const [, { Properties }] of ofType(stacks, 'AWS::Lambda::EventInvokeConfig'))
      expect(Properties.MaximumRetryAttempts).toBe(2);
    expect(ofType(stacks, 'AWS::Lambda::EventInvokeConfig')).toHaveLength(functionNames().length - behindApi.length);
  });
});

describe('events', () => {
  const pattern = z.object({ source: z.array(z.string()), 'detail-type': z.array(z.string()) });
  /** By function: the detail-types that wake it. */
  function routes(): Map<string, Set<string>> {
    const woken = new Map<string, Set<string>>();
    const add = (name: string, types: readonly string[]) =>
      woken.set(name, new Set([...(woken.get(name) ?? []), ...types]));
    for (const [, rule] of ofType(stacks, 'AWS::Events::Rule')) {
      const [, name] = /wakes (.+)$/.exec(description(rule)) ?? [];
      if (name) add(name, pattern.parse(rule.Properties.EventPattern)['detail-type']);
    }
    for (const [, schedule] of ofType(stacks, 'AWS::Scheduler::Schedule')) {
      const { Target } = z.object({ Target: z.object({ Input: z.string() }) }).parse(schedule.Properties);
      const [, name] = /wakes (.+)$/.exec(description(schedule)) ?? [];
      if (name) add(name, [z.object({ 'detail-type': z.string() }).parse(JSON.parse(Target.Input))['detail-type']]);
    }
    return woken;
  }
  const source = (name: string) => readFileSync(new URL(`../lambdas/handlers/${name}.ts`, import.meta.url), 'utf8');
  const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);

  it('wake exactly the functions whose handlers consume them', () => {
    for (const [name, types] of routes()) {
      if (name === 'record-event') continue;
      const [, list = ''] = /consumes: \[([^\]]*)\]/.exec(source(name)) ?? [];
      const consumed = list.split(',').map((each) => each.trim().toLowerCase());
      const routed = [...types].map((type) => lowerFirst(type.replace(/^SageMaker | /g, '')));
      const renamed: Record<string, string> = { 'object created': 's3objectcreated', objectcreated: 's3objectcreated' };
      expect(
        routed.map((type) => renamed[type.toLowerCase()] ?? type.toLowerCase()).sort(),
        `events of ${name}`,
      ).toEqual(consumed.filter(Boolean).sort());
    }
  });

  it('wake every function that is not behind the HTTP API', () => {
    expect([...routes().keys()].sort()).toEqual(
      functionNames()
        .filter((name) => !behindApi.includes(name))
        .sort(),
    );
  });

  it('of the domain are all journalled', () => {
    expect([...(routes().get('record-event') ?? [])].sort()).toEqual(Object.keys(domainEvents).sort());
  });

  /** What handlers share: text by file, `evaluation/evaluation-steps.ts`. */
  const stepsFolder = new URL('../lambdas/steps/', import.meta.url);
  const steps = new Map(
    readdirSync(stepsFolder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => [file, readFileSync(new URL(file, stepsFolder), 'utf8')]),
  );

  it('of the domain are all published by a handler', () => {
    const handlers = [...functionNames().map(source), ...steps.values()].join('\n');
    const published = Object.keys(domainEvents).filter((name) =>
      new RegExp(`publish(?:Demand)?\\(\\s*${name}\\b`).test(handlers),
    );
    expect(published.sort()).toEqual(Object.keys(domainEvents).sort());
  });

  /** What a handler publishes, by its words and those of the steps that it shares with another. */
  function publishedBy(text: string): Set<string> {
    // `definition`: what publishDemand was called with, which stands where it is called.
    const own = [...text.matchAll(/publish(?:All|Demand)?\(\s*(?!definition)(\w+)/g)].map(([, event = '']) => event);
    const shared = [...steps].filter(([file]) => text.includes(`/${file.split('/').at(-1)}'`));
    return new Set([...own, ...shared.flatMap(([, step]) => [...publishedBy(step)])]);
  }

  it('may be published by the functions whose handlers do, each by its own', () => {
    const conditioned = z.object({
      StringEquals: z.object({ 'events:source': z.string(), 'events:detail-type': oneOrMore }),
    });
    const statement = z.object({ Action: oneOrMore, Condition: z.unknown().optional() });
    const policy = z.object({
      PolicyDocument: z.object({ Statement: z.array(statement) }),
      Roles: z.tuple([z.object({ Ref: z.string() })]),
    });
    const nameOfRole = new Map(
      ofType(stacks, 'AWS::IAM::Role').map(([id, role]) => [id, description(role).replace('Flywheel dev: ', '')]),
    );
    const allowed = new Map<string, string[]>();
    for (const [, { Properties }] of ofType(stacks, 'AWS::IAM::Policy')) {
      if (!JSON.stringify(Properties).includes('events:PutEvents')) continue;
      const { PolicyDocument, Roles } = policy.parse(Properties);
      const types = PolicyDocument.Statement.filter(({ Action }) => Action.includes('events:PutEvents')).flatMap(
        ({ Condition }) => conditioned.parse(Condition).StringEquals['events:detail-type'],
      );
      allowed.set(nameOfRole.get(Roles[0].Ref) ?? '', types);
    }
    const due: Record<string, string> = {
      driftMeasurementDue: 'DriftMeasurementDue',
      reconciliationDue: 'ReconciliationDue',
    };
    for (const name of functionNames()) {
      const published = [...publishedBy(source(name))].map((event) => due[event] ?? event);
      expect((allowed.get(name) ?? []).toSorted(), name).toEqual(published.sort());
    }
  });

  it('are refused by the bus from every principal but the functions of this environment', () => {
    const policies = ofType(stacks, 'AWS::Events::EventBusPolicy').map(([, each]) => each.Properties);
    const functionRoles = expect.arrayContaining([':role/flywheel/dev/functions/*']);
    expect(policies.map((each) => each.Statement)).toMatchObject([
      {
        Effect: 'Deny',
        Principal: { AWS: '*' },
        Action: 'events:PutEvents',
        Condition: {
          ArnNotLike: { 'aws:PrincipalArn': { 'Fn::Join': ['', functionRoles] } },
          BoolIfExists: { 'aws:PrincipalIsAWSService': 'false' },
        },
      },
    ]);
    const underPath = ofType(stacks, 'AWS::IAM::Role').filter(([, role]) => role.Properties.Path !== undefined);
    for (const [id, role] of underPath) expect(role.Properties.Path, id).toBe('/flywheel/dev/functions/');
    const named = underPath.map(([, role]) => description(role).replace('Flywheel dev: ', ''));
    expect(named.sort()).toEqual(functionNames().sort());
  });

  it('of AWS are narrowed to this environment, and ours come over its bus', () => {
    for (const [id, { Properties }] of ofType(stacks, 'AWS::Events::Rule')) {
      const { source: sources, detail } = pattern
        .extend({ detail: z.record(z.string(), z.unknown()).optional() })
        .parse(Properties.EventPattern);
      if (sources.some((each) => [EVENT_SOURCE, SCHEDULE_SOURCE].includes(each)))
        expect(Properties.EventBusName, id).toBeDefined();
      else expect(Object.keys(detail ?? {}).length, id).toBeGreaterThan(0);
    }
  });
});

describe('data', () => {
  const stateful = ['AWS::KMS::Key', 'AWS::S3::Bucket', 'AWS::DynamoDB::Table'];
  const policies = (all: readonly SynthesizedStack[]) =>
    stateful.flatMap((type) => ofType(all, type).map(([, each]) => each.DeletionPolicy));
  const state = (all: readonly SynthesizedStack[]) => all.find((stack) => stack.name === 'State');

  it('stays when stacks are deleted', () => {
    expect(new Set(policies(stacks))).toEqual(new Set(['Retain']));
    expect(state(stacks)?.terminationProtection).toBe(true);
  });

  it('is destroyed with two keys', async () => {
    const both = defineFlywheel({ environments: { dev: { removal: 'destroy' } }, projects: [project('loans')] });
    const one = await synthesize(both);
    expect(new Set(policies(one.stacks))).toEqual(new Set(['Retain']));
    const two = await synthesize(both, { destroyData: 'dev' });
    expect(new Set(policies(two.stacks))).toEqual(new Set(['Delete']));
    expect(state(two.stacks)?.terminationProtection).toBe(false);
  });

  it('is not destroyed with the second key alone', async () => {
    await expect(synthesize(installation('loans'), { destroyData: 'dev' })).rejects.toThrow(
      "expected an environment with removal: 'destroy'",
    );
  });

  it('is encrypted with the key of the environment', () => {
    for (const [id, { Properties }] of ofType(stacks, 'AWS::Logs::LogGroup')) {
      expect(Properties.KmsKeyId, id).toBeDefined();
      expect(Properties.RetentionInDays, id).toBeDefined();
    }
    for (const [id, { Properties }] of ofType(stacks, 'AWS::SQS::Queue'))
      expect(Properties.KmsMasterKeyId, id).toBeDefined();
    for (const [id, { Properties }] of ofType(stacks, 'AWS::SNS::Topic'))
      expect(Properties.KmsMasterKeyId, id).toBeDefined();
    for (const [id, { Properties }] of ofType(stacks, 'AWS::DynamoDB::Table'))
      expect(Properties.SSESpecification, id).toMatchObject({ SSEType: 'KMS' });
  });

  it('lies in buckets that are private, versioned and logged', () => {
    const buckets = ofType(stacks, 'AWS::S3::Bucket');
    expect(buckets).toHaveLength(5);
    for (const [id, { Properties }] of buckets) {
      expect(Properties.VersioningConfiguration, id).toEqual({ Status: 'Enabled' });
      expect(Properties.PublicAccessBlockConfiguration, id).toEqual({
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      });
      expect(Properties.LifecycleConfiguration, id).toBeDefined();
    }
    expect(buckets.filter(([, { Properties }]) => Properties.LoggingConfiguration)).toHaveLength(4);
    expect(buckets.filter(([, { Properties }]) => Properties.NotificationConfiguration)).toHaveLength(2);
  });
});

it('gives no physical name to what CloudFormation can name', () => {
  const names = [
    'FunctionName',
    'BucketName',
    'TableName',
    'RoleName',
    'QueueName',
    'TopicName',
    'AlarmName',
    'LogGroupName',
  ];
  for (const stack of stacks)
    for (const [id, { Type, Properties }] of Object.entries(stack.resources)) {
      if (!/^AWS::Lambda::(Permission|EventInvokeConfig|EventSourceMapping)$/.test(Type))
        expect(
          names.filter((name) => name in Properties),
          id,
        ).toEqual([]);
    }
});

it('tags everything for its cost', () => {
  const taggable = [
    'AWS::Lambda::Function',
    'AWS::S3::Bucket',
    'AWS::SQS::Queue',
    'AWS::IAM::Role',
    'AWS::DynamoDB::Table',
    'AWS::KMS::Key',
    'AWS::Logs::LogGroup',
    'AWS::CloudWatch::Alarm',
  ];
  for (const type of taggable)
    for (const [id, { Properties }] of ofType(stacks, type))
      expect(JSON.stringify(Properties.Tags), id).toContain('flywheel:environment');
});

it('has the stacks that the command line asks for by name, and no other', async () => {
  const all = await synthesize(flywheel, { environment: 'prod' });
  expect(all.stacks.map((stack) => stack.stackName).sort()).toEqual(stackNames('prod').sort());
});

it('tells the command line where everything is', () => {
  const outputs = Object.assign({}, ...stacks.map((stack) => stack.outputs));
  const wanted = [
    'RawBucket',
    'DatasetBucket',
    'ModelBucket',
    'CaptureBucket',
    'LineageTable',
    'EventBus',
    'ApiUrl',
    'AlarmTopic',
    'Functions',
    'DeadLetterQueues',
    'UnansweredRequestsQueue',
  ];
  expect(Object.keys(outputs)).toEqual(expect.arrayContaining(wanted));
});

it('stays below the limits of a template', async () => {
  const all = await synthesize(flywheel);
  for (const stack of all.stacks) expect(Object.keys(stack.resources).length).toBeLessThan(400);
  expect(all.stages.map((stage) => stage.stageName)).toEqual(['local', 'dev', 'staging', 'prod']);
});

it('synthesizes one environment when asked for it by name', async () => {
  const { stages } = await synthesize(flywheel, { environment: 'local' });
  expect(stages.map((stage) => stage.stageName)).toEqual(['local']);
  await expect(synthesize(flywheel, { environment: 'moon' })).rejects.toThrow('expected one of: local, dev');
});
