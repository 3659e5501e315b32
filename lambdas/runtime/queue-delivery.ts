/** Events that reach a function through a queue: SQS hands them over in an envelope of its own, one at a time. */
import * as z from 'zod/mini';

const delivery = z.object({
  Records: z.tuple([z.object({ eventSource: z.literal('aws:sqs'), body: z.string() })]),
});

/** The event of a delivery; every other event as it is (`flywheel redrive` hands events over without an envelope). */
export function eventOfDelivery(event: unknown): unknown {
  const parsed = delivery.safeParse(event);
  return parsed.success ? JSON.parse(parsed.data.Records[0].body) : event;
}
