/** A bucket for data: encrypted, versioned, TLS only, private, logged, and telling EventBridge of new objects. */
import { Duration, type RemovalPolicy, Validations } from 'aws-cdk-lib';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  CfnBucket,
  type IBucket,
  type LifecycleRule,
  ObjectOwnership,
} from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { Access, allow } from './access.ts';
import type { DataKey } from './data-key.ts';

export interface DataBucketProps {
  readonly key: DataKey;
  readonly accessLogs: IBucket;
  readonly removalPolicy: RemovalPolicy;
  /**
   * Rules beside the ones of every bucket: unfinished uploads go after a week, replaced versions after 90 days.
   * @default - none
   */
  readonly lifecycleRules?: readonly LifecycleRule[];
  /**
   * Send an event for every new object.
   * @default false
   */
  readonly announcesObjects?: boolean;
}

export class DataBucket extends Construct {
  readonly bucket: Bucket;
  readonly #key: DataKey;

  constructor(scope: Construct, id: string, props: DataBucketProps) {
    super(scope, id);
    const bucket = new Bucket(this, 'Bucket', {
      encryption: BucketEncryption.KMS,
      encryptionKey: props.key.key,
      bucketKeyEnabled: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      versioned: true,
      serverAccessLogsBucket: props.accessLogs,
      serverAccessLogsPrefix: `${id.toLowerCase()}/`,
      lifecycleRules: [
        {
          id: 'unfinished-uploads-and-replaced-versions',
          abortIncompleteMultipartUploadAfter: Duration.days(7),
          noncurrentVersionExpiration: Duration.days(90),
        },
        ...(props.lifecycleRules ?? []),
      ],
      removalPolicy: props.removalPolicy,
    });
    if (props.announcesObjects) announceObjects(bucket);
    this.bucket = bucket;
    this.#key = props.key;
  }

  /** To know the bucket by this variable. */
  named<Name extends string>(variable: Name): Access<Readonly<Record<Name, string>>> {
    return new Access(entry(variable, this.bucket.bucketName), []);
  }

  /** To read the newest version of objects under these prefixes. */
  read(...prefixes: readonly string[]): Access {
    // Without ListBucket S3 answers 403, not 404, for an object that is not there.
    return this.#objects(['s3:GetObject'], prefixes).and(
      allow({ actions: ['s3:ListBucket'], resources: [this.bucket.bucketArn] }),
    );
  }

  /** To read objects under these prefixes, each version of them. */
  readVersions(...prefixes: readonly string[]): Access {
    return this.read(...prefixes).and(this.#objects(['s3:GetObjectVersion'], prefixes));
  }

  write(...prefixes: readonly string[]): Access {
    return this.#objects(['s3:PutObject'], prefixes);
  }

  #objects(actions: readonly string[], prefixes: readonly string[]): Access {
    return allow({
      actions,
      resources: prefixes.map((prefix) => this.bucket.arnForObjects(`${prefix}*`)),
      patternBecause: `the objects have keys of their own under ${prefixes.map((prefix) => prefix || 'any prefix').join(', ')}`,
    }).and(this.#key.use());
  }
}

function entry<Name extends string>(name: Name, value: string): Readonly<Record<Name, string>> {
  // A computed key has the type `string` in TypeScript, whatever the type of the name.
  return { [name]: value } as Record<Name, string>;
}

/** The bucket that the others log to. S3's log delivery cannot write to a bucket with a customer-managed key. */
export function accessLogBucket(scope: Construct, id: string, removalPolicy: RemovalPolicy): IBucket {
  const bucket = new Bucket(scope, id, {
    encryption: BucketEncryption.S3_MANAGED,
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
    enforceSSL: true,
    versioned: true,
    lifecycleRules: [
      {
        id: 'old-logs',
        expiration: Duration.days(365),
        noncurrentVersionExpiration: Duration.days(30),
        abortIncompleteMultipartUploadAfter: Duration.days(7),
      },
    ],
    removalPolicy,
  });
  Validations.of(bucket).acknowledge({
    id: 'AwsSolutions-S1',
    reason: 'holds the access logs of the other buckets; logging it to itself would never end',
  });
  // The class implements the interface, but not under exactOptionalPropertyTypes.
  return bucket as IBucket;
}

/** The property that CDK's `eventBridgeEnabled` sets by a custom resource, which CloudFormation can set by itself. */
function announceObjects(bucket: Bucket): void {
  const { defaultChild } = bucket.node;
  if (!(defaultChild instanceof CfnBucket)) throw new Error(`${bucket.node.path} is no CloudFormation bucket`);
  defaultChild.notificationConfiguration = { eventBridgeConfiguration: { eventBridgeEnabled: true } };
}
