/**
 * The lineage table: nodes and edges of the PROV graph, and one state item a project. A step writes its record, its
 * edges and the project's state in one transaction, under conditions; a repeated event meets the conditions and is told
 * what is there already.
 */
import { DynamoDBClient, TransactionCanceledException } from '@aws-sdk/client-dynamodb';
import {
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  TransactWriteCommand,
  type TransactWriteCommandInput,
} from '@aws-sdk/lib-dynamodb';
import type * as z from 'zod/mini';
import {
  itemKey,
  listKey,
  listOrder,
  type NodeType,
  nodeId,
  nodeTypes,
  type Relation,
  relations,
  table,
} from '../contract/keys.ts';
import { edgeRecord, nodeRecords, type StateRecord, stateRecord } from '../contract/records.ts';
import { ConcurrentChange } from '../domain/errors.ts';

type RecordType = keyof typeof nodeRecords;
export type RecordOf<Type extends RecordType> = z.infer<(typeof nodeRecords)[Type]>;

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
  /** Sets fields of a node; fails unless every field of `expect` has one of the values given. */
  | {
      readonly kind: 'update';
      readonly id: string;
      readonly set: Readonly<Record<string, unknown>>;
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
  | { readonly kind: 'hours'; readonly project: string; readonly month: string; readonly hours: number };

/** `conflict`: nothing was written, because the conditions of these writes (by index, repeated mentions and edges left out) did not hold. */
export type WriteOutcome =
  | { readonly written: true }
  | { readonly written: false; readonly conflicts: readonly number[] };

export interface GraphNode {
  readonly id: string;
  readonly type: NodeType;
  readonly fields: Readonly<Record<string, unknown>>;
}
export interface GraphEdge {
  readonly from: string;
  readonly relation: Relation;
  readonly to: string;
}

/** DynamoDB's limit for one transaction. */
export const TRANSACTION_LIMIT = 100;

export type LineageStore = ReturnType<typeof lineageStore>;

export function lineageStore(
  tableName: string,
  client = DynamoDBDocumentClient.from(new DynamoDBClient({}), { marshallOptions: { removeUndefinedValues: true } }),
) {
  async function getItem(key: { pk: string; sk: string }): Promise<Record<string, unknown> | undefined> {
    const { Item } = await client.send(new GetCommand({ TableName: tableName, Key: key, ConsistentRead: true }));
    return Item;
  }

  async function query(
    input: Partial<ConstructorParameters<typeof QueryCommand>[0]>,
    limit = Number.POSITIVE_INFINITY,
  ) {
    const items: Record<string, unknown>[] = [];
    let start: Record<string, unknown> | undefined;
    do {
      const page = await client.send(
        new QueryCommand({ TableName: tableName, ...input, ...(start && { ExclusiveStartKey: start }) }),
      );
      items.push(...(page.Items ?? []));
      start = page.LastEvaluatedKey;
    } while (start && items.length < limit);
    return items.slice(0, limit);
  }

  return {
    /** The record of a node, or undefined when there is none. Strongly consistent. */
    async get<Type extends RecordType>(
      type: Type,
      project: string,
      local: string | number,
    ): Promise<RecordOf<Type> | undefined> {
      const item = await getItem(itemKey.node(nodeId.build(type, project, local)));
      return item && parseRecord(type, item);
    },

    /** @throws when there is no such node: for a step whose predecessor must have written it. */
    async require<Type extends RecordType>(
      type: Type,
      project: string,
      local: string | number,
    ): Promise<RecordOf<Type>> {
      const record = await this.get(type, project, local);
      if (!record) throw new Error(`no ${nodeId.build(type, project, local)} in the lineage table`);
      return record;
    },

    /** Nodes of one type in a project, newest first. */
    async newest<Type extends RecordType>(type: Type, project: string, limit: number): Promise<RecordOf<Type>[]> {
      const items = await query(
        {
          IndexName: table.byType.index,
          KeyConditionExpression: '#list = :list',
          ExpressionAttributeNames: { '#list': table.byType.partitionKey },
          ExpressionAttributeValues: { ':list': listKey(project, type) },
          ScanIndexForward: false,
          Limit: limit,
        },
        limit,
      );
      return items.map((item) => parseRecord(type, item));
    },

    async state(project: string): Promise<StateRecord> {
      const item = await getItem(itemKey.state(project));
      return item ? stateRecord.parse(item) : { revision: 0 };
    },

    /** Training hours used in a month, `2026-11`. */
    async hoursUsed(project: string, month: string): Promise<number> {
      const item = await getItem(itemKey.budget(project, month));
      return typeof item?.hours === 'number' ? item.hours : 0;
    },

    /** All writes or none. */
    async write(all: readonly Write[]): Promise<WriteOutcome> {
      const writes = withoutRepeats(all);
      try {
        await client.send(
          new TransactWriteCommand({
            TransactItems: writes.map((write) => transactItem(tableName, write)),
          }),
        );
        return { written: true };
      } catch (error) {
        if (!(error instanceof TransactionCanceledException)) throw error;
        const codes = (error.CancellationReasons ?? []).map((reason) => reason.Code);
        const conflicts = codes.flatMap((code, index) => (code === 'ConditionalCheckFailed' ? [index] : []));
        if (codes.includes('TransactionConflict')) throw new ConcurrentChange('an item of the lineage table');
        // Throttling, say: not a condition of ours, so Lambda's retry decides.
        if (conflicts.length === 0) throw error;
        return { written: false, conflicts };
      }
    },

    /** Writes an item of its own once: the first caller's fields stay, and every caller gets them. */
    async once(key: { pk: string; sk: string }, fields: Record<string, unknown>, expiresAt?: number) {
      try {
        await client.send(
          new PutCommand({
            TableName: tableName,
            Item: { ...fields, ...key, ...(expiresAt && { [table.timeToLive]: expiresAt }) },
            ConditionExpression: NOT_THERE,
            ExpressionAttributeNames: { '#pk': table.partitionKey },
          }),
        );
        return { first: true, fields } as const;
      } catch (error) {
        if (!(error instanceof Error && error.name === 'ConditionalCheckFailedException')) throw error;
        return { first: false, fields: (await getItem(key)) ?? fields } as const;
      }
    },

    /** Reads one item as it is; undefined when absent. For items that are neither node nor edge nor state. */
    item: getItem,

    /** Items of one partition whose sort key lies between two values, oldest first. */
    async range(partition: string, from: string, to: string): Promise<Record<string, unknown>[]> {
      return query({
        KeyConditionExpression: '#pk = :pk AND #sk BETWEEN :from AND :to',
        ExpressionAttributeNames: { '#pk': table.partitionKey, '#sk': table.sortKey },
        ExpressionAttributeValues: { ':pk': partition, ':from': from, ':to': to },
      });
    },

    /**
     * Replaces an item that is still as it was read: `revision` counts its changes.
     * @returns false when another writer was faster; read again and retry.
     */
    async replace(
      key: { pk: string; sk: string },
      readRevision: number,
      fields: Record<string, unknown>,
      expiresAt?: number,
    ): Promise<boolean> {
      try {
        await client.send(
          new PutCommand({
            TableName: tableName,
            Item: {
              ...fields,
              ...key,
              revision: readRevision + 1,
              ...(expiresAt && { [table.timeToLive]: expiresAt }),
            },
            ...unchangedSince(readRevision),
          }),
        );
        return true;
      } catch (error) {
        if (error instanceof Error && error.name === 'ConditionalCheckFailedException') return false;
        throw error;
      }
    },

    /* ---- The graph ---- */

    async getNode(id: string): Promise<GraphNode | undefined> {
      const item = await getItem(itemKey.node(id));
      return item && graphNode(id, item);
    },

    /** What a node came from. */
    async edgesFrom(id: string): Promise<GraphEdge[]> {
      const items = await query({
        KeyConditionExpression: '#pk = :pk AND begins_with(#sk, :edge)',
        ExpressionAttributeNames: { '#pk': table.partitionKey, '#sk': table.sortKey },
        ExpressionAttributeValues: { ':pk': id, ':edge': 'edge#' },
      });
      return items.map(graphEdge);
    },

    /** What came of a node. Eventually consistent: an index. */
    async edgesTo(id: string): Promise<GraphEdge[]> {
      const items = await query({
        IndexName: table.incoming.index,
        KeyConditionExpression: '#to = :to',
        ExpressionAttributeNames: { '#to': table.incoming.partitionKey },
        ExpressionAttributeValues: { ':to': id },
      });
      return items.map(graphEdge);
    },
  };
}

const NOT_THERE = 'attribute_not_exists(#pk)';

function unchangedSince(revision: number) {
  return revision === 0
    ? { ConditionExpression: NOT_THERE, ExpressionAttributeNames: { '#pk': table.partitionKey } }
    : {
        ConditionExpression: '#revision = :read',
        ExpressionAttributeNames: { '#revision': 'revision' },
        ExpressionAttributeValues: { ':read': revision },
      };
}

/** DynamoDB refuses a transaction that names an item twice; the same mention or edge twice says nothing more. */
function withoutRepeats(writes: readonly Write[]): readonly Write[] {
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

type TransactItem = NonNullable<TransactWriteCommandInput['TransactItems']>[number];

function transactItem(TableName: string, write: Write): TransactItem {
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
    case 'mention': {
      const type = nodeId.parse(write.id)?.type;
      if (!type) throw new Error(`not a node id: ${write.id}`);
      return {
        Put: {
          TableName,
          Item: { ...write.fields, ...itemKey.node(write.id), type, prov: nodeTypes[type], at: write.at },
        },
      };
    }
    case 'edge':
      return {
        Put: {
          TableName,
          Item: {
            ...itemKey.edge(write.from, write.relation, write.to),
            from: write.from,
            relation: write.relation,
            to: write.to,
            at: write.at,
          },
        },
      };
    case 'update':
      return { Update: { TableName, Key: itemKey.node(write.id), ...setFields(write.set, write.expect) } };
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
    case 'hours':
      return {
        Update: {
          TableName,
          Key: itemKey.budget(write.project, write.month),
          UpdateExpression: 'ADD #hours :hours',
          ExpressionAttributeNames: { '#hours': 'hours' },
          ExpressionAttributeValues: { ':hours': write.hours },
        },
      };
  }
}

function setFields(set: Readonly<Record<string, unknown>>, expect: Readonly<Record<string, readonly unknown[]>>) {
  const names: Record<string, string> = {};
  const values: Record<string, unknown> = {};
  const assignments = Object.entries(set)
    .filter(([, value]) => value !== undefined)
    .map(([name, value], index) => {
      names[`#s${index}`] = name;
      values[`:s${index}`] = value;
      return `#s${index} = :s${index}`;
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
    UpdateExpression: `SET ${assignments.join(', ')}`,
    ConditionExpression: conditions.join(' AND '),
    ExpressionAttributeNames: names,
    ExpressionAttributeValues: values,
  };
}

function parseRecord<Type extends RecordType>(type: Type, item: Record<string, unknown>): RecordOf<Type> {
  // The schema is chosen by `type`; TypeScript cannot follow an indexed union that far.
  return nodeRecords[type].parse(item) as RecordOf<Type>;
}

function graphNode(id: string, item: Record<string, unknown>): GraphNode {
  const type = nodeId.parse(id)?.type;
  if (!type) throw new Error(`not a node id: ${id}`);
  const { pk: _pk, sk: _sk, type: _type, list: _list, listOrder: _order, ...fields } = item;
  return { id, type, fields };
}

function graphEdge(item: Record<string, unknown>): GraphEdge {
  const edge = edgeRecord.parse(item);
  const relation = relations.find((each) => each === edge.relation);
  if (!relation) throw new Error(`not a PROV relation: ${edge.relation}`);
  return { from: edge.from, relation, to: edge.to };
}
