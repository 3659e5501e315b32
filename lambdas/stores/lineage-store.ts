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
} from '@aws-sdk/lib-dynamodb';
import * as z from 'zod/mini';
import { itemKey, listKey, type NodeType, nodeId, type Relation, relations, table } from '../contract/keys.ts';
import { edgeRecord, nodeRecords, type StateRecord, stateRecord } from '../contract/records.ts';
import { ConcurrentChange } from '../domain/errors.ts';
import { inParallel } from '../runtime/in-parallel.ts';
import {
  type Fact,
  factItem,
  NOT_THERE,
  type RecordType,
  transactItem,
  unchangedSince,
  type Write,
  type WriteOutcome,
  withoutRepeats,
} from './lineage-writes.ts';

export type RecordOf<Type extends RecordType> = z.infer<(typeof nodeRecords)[Type]>;

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

const budgetItem = z.object({ hours: z._default(z.number(), 0), reserved: z._default(z.number(), 0) });

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

    /** Hours of instances in a month, `2026-11`: used by jobs that have ended, and held back for those under way. */
    async budget(project: string, month: string): Promise<{ readonly hours: number; readonly reserved: number }> {
      const item = await getItem(itemKey.budget(project, month));
      return budgetItem.parse(item ?? {});
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

    /** Writes facts, each by itself: a repeat writes the same again, and a failure leaves some of them written. */
    async note(facts: readonly Fact[]): Promise<void> {
      await inParallel(facts, (fact) => client.send(new PutCommand({ TableName: tableName, Item: factItem(fact) })));
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

    /** Items of one partition whose sort key lies between two values, oldest first, at most `limit`. Strongly consistent. */
    async range(partition: string, from: string, to: string, limit?: number): Promise<Record<string, unknown>[]> {
      const input = {
        ConsistentRead: true,
        KeyConditionExpression: '#pk = :pk AND #sk BETWEEN :from AND :to',
        ExpressionAttributeNames: { '#pk': table.partitionKey, '#sk': table.sortKey },
        ExpressionAttributeValues: { ':pk': partition, ':from': from, ':to': to },
      };
      return limit === undefined ? query(input) : query({ ...input, Limit: limit }, limit);
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
