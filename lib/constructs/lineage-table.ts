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
import { type NodePartition, table as names } from '../../lambdas/contract/keys.ts';
import { Access, allow, type Permission } from './access.ts';
import type { DataKey } from './data-key.ts';

export interface LineageTableProps {
  readonly key: DataKey;
  readonly removalPolicy: RemovalPolicy;
  readonly deletionProtection: boolean;
}

const INDEXES = [names.incoming, names.byType];
/** `model/flights/3` begins with `model/`. */
const asPrefix = (partition: NodePartition) => `${partition}/`;
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

  /** To get items, and to write those of these partitions. */
  readWrite(...partitions: readonly NodePartition[]): Access<{ TABLE_NAME: string }> {
    return this.read().and(this.#write(['PutItem', 'UpdateItem'], partitions.map(asPrefix)));
  }

  /** Also to remove items of these partitions, and to have a transaction depend on one that is not there. */
  readWriteRelease(...partitions: readonly NodePartition[]): Access<{ TABLE_NAME: string }> {
    const actions = ['PutItem', 'UpdateItem', 'DeleteItem', 'ConditionCheckItem'];
    return this.read().and(this.#write(actions, partitions.map(asPrefix)));
  }

  /** To get items, and to put those of partitions that begin so: not a node of the lineage, nor the state of a project. */
  readAndPut(partitions: string): Access<{ TABLE_NAME: string }> {
    return this.read().and(this.#write(['PutItem'], [partitions]));
  }

  /**
   * DynamoDB developer guide, "IAM policy conditions for fine-grained access control": `dynamodb:LeadingKeys` are the
   * partition keys of a request. "Using IAM with DynamoDB transactions": what a transaction holds is governed by the
   * permissions of PutItem, UpdateItem, DeleteItem and ConditionCheckItem. Whether each of them is asked with its own key or
   * with those of all is not said: one statement for all of a function's writes is right either way. The key is part of each
   * of these requests, so `ForAllValues`, which an absent key would pass, lets nothing through.
   */
  #write(actions: readonly string[], prefixes: readonly string[]): Access {
    return allow({
      actions: actions.map((action) => `dynamodb:${action}`),
      resources: [this.table.tableArn],
      conditions: { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': prefixes.map((prefix) => `${prefix}*`) } },
    });
  }

  #access(permission: Permission): Access<{ TABLE_NAME: string }> {
    return new Access({ TABLE_NAME: this.table.tableName }, [permission]).and(this.#key.use());
  }
}
