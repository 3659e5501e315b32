/** A function's role may do what its code does, no less and no more. */
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { FunctionName } from '../../lambdas/contract/env.ts';
import { functionNames } from '../../lib/bundle.ts';
import { calledActions } from '../support/called-actions.ts';
import { type Statement, statementsByRole } from '../support/role-statements.ts';
import { writtenPartitions } from '../support/written-partitions.ts';
import { installation, synthesize } from '../synthesis.ts';

let statements: ReadonlyMap<string, readonly Statement[]>;
beforeAll(async () => {
  const { stacks } = await synthesize(installation('flights', 'loans'));
  statements = statementsByRole(stacks);
});

/** What Lambda, SQS and the encryption of S3, DynamoDB and variables ask of the role, and no line of code calls. */
const OF_THE_MACHINERY = [
  'logs:CreateLogStream',
  'logs:PutLogEvents',
  'sqs:SendMessage',
  'sqs:ReceiveMessage',
  'sqs:DeleteMessage',
  'sqs:GetQueueAttributes',
  'kms:Decrypt',
  'kms:DescribeKey',
  'kms:GenerateDataKey',
];

/** Granted without a call, with the reason. */
const alsoGranted: Partial<Record<FunctionName, Readonly<Record<string, string>>>> = {
  'deploy-model': { 'cloudwatch:DescribeAlarms': 'AWS says no more than that "the execution role" needs it' },
};
/** S3 answers 404 for an object that is not there only to those who may list: whoever may get may list. */
const withListing = (actions: readonly string[]) =>
  actions.includes('s3:GetObject') ? [...actions, 's3:ListBucket'] : actions;

const grantedTo = (name: string) =>
  (statements.get(name) ?? []).flatMap(({ Action }) => Action).filter((action) => !OF_THE_MACHINERY.includes(action));
const WRITES = ['Put', 'Update', 'Delete', 'ConditionCheck'].map((each) => `dynamodb:${each}Item`);
const writesOf = (name: string) =>
  (statements.get(name) ?? []).filter(({ Action }) => Action.some((action) => WRITES.includes(action)));
/** A statement without this condition, or with another beside it, is none. */
const onPartitions = z
  .strictObject({ 'ForAllValues:StringLike': z.strictObject({ 'dynamodb:LeadingKeys': z.array(z.string()) }) })
  .transform((condition) => condition['ForAllValues:StringLike']['dynamodb:LeadingKeys']);
const sorted = (actions: readonly string[]) => [...new Set(actions)].sort();

describe('the role of', () => {
  it.each(functionNames())('%s may do what its code calls, and nothing else', (name) => {
    const called = calledActions(name);
    expect(called).not.toEqual([]);
    const expected = [...withListing(called), ...Object.keys(alsoGranted[name] ?? {})];
    expect(sorted(grantedTo(name)), 'see lib/constructs, where the function is made: access').toEqual(sorted(expected));
  });

  it.each(functionNames())('%s may write the partitions of the table that its code writes, and no others', (name) => {
    const granted = writesOf(name).flatMap(({ Condition }) => onPartitions.parse(Condition));
    const partitions = granted.map((pattern) => pattern.slice(0, pattern.indexOf('/')));
    expect(sorted(partitions), 'see lib/constructs, where the function is made: readWrite').toEqual(
      writtenPartitions(name),
    );
  });

  it.each(functionNames())('%s writes by one statement, whatever key a transaction is asked with', (name) => {
    expect(writesOf(name).length).toBeLessThanOrEqual(1);
  });

  it.each([
    ['record-event', 'journal/*'],
    ['profile-capture', 'counts/*'],
    ['request-manual-training', 'demand/TrainingDemanded/*'],
    ['request-drift-check', 'demand/DriftMeasurementDemanded/*'],
    ['decide-model', 'demand/ApprovalGiven/*'],
  ])('%s puts items of %s only', (name, partitions) => {
    const puts = (statements.get(name) ?? []).filter(({ Action }) => Action.includes('dynamodb:PutItem'));
    expect(puts.map(({ Action, Condition }) => ({ Action, Condition }))).toEqual([
      {
        Action: ['dynamodb:PutItem'],
        Condition: { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': [partitions] } },
      },
    ]);
  });
});

describe('the partitions that a function writes', () => {
  it('are read from creations, changes, edges, mentions and items of their own, of helpers and steps too', () => {
    expect(writtenPartitions('reconcile')).toEqual([]);
    expect(writtenPartitions('judge-candidate')).toEqual(['agent', 'decision', 'deployment', 'model', 'project']);
    expect(writtenPartitions('register-dataset-version')).toEqual(
      expect.arrayContaining(['dataset-object', 'pending', 'quarantined-upload', 'registration', 'upload']),
    );
    expect(writtenPartitions('request-training')).toEqual(expect.arrayContaining(['code', 'evaluation']));
    expect(writtenPartitions('finish-deployment')).toContain('endpoint');
  });
});

describe('what a function calls', () => {
  it('is read from the stores: aliases, helpers, and what a command needs beside its own action', () => {
    expect(calledActions('describe-project')).toEqual(['dynamodb:GetItem']);
    expect(calledActions('record-ground-truth')).toEqual(['dynamodb:GetItem', 's3:PutObject']);
    expect(calledActions('reconcile')).toEqual(
      expect.arrayContaining(['dynamodb:Query', 'sagemaker:DescribeEndpoint']),
    );
    expect(calledActions('start-evaluation')).toEqual(
      expect.arrayContaining(['iam:PassRole', 'kms:CreateGrant', 'sagemaker:AddTags']),
    );
    expect(calledActions('register-dataset-version')).toContain('s3:GetObjectVersion');
    expect(calledActions('register-dataset-version')).toContain('dynamodb:DeleteItem');
    expect(calledActions('finish-training')).toEqual(
      expect.arrayContaining(['dynamodb:PutItem', 'dynamodb:UpdateItem']),
    );
  });
});
