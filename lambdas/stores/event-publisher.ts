/** Publishes events on the bus `flywheel`. */
import {
  EventBridgeClient,
  PutEventsCommand,
  type PutEventsRequestEntry,
  type PutEventsResultEntry,
} from '@aws-sdk/client-eventbridge';
import type * as z from 'zod/mini';
import { type AnyEventDefinition, EVENT_SOURCE } from '../contract/events.ts';

export interface EventPublisher {
  /** @throws when EventBridge did not take the event: the caller's state is written already, so a retry publishes again. */
  publish<E extends AnyEventDefinition>(definition: E, detail: z.input<E['detail']>): Promise<void>;
  /** @throws after all were tried, when EventBridge did not take some of the events. */
  publishAll<E extends AnyEventDefinition>(definition: E, details: readonly z.input<E['detail']>[]): Promise<void>;
}

/** Entries that PutEvents takes at once (API reference: `Entries` has at most 10 members). */
const MOST_ENTRIES = 10;

export function eventPublisher(busName: string, client = new EventBridgeClient({})): EventPublisher {
  const entryOf = <E extends AnyEventDefinition>(definition: E, detail: z.input<E['detail']>) => ({
    EventBusName: busName,
    Source: definition.source ?? EVENT_SOURCE,
    DetailType: definition.detailType,
    Detail: JSON.stringify(definition.detail.parse(detail)),
  });
  async function put(all: readonly PutEventsRequestEntry[]): Promise<void> {
    const refused: PutEventsResultEntry[] = [];
    for (let start = 0; start < all.length; start += MOST_ENTRIES) {
      const { Entries = [] } = await client.send(
        new PutEventsCommand({ Entries: all.slice(start, start + MOST_ENTRIES) }),
      );
      refused.push(...Entries.filter((entry) => entry.ErrorCode));
    }
    const [first] = refused;
    if (first)
      throw new Error(
        `${all[0]?.DetailType} not published (${refused.length} of ${all.length}): ${first.ErrorCode} ${first.ErrorMessage}`,
      );
  }
  return {
    publish: (definition, detail) => put([entryOf(definition, detail)]),
    publishAll: (definition, details) => put(details.map((detail) => entryOf(definition, detail))),
  };
}
