/** The customer-managed key of an environment: everything that is stored is encrypted with it. */
import { type RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { Access, allow } from './access.ts';

/** What S3, DynamoDB and SQS ask of a caller who reads or writes encrypted data. */
const USE = ['kms:Decrypt', 'kms:GenerateDataKey', 'kms:DescribeKey'];

export class DataKey extends Construct {
  readonly key: IKey;

  constructor(scope: Construct, id: string, props: { readonly removalPolicy: RemovalPolicy }) {
    super(scope, id);
    const { account, region, partition } = Stack.of(this);
    const key = new Key(this, 'Key', {
      description: 'Flywheel: data, models, lineage, logs and messages',
      enableKeyRotation: true,
      removalPolicy: props.removalPolicy,
    });
    key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'LogGroupsOfThisAccount',
        principals: [new ServicePrincipal(`logs.${region}.amazonaws.com`)],
        actions: [...USE, 'kms:Encrypt', 'kms:ReEncryptFrom', 'kms:ReEncryptTo', 'kms:GenerateDataKeyWithoutPlaintext'],
        resources: ['*'],
        conditions: {
          ArnLike: { 'kms:EncryptionContext:aws:logs:arn': `arn:${partition}:logs:${region}:${account}:log-group:*` },
        },
      }),
    );
    key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'DeadLettersAndNotifications',
        principals: [new ServicePrincipal('events.amazonaws.com'), new ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
        resources: ['*'],
        conditions: { StringEquals: { 'aws:SourceAccount': account } },
      }),
    );
    this.key = key;
  }

  /** To read and write encrypted data. */
  use(): Access {
    return allow({ actions: USE, resources: [this.key.keyArn] });
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
