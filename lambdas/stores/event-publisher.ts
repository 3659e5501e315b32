/** Publishes domain events on the bus `flywheel`. */
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import type * as z from 'zod/mini';
import { type AnyEventDefinition, EVENT_SOURCE } from '../contract/events.ts';

export interface EventPublisher {
  /** @throws when EventBridge did not take the event: the caller's state is written already, so a retry publishes again. */
  publish<E extends AnyEventDefinition>(definition: E, detail: z.input<E['detail']>): Promise<void>;
}

export function eventPublisher(busName: string, client = new EventBridgeClient({})): EventPublisher {
  return {
    async publish(definition, detail) {
      const { Entries: [entry] = [] } = await client.send(
        new PutEventsCommand({
          Entries: [
            {
              EventBusName: busName,
              Source: EVENT_SOURCE,
              DetailType: definition.detailType,
              Detail: JSON.stringify(definition.detail.parse(detail)),
            },
          ],
        }),
      );
      if (entry?.ErrorCode)
        throw new Error(`${definition.detailType} not published: ${entry.ErrorCode} ${entry.ErrorMessage}`);
    },
  };
}
