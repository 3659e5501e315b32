import {
  AddTagsCommand,
  ConflictException,
  CreateModelPackageCommand,
  CreateModelPackageGroupCommand,
  DeleteModelPackageCommand,
  DeleteModelPackageGroupCommand,
  DescribeModelPackageCommand,
  DescribeModelPackageGroupCommand,
  ListModelPackageGroupsCommand,
  ListTagsCommand,
  paginateListModelPackages,
  UpdateModelPackageCommand,
} from '@aws-sdk/client-sagemaker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, image, Session } from '../jobs/support/session.ts';

let session: Session;

beforeAll(async () => {
  session = await Session.start();
}, 60_000);

afterAll(() => session?.stop(), 60_000);

test('versions count up, also past a deleted one', async () => {
  await createGroup('flights');
  const first = await createVersion('flights');
  const second = await createVersion('flights', { ModelApprovalStatus: 'Approved' });
  expect(first).toBe('arn:aws:sagemaker:us-east-1:000000000000:model-package/flights/1');
  expect(second).toBe('arn:aws:sagemaker:us-east-1:000000000000:model-package/flights/2');
  await session.client.send(new DeleteModelPackageCommand({ ModelPackageName: second }));
  expect(await createVersion('flights')).toMatch(/flights\/3$/);
  expect(await describePackage(first)).toMatchObject({
    ModelPackageGroupName: 'flights',
    ModelPackageVersion: 1,
    ModelPackageStatus: 'Completed',
    ModelApprovalStatus: 'PendingManualApproval',
    InferenceSpecification: { Containers: [{ Image: image }] },
  });
  await expect(describePackage(second)).rejects.toMatchObject({
    name: 'ValidationException',
    message: `ModelPackage ${second} does not exist.`,
  });
});

test('an approval is kept, and told by an event that names what changed', async () => {
  await createGroup('approved');
  const arn = await createVersion('approved');
  await session.cloud.events();
  await session.client.send(
    new UpdateModelPackageCommand({
      ModelPackageArn: arn,
      ModelApprovalStatus: 'Approved',
      ApprovalDescription: 'better on every slice',
      CustomerMetadataProperties: { run: '1', by: 'me' },
    }),
  );
  const events: Awaited<ReturnType<typeof session.cloud.events>> = [];
  await eventually(async () => {
    events.push(...(await session.cloud.events()));
    return events.length > 0;
  });
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({
    'detail-type': 'SageMaker Model Package State Change',
    resources: [arn],
    detail: {
      ModelPackageArn: arn,
      ModelPackageGroupName: 'approved',
      ModelPackageVersion: 1,
      ModelApprovalStatus: 'Approved',
      UpdatedModelPackageFields: ['ModelApprovalStatus', 'ApprovalDescription', 'CustomerMetadataProperties'],
      CreationTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    },
  });
  await session.client.send(
    new UpdateModelPackageCommand({ ModelPackageArn: arn, CustomerMetadataPropertiesToRemove: ['by'] }),
  );
  expect(await describePackage(arn)).toMatchObject({
    ModelApprovalStatus: 'Approved',
    ApprovalDescription: 'better on every slice',
    CustomerMetadataProperties: { run: '1' },
    LastModifiedTime: expect.any(Date),
  });
});

test('a group is unique, is found by name and by ARN, and is deleted when empty only', async () => {
  const arn = await createGroup('Cased');
  await expect(createGroup('cased')).rejects.toMatchObject({ name: 'ValidationException' });
  const version = await createVersion(arn);
  const named = await session.client.send(new DescribeModelPackageGroupCommand({ ModelPackageGroupName: 'Cased' }));
  expect(named).toMatchObject({ ModelPackageGroupArn: arn, ModelPackageGroupStatus: 'Completed' });
  const remove = () => session.client.send(new DeleteModelPackageGroupCommand({ ModelPackageGroupName: 'Cased' }));
  await expect(remove()).rejects.toBeInstanceOf(ConflictException);
  await session.client.send(new DeleteModelPackageCommand({ ModelPackageName: version }));
  await remove();
  await expect(createVersion('Cased')).rejects.toMatchObject({
    name: 'ValidationException',
    message: `ModelPackageGroup ${arn} does not exist.`,
  });
});

test('versions of a group are listed by approval, newest first, in pages', async () => {
  await createGroup('listed');
  for (const ModelApprovalStatus of ['Approved', 'Rejected', 'Approved', 'Approved'] as const) {
    await createVersion('listed', { ModelApprovalStatus });
  }
  const found: number[] = [];
  const pages = paginateListModelPackages(
    { client: session.client, pageSize: 2 },
    { ModelPackageGroupName: 'listed', ModelApprovalStatus: 'Approved', SortOrder: 'Descending' },
  );
  for await (const page of pages) {
    found.push(...(page.ModelPackageSummaryList ?? []).map(({ ModelPackageVersion = 0 }) => ModelPackageVersion));
  }
  expect(found).toEqual([4, 3, 1]);
  const groups = await session.client.send(new ListModelPackageGroupsCommand({ NameContains: 'LIST' }));
  expect(groups.ModelPackageGroupSummaryList?.map(({ ModelPackageGroupName: name }) => name)).toEqual(['listed']);
});

test('a request for a version that comes again with its ClientToken makes no other', async () => {
  await createGroup('once');
  const arn = await createVersion('once', { ClientToken: 'a-token-of-36-characters-or-fewer-1' });
  expect(await createVersion('once', { ClientToken: 'a-token-of-36-characters-or-fewer-1' })).toBe(arn);
  expect(await createVersion('once', { ClientToken: 'another-token' })).not.toBe(arn);
  expect(await describePackage(arn)).not.toHaveProperty('clientToken');
});

test('groups of other accounts are not one’s own', async () => {
  await createGroup('of-mine');
  const names = async (CrossAccountFilterOption: 'SameAccount' | 'CrossAccount') => {
    const command = new ListModelPackageGroupsCommand({ NameContains: 'of-mine', CrossAccountFilterOption });
    return (await session.client.send(command)).ModelPackageGroupSummaryList?.length;
  };
  expect(await names('SameAccount')).toBe(1);
  expect(await names('CrossAccount')).toBe(0);
});

test('groups carry tags', async () => {
  const ResourceArn = await createGroup('tagged');
  await session.client.send(new AddTagsCommand({ ResourceArn, Tags: [{ Key: 'owner', Value: 'team' }] }));
  const { Tags } = await session.client.send(new ListTagsCommand({ ResourceArn }));
  expect(Tags).toEqual([{ Key: 'owner', Value: 'team' }]);
  const add = (...keys: string[]) =>
    session.client.send(new AddTagsCommand({ ResourceArn, Tags: keys.map((Key) => ({ Key, Value: 'x' })) }));
  await expect(add('aws:owner')).rejects.toMatchObject({
    name: 'ValidationException',
    message: 'aws: prefixed tag key names are not allowed for external use.',
  });
  await expect(add('twice', 'twice')).rejects.toThrow("Tag keys must be unique, got 'twice' more than once.");
});

async function createGroup(name: string): Promise<string> {
  const command = new CreateModelPackageGroupCommand({ ModelPackageGroupName: name });
  const { ModelPackageGroupArn = '' } = await session.client.send(command);
  return ModelPackageGroupArn;
}

async function createVersion(
  group: string,
  change: { ModelApprovalStatus?: 'Approved' | 'Rejected'; ClientToken?: string } = {},
): Promise<string> {
  const { ModelPackageArn = '' } = await session.client.send(
    new CreateModelPackageCommand({
      ModelPackageGroupName: group,
      InferenceSpecification: {
        Containers: [{ Image: image, ModelDataUrl: 's3://work/model.tar.gz' }],
        SupportedContentTypes: ['text/csv'],
        SupportedResponseMIMETypes: ['application/json'],
      },
      ...change,
    }),
  );
  return ModelPackageArn;
}

function describePackage(arn: string) {
  return session.client.send(new DescribeModelPackageCommand({ ModelPackageName: arn }));
}
