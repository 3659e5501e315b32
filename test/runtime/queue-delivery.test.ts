/** An event is the same whether EventBridge, a queue or a redrive hands it over. */
import { describe, expect, it } from 'vitest';
import { eventOfDelivery } from '../../lambdas/runtime/queue-delivery.ts';

const event = { id: '1', source: 'aws.s3', 'detail-type': 'Object Created', detail: { bucket: { name: 'raw' } } };
const record = { eventSource: 'aws:sqs', messageId: 'm', body: JSON.stringify(event) };

describe('eventOfDelivery', () => {
  it('takes the event out of the one message of a delivery', () => {
    expect(eventOfDelivery({ Records: [record] })).toEqual(event);
  });

  it('leaves every other event as it is', () => {
    for (const other of [event, { Records: [] }, { Records: [record, record] }, undefined])
      expect(eventOfDelivery(other)).toBe(other);
  });

  it('throws for a message that holds no JSON', () => {
    expect(() => eventOfDelivery({ Records: [{ ...record, body: '{' }] })).toThrow(SyntaxError);
  });
});
