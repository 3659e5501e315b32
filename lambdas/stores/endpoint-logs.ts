/**
 * The log group of an endpoint's containers. SageMaker creates one that is missing, without a key and without an end: so
 * it is created first, as the other log groups of an environment are.
 */
import {
  AssociateKmsKeyCommand,
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  PutRetentionPolicyCommand,
  ResourceAlreadyExistsException,
} from '@aws-sdk/client-cloudwatch-logs';
import { endpointLogGroup } from '../contract/keys.ts';

export interface LogSettings {
  readonly keyArn: string;
  readonly retentionDays: number;
}

export type EndpointLogs = ReturnType<typeof endpointLogs>;

export function endpointLogs({ keyArn, retentionDays }: LogSettings, client = new CloudWatchLogsClient({})) {
  return {
    /** The group of an endpoint, under our key and with our retention, whoever created it. */
    async prepare(endpoint: string): Promise<void> {
      const logGroupName = endpointLogGroup(endpoint);
      try {
        await client.send(new CreateLogGroupCommand({ logGroupName, kmsKeyId: keyArn }));
      } catch (error) {
        if (!(error instanceof ResourceAlreadyExistsException)) throw error;
        await client.send(new AssociateKmsKeyCommand({ logGroupName, kmsKeyId: keyArn }));
      }
      await client.send(new PutRetentionPolicyCommand({ logGroupName, retentionInDays: retentionDays }));
    },
  };
}
