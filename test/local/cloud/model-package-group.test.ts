import { rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStacksCommand,
} from '@aws-sdk/client-cloudformation';
import { ListModelPackageGroupsCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import { afterAll, expect, it } from 'vitest';
import { resetCloud, startCloud } from '../../../local/cloud.ts';
import { rootOf } from '../support/root.ts';

const directory = join(import.meta.dirname, '../../../.flywheel/test-model-package-group');

afterAll(async () => {
  await resetCloud({ directory });
  rmSync(directory, { recursive: true, force: true });
});

it('a stack creates its model package group in SageMaker local, and takes it away again', {
  timeout: 30_000,
}, async () => {
  const cloud = await startCloud({ directory, ports: { cloud: 0, sagemaker: 0 } });
  const options = { region: 'us-east-1', credentials: rootOf(cloud) };
  const cloudformation = new CloudFormationClient({ ...options, endpoint: cloud.endpointUrl });
  const sagemaker = new SageMakerClient({ ...options, endpoint: cloud.sagemakerUrl });
  const stacks = async () => (await cloudformation.send(new DescribeStacksCommand({}))).Stacks ?? [];
  const groups = async () =>
    (await sagemaker.send(new ListModelPackageGroupsCommand({}))).ModelPackageGroupSummaryList ?? [];
  const group = { Type: 'AWS::SageMaker::ModelPackageGroup', Properties: { ModelPackageGroupName: 'flights' } };
  const TemplateBody = JSON.stringify({ Resources: { Group: group }, Outputs: { Arn: { Value: { Ref: 'Group' } } } });

  await cloudformation.send(new CreateStackCommand({ StackName: 'registry', TemplateBody }));
  await expect.poll(async () => (await stacks())[0]?.StackStatus).toBe('CREATE_COMPLETE');
  const [created] = await groups();
  expect(created?.ModelPackageGroupName).toBe('flights');
  expect((await stacks())[0]?.Outputs?.[0]?.OutputValue).toBe(created?.ModelPackageGroupArn);

  await cloudformation.send(new DeleteStackCommand({ StackName: 'registry' }));
  await expect.poll(async () => (await groups()).length, { timeout: 5000 }).toBe(0);
});
