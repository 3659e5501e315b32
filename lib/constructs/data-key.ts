/** The customer-managed key of an environment: everything that is stored is encrypted with it. */
import { type RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { Access, allow } from './access.ts';

/** What S3, DynamoDB and SQS ask of a caller who reads or writes encrypted data. */
const USE = ['kms:Decrypt', 'kms:GenerateDataKey', 'kms:DescribeKey'];

/** What SNS and SQS ask of a service that sends to an encrypted topic or queue. */
const SEND = ['kms:Decrypt', 'kms:GenerateDataKey'];

export class DataKey extends Construct {
  readonly key: IKey;

  constructor(scope: Construct, id: string, props: { readonly removalPolicy: RemovalPolicy }) {
    super(scope, id);
    const { account, region, partition, urlSuffix } = Stack.of(this);
    const key = new Key(this, 'Key', {
      description: 'Flywheel: data, models, lineage, logs and messages',
      enableKeyRotation: true,
      removalPolicy: props.removalPolicy,
    });
    key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'LogGroupsOfThisAccount',
        // Of the few principals that differ by region and partition: `Default.servicePrincipal` of the CDK's region-info.
        principals: [new ServicePrincipal(`logs.${region}.${urlSuffix}`)],
        actions: [...USE, 'kms:Encrypt', 'kms:ReEncryptFrom', 'kms:ReEncryptTo', 'kms:GenerateDataKeyWithoutPlaintext'],
        resources: ['*'],
        conditions: {
          ArnLike: { 'kms:EncryptionContext:aws:logs:arn': `arn:${partition}:logs:${region}:${account}:log-group:*` },
        },
      }),
    );
    key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'AlarmsOfThisAccount',
        principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: SEND,
        resources: ['*'],
        conditions: { StringEquals: { 'aws:SourceAccount': account } },
      }),
    );
    key.addToResourcePolicy(
      new PolicyStatement({
        // Without a condition: EventBridge tells the key of an encrypted topic no source ("Adding the aws:SourceAccount,
        // aws:SourceArn ... is not supported for EventBridge-to-encrypted topics", SNS developer guide), and whether it
        // does for a queue is not said. Which rules may send is decided by the policies of topic and queues:
        // docs/decisions/0012-who-may-send.md.
        sid: 'RulesToTopicAndDeadLetters',
        principals: [new ServicePrincipal('events.amazonaws.com')],
        actions: SEND,
        resources: ['*'],
      }),
    );
    this.key = key;
  }

  /** To read and write encrypted data. */
  use(): Access {
    return allow({ actions: USE, resources: [this.key.keyArn] });
  }

  /** To read what was encrypted by others: the variables of a function. */
  decrypt(): Access {
    return allow({ actions: ['kms:Decrypt'], resources: [this.key.keyArn] });
  }

  /** To name the key in requests whose data S3 encrypts. */
  reference(): Access<{ DATA_KEY_ARN: string }> {
    return new Access({ DATA_KEY_ARN: this.key.keyArn }, []).and(this.use());
  }

  /**
   * To run a job or an endpoint whose outputs and volumes are encrypted, as the role that SageMaker assumes. "SageMaker AI
   * Roles" of the developer guide: Encrypt for a KmsKeyId of outputs, CreateGrant for one of volumes. It names no condition for
   * CreateGrant, and whether the assumed role's session counts as a service's call is not said, so there is none.
   */
  execute(): Access {
    return allow({ actions: [...USE, 'kms:Encrypt', 'kms:CreateGrant'], resources: [this.key.keyArn] });
  }

  /** To name the key in requests whose data another service encrypts: SageMaker makes a grant for its volumes. */
  name(): Access<{ DATA_KEY_ARN: string }> {
    return new Access({ DATA_KEY_ARN: this.key.keyArn }, [
      { actions: USE, resources: [this.key.keyArn] },
      {
        actions: ['kms:CreateGrant'],
        resources: [this.key.keyArn],
        conditions: { Bool: { 'kms:GrantIsForAWSResource': 'true' } },
      },
    ]);
  }
}
