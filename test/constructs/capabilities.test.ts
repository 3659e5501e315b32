/** What a single construct promises, at its defaults and customised. */
import { Stack } from 'aws-cdk-lib';
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { uploadLimits } from '../../lambdas/contract/limits.ts';
import { defineFlywheel, tabular } from '../../lib/config/index.ts';
import { Access } from '../../lib/constructs/access.ts';
import { EventFunction } from '../../lib/constructs/event-function.ts';
import { EventRoute } from '../../lib/constructs/event-route.ts';
import { ImageRegistries, registryAccounts } from '../../lib/constructs/image-registries.ts';
import { StateStack } from '../../lib/stacks/state-stack.ts';
import { appOf, installation, ofType, project, type SynthesizedStack, synthesize, testApp } from '../synthesis.ts';

const [environment] = installation('loans').environments;

/** A state stack and a stack beside it, for a construct of one's own. */
function bench() {
  if (!environment) throw new Error('expected an environment');
  const app = testApp();
  const bundles = { folderOf: () => import.meta.dirname, remove: () => undefined };
  const { platform } = new StateStack(app, 'State', { environment, bundles });
  return { platform, stack: new Stack(app, 'Bench') };
}

describe('a function', () => {
  it('refuses a variable that its contract does not know', () => {
    const { platform, stack } = bench();
    const access = platform.table.read().and(new Access({ COLOUR: 'red' }, []));
    expect(
      () => new EventFunction(stack, 'F', { name: 'describe-project', platform, description: 'd', access }),
    ).toThrow('function describe-project: got the variables COLOUR, expected only TABLE_NAME');
  });

  it('does not compile without a variable of its contract', () => {
    const { platform, stack } = bench();
    new EventFunction(stack, 'F', {
      name: 'judge-candidate',
      platform,
      description: 'd',
      // @ts-expect-error EVENT_BUS_NAME is missing
      access: platform.table.read(),
    });
  });

  it('that clients wait for has no route', () => {
    const { platform, stack } = bench();
    const to = new EventFunction(stack, 'F', {
      name: 'describe-project',
      platform,
      description: 'd',
      access: platform.table.read(),
      synchronous: true,
    });
    expect(() => new EventRoute(stack, 'R', { events: [{ detailType: 'ModelTrained' }], to })).toThrow(
      'got a route to a synchronous function',
    );
  });
});

describe('the registries of images', () => {
  const registriesIn = (region: string) => {
    const stack = new Stack(testApp(), 'Stack', { env: { region } });
    return { stack, registries: new ImageRegistries(stack, 'Registry') };
  };

  it('refuse a region that they do not know', () => {
    expect(() => registriesIn('mars-north-1')).toThrow('got the region mars-north-1, expected one whose');
  });

  it('name the repository of an image without its tag, in the account of its registry', () => {
    const { stack, registries } = registriesIn('us-east-1');
    const arnOf = (image: string) => JSON.stringify(stack.resolve(registries.repositoryArn(image)));
    expect(arnOf('sagemaker-xgboost:3.2-0')).toMatch(/"algorithms".*repository\/sagemaker-xgboost"/);
    expect(arnOf('pytorch:2.13')).toMatch(/"deepLearning".*repository\/pytorch"/);
    expect(() => registries.repositoryArn('own/image:1')).toThrow(
      'got the image own/image:1, expected one of the repositories sagemaker-xgboost or pytorch',
    );
  });

  it('are in the partition of the region', () => {
    const { stack, registries } = registriesIn('cn-north-1');
    expect(JSON.stringify(stack.resolve(registries.repositoryArn('pytorch:2.13')))).toContain('arn:aws-cn:ecr:');
    expect(JSON.stringify(stack.resolve(registries.named().variables))).toContain('AWS::URLSuffix');
  });

  it('have accounts of twelve digits', () => {
    const accounts = Object.values(registryAccounts).flatMap(Object.values);
    expect(accounts).toHaveLength(2 * 29);
    for (const account of accounts) expect(account).toMatch(/^\d{12}$/);
  });
});

describe("a project's role", () => {
  const statement = z.object({ Action: z.union([z.string(), z.array(z.string())]), Resource: z.unknown() });
  const policy = z.object({ PolicyDocument: z.object({ Statement: z.array(statement) }) });
  const repositoriesOf = async (more: Parameters<typeof project>[1]) => {
    const projects = [project('loans', more)];
    const { stacks } = await synthesize(defineFlywheel({ environments: { dev: {} }, projects }));
    const pulls = ofType(stacks, 'AWS::IAM::Policy')
      .flatMap(([, { Properties }]) => policy.parse(Properties).PolicyDocument.Statement)
      .filter(({ Action }) => Action.includes('ecr:BatchGetImage'));
    return [...JSON.stringify(pulls).matchAll(/"(\w+)"\]\},":repository\/([\w-]+)"/g)].map(([, ...found]) => found);
  };

  it('may pull the image that trains and the one that serves, and no other', async () => {
    expect((await repositoriesOf({ training: { algorithm: tabular() } })).sort()).toEqual([
      ['algorithms', 'sagemaker-xgboost'],
      ['deepLearning', 'pytorch'],
    ]);
    expect(await repositoriesOf({})).toEqual([['algorithms', 'sagemaker-xgboost']]);
  });
});

describe('settings of an environment', () => {
  let stacks: readonly SynthesizedStack[];
  beforeAll(async () => {
    const settings = {
      logRetentionDays: 14,
      alarmEmail: 'ml@example.com',
      driftMinutes: 1,
      apiLimit: { requestsPerSecond: 7, burst: 9 },
    } as const;
    ({ stacks } = await synthesize(defineFlywheel({ environments: { dev: settings }, projects: [project('loans')] })));
  });
  const only = (type: string) => ofType(stacks, type).map(([, { Properties }]) => Properties);

  it('decide how long logs of functions are kept', () => {
    const functionLogs = ofType(stacks, 'AWS::Logs::LogGroup').filter(([id]) => !id.includes('AccessLogs'));
    for (const [, { Properties }] of functionLogs) expect(Properties.RetentionInDays).toBe(14);
  });

  it('decide who hears of alarms', () => {
    expect(only('AWS::SNS::Subscription')).toEqual([
      expect.objectContaining({ Protocol: 'email', Endpoint: 'ml@example.com' }),
    ]);
  });

  it('decide how often drift is measured, and no function takes concurrency from the others of the account', () => {
    expect(
      only('AWS::Scheduler::Schedule')
        .map((each) => each.ScheduleExpression)
        .sort(),
    ).toEqual(['rate(1 minute)', 'rate(15 minutes)']);
    const concurrency = only('AWS::Lambda::Function').map((each) => each.ReservedConcurrentExecutions);
    // A new account has ten executions at a time, of which none can be reserved.
    expect(concurrency.filter((each) => each !== undefined)).toEqual([]);
  });

  it('decide how long measuring must fail before it is told: three measurements, however far apart they are', async () => {
    const hourly = { environments: { dev: { driftMinutes: 60 } }, projects: [project('loans')] };
    const rare = await synthesize(defineFlywheel(hourly));
    const failing = (all: readonly SynthesizedStack[]) =>
      ofType(all, 'AWS::CloudWatch::Alarm').filter(([, each]) => JSON.stringify(each).includes('#drift-not-measured'));
    const alarm = z.object({ Period: z.int(), EvaluationPeriods: z.literal(3) });
    expect(failing(stacks).map(([, each]) => alarm.parse(each.Properties).Period)).toEqual([300]);
    expect(failing(rare.stacks).map(([, each]) => alarm.parse(each.Properties).Period)).toEqual([3600]);
  });

  it('are of schedules whose functions hear again of each project, by the bus', () => {
    const rule = z.object({ EventBusName: z.unknown(), EventPattern: z.looseObject({ source: z.array(z.string()) }) });
    const due = only('AWS::Events::Rule').filter((each) => JSON.stringify(each).includes('flywheel.schedule'));
    const patterns = due.map((each) => rule.parse(each).EventPattern);
    expect(patterns.map((each) => each['detail-type'])).toEqual(
      expect.arrayContaining([['DriftMeasurementDue'], ['ReconciliationDue']]),
    );
    for (const each of due) expect(each.EventBusName).toBeDefined();
  });

  it('decide how many requests the API takes; each is signed and logged with its caller', () => {
    const stage = z.object({
      DefaultRouteSettings: z.object({ ThrottlingBurstLimit: z.literal(9), ThrottlingRateLimit: z.literal(7) }),
      AccessLogSettings: z.object({ Format: z.string().includes('"caller":"$context.identity.userArn"') }),
    });
    for (const each of only('AWS::ApiGatewayV2::Stage')) stage.parse(each);
    const routes = only('AWS::ApiGatewayV2::Route');
    expect(routes.map((each) => each.RouteKey).sort()).toEqual([
      'GET /projects/{project}',
      'POST /projects/{project}/drift-checks',
      'POST /projects/{project}/ground-truth',
      'POST /projects/{project}/models/{model}/decisions',
      'POST /projects/{project}/predictions',
      'POST /projects/{project}/training-requests',
    ]);
    for (const each of routes) expect(each.AuthorizationType).toBe('AWS_IAM');
  });
});

it('an installation without projects synthesizes', async () => {
  const { app } = await appOf(installation(), { builtinCloudFormationValidation: false });
  expect(() => app.synth()).not.toThrow();
});

describe('uploads', () => {
  it('wait in a queue, and take few of the concurrent executions of a new account', async () => {
    const { stacks } = await synthesize(installation('loans'));
    const [mapping, ...others] = ofType(stacks, 'AWS::Lambda::EventSourceMapping').map(
      ([, { Properties }]) => Properties,
    );
    expect(others).toEqual([]);
    expect(mapping).toMatchObject({ BatchSize: 1, ScalingConfig: { MaximumConcurrency: uploadLimits.concurrency } });
    // A new account has ten, and the API needs some of them.
    expect(uploadLimits.concurrency).toBeLessThanOrEqual(5);
  });
});
