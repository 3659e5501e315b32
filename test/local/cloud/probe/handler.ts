import { DeleteItemCommand, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import * as z from 'zod';

const table = process.env.TABLE;
const database = new DynamoDBClient();
const bus = new EventBridgeClient();
const requests = new Map<string, number>();

const incoming = z.object({
  source: z.string().optional(),
  'detail-type': z.string().optional(),
  rawPath: z.string().optional(),
  requestContext: z.unknown().optional(),
  detail: z
    .object({
      object: z.object({ key: z.string(), 'version-id': z.string().optional() }).optional(),
      alarmName: z.string().optional(),
      state: z.object({ value: z.string() }).optional(),
    })
    .optional(),
});

/** Records what it was called with; deletes, which it may not, for a key that starts with `denied/`. */
export async function handler(event: unknown, context: { awsRequestId: string }): Promise<unknown> {
  const { source, detail, rawPath, requestContext, 'detail-type': detailType } = incoming.parse(event);
  requests.set(context.awsRequestId, (requests.get(context.awsRequestId) ?? 0) + 1);
  if (rawPath) return { statusCode: 200, body: JSON.stringify({ rawPath, requestContext }) };
  if (source === 'aws.s3') {
    const key = detail?.object?.key ?? '';
    const item = { pk: { S: 'object' }, sk: { S: key }, version: { S: detail?.object?.['version-id'] ?? 'none' } };
    const processId = { N: String(process.pid) };
    if (key.startsWith('denied/')) {
      await database.send(new DeleteItemCommand({ TableName: table, Key: { pk: item.pk, sk: item.sk } }));
    }
    await database.send(
      new PutItemCommand({ TableName: table, Item: { ...item, processId, at: { N: String(Date.now()) } } }),
    );
    await bus.send(
      new PutEventsCommand({
        Entries: [
          {
            EventBusName: process.env.BUS,
            Source: 'probe',
            DetailType: 'Recorded',
            Detail: JSON.stringify({ object: { key } }),
          },
        ],
      }),
    );
    const metric = { Namespace: 'Probe', Dimensions: [['Project']], Metrics: [{ Name: 'Records', Unit: 'Count' }] };
    const embedded = { _aws: { Timestamp: Date.now(), CloudWatchMetrics: [metric] } };
    console.log(JSON.stringify({ ...embedded, Project: key.split('/')[0], Records: 1 }));
    return;
  }
  const name = detail?.alarmName
    ? `${detail.alarmName} ${detail.state?.value}`
    : (detail?.object?.key ?? detailType ?? 'none');
  await database.send(
    new PutItemCommand({
      TableName: table,
      Item: {
        pk: { S: source ?? 'none' },
        sk: { S: name },
        at: { N: String(Date.now()) },
        event: { S: JSON.stringify(event) },
      },
    }),
  );
}
