/** The buckets of a stack, and their emptying: CloudFormation deletes a bucket only when no version of an object is in it. */
import { CloudFormationClient, paginateListStackResources } from '@aws-sdk/client-cloudformation';
import { DeleteObjectsCommand, ListObjectVersionsCommand, S3Client } from '@aws-sdk/client-s3';
import { CommandFailed } from '../failure.ts';
import { isNoSuchStack } from '../stacks.ts';

/** Of a stack that is there; of another none. */
export async function bucketsOf(StackName: string): Promise<string[]> {
  const buckets: string[] = [];
  try {
    for await (const page of paginateListStackResources({ client: new CloudFormationClient({}) }, { StackName }))
      for (const each of page.StackResourceSummaries ?? [])
        if (each.ResourceType === 'AWS::S3::Bucket' && each.PhysicalResourceId) buckets.push(each.PhysicalResourceId);
  } catch (error) {
    if (isNoSuchStack(error)) return [];
    throw error;
  }
  return buckets;
}

/** @returns how many versions and delete markers it held */
export async function emptyBucket(Bucket: string): Promise<number> {
  const s3 = new S3Client({});
  for (let count = 0; ; ) {
    // As many as one request may delete: 1,000. What is deleted is not listed again, so the first page is the next one.
    const { Versions = [], DeleteMarkers = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket }));
    const Objects = [...Versions, ...DeleteMarkers].flatMap(({ Key, VersionId }) =>
      Key === undefined ? [] : [{ Key, ...(VersionId !== undefined && { VersionId }) }],
    );
    if (Objects.length === 0) return count;
    const { Errors = [] } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }));
    const [first] = Errors;
    if (first) throw new CommandFailed(`s3://${Bucket}/${first.Key} was not deleted: ${first.Code} ${first.Message}`);
    count += Objects.length;
  }
}
