/**
 * What a step writes to the lineage table in one transaction, and how each write and its condition are said to DynamoDB.
 * Named so that a caller never spells an expression.
 */
import type { TransactWriteCommandInput } from '@aws-sdk/lib-dynamodb';
import { itemKey, listKey, listOrder, nodeId, nodeTypes, type Relation, table } from '../contract/keys.ts';
import { nodeRecords, type StateRecord } from '../contract/records.ts';

export type RecordType = keyof typeof nodeRecords;

/** One write of a transaction. */
export type Write =
  /** Fails when the node exists. */
  | {
      readonly kind: 'create';
      readonly type: RecordType;
      readonly project: string;
      readonly local: string | number;
      readonly record: object;
      readonly order?: number;
    }
  /** Sets and removes fields of a node; fails unless every field of `expect` has one of the values given. */
  | {
      readonly kind: 'update';
      readonly id: string;
      readonly set: Readonly<Record<string, unknown>>;
      readonly unset?: readonly string[];
      readonly expect: Readonly<Record<string, readonly (string | number)[]>>;
    }
  | {
      readonly kind: 'edge';
      readonly from: string;
      readonly relation: Relation;
      readonly to: string;
      readonly at: string;
    }
  /** A node without a record of its own (an agent, a code archive, stored bytes); writing it again changes nothing. */
  | {
      readonly kind: 'mention';
      readonly id: string;
      readonly at: string;
      readonly fields?: Readonly<Record<string, string | number>>;
    }
  /** Changes the project's state; fails unless it still has the revision that was read. */
  | {
      readonly kind: 'state';
      readonly project: string;
      readonly read: StateRecord;
      readonly set: Partial<Omit<StateRecord, 'revision'>>;
      readonly unset?: readonly (keyof StateRecord)[];
    }
  /** An item of its own; fails when it exists. */
  | {
      readonly kind: 'claim';
      readonly key: { readonly pk: string; readonly sk: string };
      readonly fields: Readonly<Record<string, unknown>>;
    }
  /** Writes nothing; fails when the item exists. */
  | { readonly kind: 'absent'; readonly key: { readonly pk: string; readonly sk: string } }
  /** Removes an item of its own, whether it exists or not. */
  | { readonly kind: 'release'; readonly key: { readonly pk: string; readonly sk: string } }
  /** Adds to what jobs of a month have used, and to what is held back for those under way. */
  | {
      readonly kind: 'hours';
      readonly project: string;
      readonly month: string;
      readonly hours: number;
      readonly reserved: number;
    };

/** `conflict`: nothing was written, because the conditions of these writes (by index, repeated mentions and edges left out) did not hold. */
export type WriteOutcome =
  | { readonly written: true }
  | { readonly written: false; readonly conflicts: readonly number[] };

/** DynamoDB's limit for one transaction. */
export const TRANSACTION_LIMIT = 100;

export const NOT_THERE = 'attribute_not_exists(#pk)';

/** The condition of a writer that read this revision; 0: there was nothing to read. */
export function unchangedSince(revision: number) {
  return revision === 0
    ? { ConditionExpression: NOT_THERE, ExpressionAttributeNames: { '#pk': table.partitionKey } }
    : {
        ConditionExpression: '#revision = :read',
        ExpressionAttributeNames: { '#revision': 'revision' },
        ExpressionAttributeValues: { ':read': revision },
      };
}

/** DynamoDB refuses a transaction that names an item twice; the same mention or edge twice says nothing more. */
export function withoutRepeats(writes: readonly Write[]): readonly Write[] {
  const seen = new Set<string>();
  return writes.filter((write) => {
    const key =
      write.kind === 'mention'
        ? write.id
        : write.kind === 'edge'
          ? `${write.from} ${write.relation} ${write.to}`
          : undefined;
    return key === undefined || (!seen.has(key) && seen.add(key));
  });
}

/** What is so whoever writes it, and however often: no condition, and no transaction that others could be in the way of. */
export type Fact = Extract<Write, { readonly kind: 'edge' | 'mention' }>;

type TransactItem = NonNullable<TransactWriteCommandInput['TransactItems']>[number];

export function transactItem(TableName: string, write: Write): TransactItem {
  switch (write.kind) {
    case 'create': {
      const id = nodeId.build(write.type, write.project, write.local);
      const record = nodeRecords[write.type].parse(write.record);
      const order = write.order === undefined ? record.at : listOrder(write.order);
      return {
        Put: {
          TableName,
          Item: {
            ...record,
            ...itemKey.node(id),
            type: write.type,
            prov: nodeTypes[write.type],
            [table.byType.partitionKey]: listKey(write.project, write.type),
            [table.byType.sortKey]: order,
          },
          ConditionExpression: NOT_THERE,
          ExpressionAttributeNames: { '#pk': table.partitionKey },
        },
      };
    }
    case 'mention':
    case 'edge':
      return { Put: { TableName, Item: factItem(write) } };
    case 'update':
      return { Update: { TableName, Key: itemKey.node(write.id), ...changeFields(write) } };
    case 'state': {
      const { revision, ...rest } = write.read;
      const kept = Object.fromEntries(
        Object.entries(rest).filter(([name]) => !write.unset?.some((each) => each === name)),
      );
      return {
        Put: {
          TableName,
          Item: { ...kept, ...write.set, ...itemKey.state(write.project), revision: revision + 1 },
          ...unchangedSince(revision),
        },
      };
    }
    case 'claim':
      return {
        Put: {
          TableName,
          Item: { ...write.fields, ...write.key },
          ConditionExpression: NOT_THERE,
          ExpressionAttributeNames: { '#pk': table.partitionKey },
        },
      };
    case 'absent':
      return {
        ConditionCheck: {
          TableName,
          Key: write.key,
          ConditionExpression: NOT_THERE,
          ExpressionAttributeNames: { '#pk': table.partitionKey },
        },
      };
    case 'release':
      return { Delete: { TableName, Key: write.key } };
    case 'hours':
      return {
        Update: {
          TableName,
          Key: itemKey.budget(write.project, write.month),
          UpdateExpression: 'ADD #hours :hours, #reserved :reserved',
          ExpressionAttributeNames: { '#hours': 'hours', '#reserved': 'reserved' },
          ExpressionAttributeValues: { ':hours': write.hours, ':reserved': write.reserved },
        },
      };
  }
}

export function factItem(fact: Fact): Record<string, unknown> {
  if (fact.kind === 'edge') {
    const { from, relation, to, at } = fact;
    return { ...itemKey.edge(from, relation, to), from, relation, to, at };
  }
  const type = nodeId.parse(fact.id)?.type;
  if (!type) throw new Error(`not a node id: ${fact.id}`);
  return { ...fact.fields, ...itemKey.node(fact.id), type, prov: nodeTypes[type], at: fact.at };
}

function changeFields({ set, unset = [], expect }: Extract<Write, { kind: 'update' }>) {
  const names: Record<string, string> = {};
  const values: Record<string, unknown> = {};
  const assignments = Object.entries(set)
    .filter(([, value]) => value !== undefined)
    .map(([name, value], index) => {
      names[`#s${index}`] = name;
      values[`:s${index}`] = value;
      return `#s${index} = :s${index}`;
    });
  const removals = unset.map((name, index) => {
    names[`#r${index}`] = name;
    return `#r${index}`;
  });
  const conditions = Object.entries(expect).map(([name, allowed], index) => {
    names[`#e${index}`] = name;
    const placeholders = allowed.map((value, position) => {
      values[`:e${index}x${position}`] = value;
      return `:e${index}x${position}`;
    });
    return `#e${index} IN (${placeholders.join(', ')})`;
  });
  return {
    UpdateExpression: `SET ${assignments.join(', ')}${removals.length > 0 ? ` REMOVE ${removals.join(', ')}` : ''}`,
    ConditionExpression: conditions.join(' AND '),
    ExpressionAttributeNames: names,
    ExpressionAttributeValues: values,
  };
}
