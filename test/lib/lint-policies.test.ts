/** The linter of policies finds what is planted, and sees every policy of a template. `npm run check` lints those of all environments. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repositoryRoot } from '../../lib/bundle.ts';
import { appOf, installation } from '../synthesis.ts';

const python = join(repositoryRoot, '.flywheel/venv/cloud/bin/python');

/** @returns what it printed and its exit status */
function lint(policies: readonly string[], ...options: readonly string[]) {
  const script = join(repositoryRoot, 'scripts/lint_policies.py');
  const { status, stdout, stderr } = spawnSync(python, ['-W', 'ignore::UserWarning', script, ...options], {
    input: policies.join('\n'),
    encoding: 'utf8',
  });
  return { status, printed: stdout + stderr };
}

/** The policies of an app with two projects, as the linter gets them. */
async function policiesOfApp(): Promise<string[]> {
  const { app } = await appOf(installation('flights', 'loans'), { builtinCloudFormationValidation: false });
  const { directory } = app.synth();
  const { stdout, stderr } = spawnSync(process.execPath, [join(repositoryRoot, 'scripts/policies.ts'), directory], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return stdout.trim().split('\n');
}

const planted = (
  statement: Readonly<Record<string, unknown>>,
  type = 'AWS::IAM::Policy',
  property = 'PolicyDocument',
) =>
  JSON.stringify({
    at: 'dev-State/Planted',
    type,
    property,
    document: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...statement }] },
  });

describe('the linter of policies', () => {
  it('sees the policies of roles, their trust, and those of buckets, queues, topics and keys, with nothing left to resolve', async () => {
    const policies = await policiesOfApp();
    for (const type of [
      'IAM::Policy',
      'IAM::Role',
      'S3::BucketPolicy',
      'SQS::QueuePolicy',
      'SNS::TopicPolicy',
      'KMS::Key',
    ])
      expect(policies.filter((each) => each.includes(`"type":"AWS::${type}"`)).length, type).toBeGreaterThan(0);
    expect(policies.join('\n')).not.toMatch(/"Fn::|"Ref"|undefined/);
  });

  it('finds nothing in the product, and each exception that it makes is needed', async () => {
    expect(lint(await policiesOfApp(), '--whole')).toEqual({ status: 0, printed: '' });
  });

  it.each([
    [
      'an action that the resource does not have',
      { Action: 's3:GetObject', Resource: 'arn:aws:s3:::bucket' },
      'RESOURCE_MISMATCH',
    ],
    ['an action that does not exist', { Action: 'sqs:SendMassage', Resource: 'arn:aws:sqs:::queue' }, 'UNKNOWN_ACTION'],
    ['a resource that could be named', { Action: 'dynamodb:PutItem', Resource: '*' }, 'RESOURCE_STAR'],
    [
      'a pattern of actions',
      { Action: 'sqs:*', Resource: 'arn:aws:sqs:us-east-1:111122223333:queue' },
      'ACTION_PATTERN',
    ],
    [
      'a condition that the action does not know',
      {
        Action: 'sqs:SendMessage',
        Resource: 'arn:aws:sqs:us-east-1:111122223333:q',
        Condition: { StringEquals: { 's3:prefix': 'x' } },
      },
      'UNKNOWN_CONDITION_FOR_ACTION',
    ],
    ['an ARN that is none', { Action: 'sqs:SendMessage', Resource: 'queue' }, 'INVALID_ARN'],
  ])('finds %s', (_, statement, issue) => {
    const { status, printed } = lint([planted(statement)]);
    expect(printed).toContain(`dev-State/Planted: ${issue}`);
    expect(status).toBe(1);
  });

  it('finds it in the policies of resources and in trust, too', () => {
    const everybody = { Principal: { AWS: 'nobody' } };
    const trust = planted({ Action: 'sts:AssumeRoll', ...everybody }, 'AWS::IAM::Role', 'AssumeRolePolicyDocument');
    const queue = planted(
      { Action: 'sns:Publish', Resource: 'arn:aws:sqs:us-east-1:111122223333:q', ...everybody },
      'AWS::SQS::QueuePolicy',
    );
    expect(lint([trust]).printed).toContain('UNKNOWN_ACTION');
    expect(lint([queue]).printed).toContain('RESOURCE_MISMATCH');
    expect(lint([queue]).printed).toContain('UNKNOWN_PRINCIPAL');
  });

  it('does not take no policy for a good one', () => {
    expect(lint([]).status).toBe(1);
  });
});
