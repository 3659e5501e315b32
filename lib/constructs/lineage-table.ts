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
import { Access } from './access.ts';
import type { DataKey } from './data-key.ts';

export interface LineageTableProps {
  readonly key: DataKey;
  readonly removalPolicy: RemovalPolicy;
  readonly deletionProtection: boolean;
}

const READ = ['dynamodb:GetItem', 'dynamodb:BatchGetItem', 'dynamodb:Query'];
/** A transaction is authorized as the writes that it holds; ConditionCheckItem is the one kind that has no call of its own. */
const WRITE = ['dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem', 'dynamodb:ConditionCheckItem'];

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

  read(): Access<{ TABLE_NAME: string }> {
    return this.#access(READ);
  }

  readWrite(): Access<{ TABLE_NAME: string }> {
    return this.#access([...READ, ...WRITE]);
  }

  #access(actions: readonly string[]): Access<{ TABLE_NAME: string }> {
    const { tableArn, tableName } = this.table;
    const indexes = INDEXES.map(({ index }) => `${tableArn}/index/${index}`);
    return new Access({ TABLE_NAME: tableName }, [{ actions, resources: [tableArn, ...indexes] }]).and(this.#key.use());
  }
}
