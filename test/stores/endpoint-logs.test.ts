/** The log group of an endpoint is ours before SageMaker writes to it, and becomes ours when SageMaker was first. */
import { CloudWatchLogsClient, CreateLogGroupCommand, DescribeLogGroupsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { expect, it } from 'vitest';
import { endpointLogGroup } from '../../lambdas/contract/keys.ts';
import { endpointLogs } from '../../lambdas/stores/endpoint-logs.ts';
import { createKey, uniqueName } from '../support/services.ts';

const client = new CloudWatchLogsClient({});
const groupOf = async (endpoint: string) => {
  const logGroupNamePrefix = endpointLogGroup(endpoint);
  const { logGroups = [] } = await client.send(new DescribeLogGroupsCommand({ logGroupNamePrefix }));
  return logGroups;
};

it.each(['missing', 'made by SageMaker'])(
  'a log group that is %s has our key and our retention afterwards',
  async (was) => {
    const endpoint = uniqueName('flywheel-local-flights');
    const keyArn = await createKey();
    if (was !== 'missing') await client.send(new CreateLogGroupCommand({ logGroupName: endpointLogGroup(endpoint) }));
    const logs = endpointLogs({ keyArn, retentionDays: 14 });
    await logs.prepare(endpoint);
    await logs.prepare(endpoint);
    expect(await groupOf(endpoint)).toMatchObject([{ kmsKeyId: keyArn, retentionInDays: 14 }]);
  },
);
