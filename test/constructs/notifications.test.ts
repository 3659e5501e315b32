/** Who may send to the topic, to dead-letter queues and through their key; each is what AWS says that it needs. */
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { installation, ofType, type SynthesizedStack, synthesize } from '../synthesis.ts';

const statement = z.looseObject({
  Effect: z.enum(['Allow', 'Deny']),
  Principal: z.unknown(),
  Action: z.string().or(z.array(z.string())),
  Condition: z.unknown().optional(),
});
const document = z.object({ Statement: z.array(statement) });

let stacks: readonly SynthesizedStack[];
beforeAll(async () => {
  ({ stacks } = await synthesize(installation('loans')));
});

const propertiesOf = (type: string) => ofType(stacks, type).map(([, { Properties }]) => Properties);
/** Statements of the only policy of its kind that let a service in. */
const lettingIn = (service: string, policies: readonly unknown[]) =>
  policies
    .flatMap((each) => document.parse(each).Statement)
    .filter(({ Principal }) => JSON.stringify(Principal).includes(service));

describe('the topic', () => {
  const policies = () => propertiesOf('AWS::SNS::TopicPolicy').map((each) => each.PolicyDocument);

  it('has one policy: a second would take the place of the first', () => {
    expect(policies()).toHaveLength(1);
  });

  it('lets alarms of this account publish', () => {
    const [only, ...others] = lettingIn('cloudwatch', policies());
    expect(others).toEqual([]);
    expect(only).toMatchObject({ Effect: 'Allow', Action: 'sns:Publish' });
    const conditions = z.object({ StringEquals: z.unknown(), ArnLike: z.unknown() }).parse(only?.Condition);
    expect(conditions.StringEquals).toEqual({ 'aws:SourceAccount': { Ref: 'AWS::AccountId' } });
    expect(JSON.stringify(conditions.ArnLike)).toContain(':alarm:*');
  });

  it('lets rules publish without a condition, which EventBridge meets at no topic', () => {
    const [only, ...others] = lettingIn('events', policies());
    expect(others).toEqual([]);
    expect(only).toMatchObject({ Effect: 'Allow', Action: 'sns:Publish' });
    expect(only).not.toHaveProperty('Condition');
  });
});

describe('the key', () => {
  const policies = () => propertiesOf('AWS::KMS::Key').map((each) => each.KeyPolicy);

  it('lets alarms of this account send', () => {
    expect(lettingIn('cloudwatch', policies())).toEqual([
      expect.objectContaining({
        Effect: 'Allow',
        Action: ['kms:Decrypt', 'kms:GenerateDataKey'],
        Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
      }),
    ]);
  });

  it('lets rules send without a condition, to topic and dead-letter queues', () => {
    const all = lettingIn('events', policies());
    expect(all.length).toBeGreaterThan(0);
    for (const each of all) expect(each).not.toHaveProperty('Condition');
    expect(all).toContainEqual(
      expect.objectContaining({ Effect: 'Allow', Action: ['kms:Decrypt', 'kms:GenerateDataKey'] }),
    );
  });

  it('lets CloudWatch Logs in by the name that it has in the partition', () => {
    const [only] = lettingIn('logs', policies());
    expect(only?.Principal).toEqual({
      Service: { 'Fn::Join': ['', ['logs.eu-central-1.', { Ref: 'AWS::URLSuffix' }]] },
    });
  });
});

describe('a request for approval', () => {
  const target = z.strictObject({
    Arn: z.unknown(),
    Id: z.string(),
    DeadLetterConfig: z.object({ Arn: z.unknown() }),
    InputTransformer: z.unknown(),
    RetryPolicy: z.unknown(),
  });

  it('goes to the topic by its policy, with no role, and to a dead-letter queue with an alarm', () => {
    const rules = propertiesOf('AWS::Events::Rule').filter((each) =>
      JSON.stringify(each.EventPattern).includes('ApprovalRequested'),
    );
    const targets = rules.flatMap((each) => z.array(z.unknown()).parse(each.Targets));
    const ofTopic = targets.filter((each) => JSON.stringify(each).includes('waits for approval'));
    expect(ofTopic).toHaveLength(1);
    expect(target.safeParse(ofTopic[0]).error).toBeUndefined();
    const alarms = propertiesOf('AWS::CloudWatch::Alarm').map((each) => String(each.AlarmDescription));
    expect(alarms.filter((each) => each.includes('] approval requests: '))).toHaveLength(1);
  });
});
