/** The one table: lineage graph, state of each project, captured counts, journal. */
import type { RemovalPolicy } from 'aws-cdk-lib';
import {
  AttributeType,
  BillingMode,
  ProjectionType,
  StreamViewType,
  Table,
  TableEncryption,
} from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import { table as names } from '../../lambdas/contract/keys.ts';
import { Access, allow, type Permission } from './access.ts';
import type { DataKey } from './data-key.ts';

export interface LineageTableProps {
  readonly key: DataKey;
  readonly removalPolicy: RemovalPolicy;
  readonly deletionProtection: boolean;
}

const INDEXES = [names.incoming, names.byType];
const text = (name: string) => ({ name, type: AttributeType.STRING });

export class LineageTable extends Construct {
  readonly table: Table;
  readonly #key: DataKey;

  constructor(scope: Construct, id: string, props: LineageTableProps) {
    super(scope, id);
    // Not TableV2: it takes no key of ours in a stack that names no region.
    this.table = new Table(this, 'Table', {
      partitionKey: text(names.partitionKey),
      sortKey: text(names.sortKey),
      timeToLiveAttribute: names.timeToLive,
      billingMode: BillingMode.PAY_PER_REQUEST,
      encryption: TableEncryption.CUSTOMER_MANAGED,
      encryptionKey: props.key.key,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      stream: StreamViewType.NEW_AND_OLD_IMAGES,
      deletionProtection: props.deletionProtection,
      removalPolicy: props.removalPolicy,
    });
    for (const { index, partitionKey, sortKey } of INDEXES)
      this.table.addGlobalSecondaryIndex({
        indexName: index,
        partitionKey: text(partitionKey),
        sortKey: text(sortKey),
        projectionType: ProjectionType.ALL,
      });
    this.#key = props.key;
  }

  /** To get single items. */
  read(): Access<{ TABLE_NAME: string }> {
    return this.#access({ actions: ['dynamodb:GetItem'], resources: [this.table.tableArn] });
  }

  /** To list items: of a partition, or by an index. */
  query(): Access {
    const { tableArn } = this.table;
    const indexes = INDEXES.map(({ index }) => `${tableArn}/index/${index}`);
    return allow({ actions: ['dynamodb:Query'], resources: [tableArn, ...indexes] });
  }

  /** To get items, and to write in transactions, which are authorized as the writes that they hold. */
  readWrite(): Access<{ TABLE_NAME: string }> {
    return this.#access({
      actions: ['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem'],
      resources: [this.table.tableArn],
    });
  }

  /** To remove items in transactions, and to have one depend on an item that is not there. */
  release(): Access {
    const actions = ['dynamodb:DeleteItem', 'dynamodb:ConditionCheckItem'];
    return allow({ actions, resources: [this.table.tableArn] });
  }

  /**
   * To get items, and to put those of partitions that begin so: not a node of the lineage, nor the state of a project.
   * DynamoDB developer guide, "IAM policy conditions for fine-grained access control".
   */
  readAndPut(partitions: string): Access<{ TABLE_NAME: string }> {
    return this.read().and(
      allow({
        actions: ['dynamodb:PutItem'],
        resources: [this.table.tableArn],
        conditions: { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': [`${partitions}*`] } },
      }),
    );
  }

  #access(permission: Permission): Access<{ TABLE_NAME: string }> {
    return new Access({ TABLE_NAME: this.table.tableName }, [permission]).and(this.#key.use());
  }
}
