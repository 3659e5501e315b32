/**
 * Demands of people: recorded by the function behind the API that knows who asks, believed by the function that acts on
 * them. An event, or a call of a function, that says a person demanded something is worth nothing without the record.
 */
import { isDeepStrictEqual } from 'node:util';
import type * as z from 'zod/mini';
import { ARCHIVE_DAYS, type EventDefinition } from '../../contract/events.ts';
import { itemKey } from '../../contract/keys.ts';
import { demandRecord } from '../../contract/records.ts';
import { HttpProblem } from '../../runtime/http-handler.ts';
import type { EventPublisher } from '../../stores/event-publisher.ts';
import type { LineageStore } from '../../stores/lineage-store.ts';

interface DemandDetail {
  readonly project: string;
  readonly at: string;
  readonly demandId: string;
}

/** The event that a demand is published as. */
type DemandEvent<Detail> = EventDefinition<string, z.ZodMiniType<Detail, Detail>>;

const KEEP_SECONDS = ARCHIVE_DAYS * 24 * 3600;

/**
 * Records a demand once and publishes it as it is recorded: the same demand again is the same event to the letter.
 * @returns when it was made first
 * @throws HttpProblem 409 when the id stands for another demand
 */
export async function publishDemand<Detail extends DemandDetail>(
  definition: DemandEvent<Detail>,
  detail: Detail,
  { lineage, events }: { readonly lineage: Pick<LineageStore, 'once'>; readonly events: EventPublisher },
): Promise<string> {
  const key = itemKey.demand(definition.detailType, detail.project, detail.demandId);
  const expiresAt = Math.floor(Date.parse(detail.at) / 1000) + KEEP_SECONDS;
  const { fields } = await lineage.once(key, { detail }, expiresAt);
  const recorded = demandRecord.parse(fields).detail;
  const { at } = recorded;
  if (typeof at !== 'string' || !isDeepStrictEqual(recorded, { ...detail, at }))
    throw new HttpProblem(409, 'the idempotency key stands for another demand of yours: take a new one');
  await events.publish(definition, { ...detail, at });
  return at;
}

/** The demand that an event tells of; undefined when nobody made it. */
export async function recordedDemand<Detail extends DemandDetail>(
  definition: DemandEvent<Detail>,
  { project, demandId }: Pick<DemandDetail, 'project' | 'demandId'>,
  lineage: Pick<LineageStore, 'item'>,
): Promise<Detail | undefined> {
  const item = await lineage.item(itemKey.demand(definition.detailType, project, demandId));
  return item && definition.detail.parse(demandRecord.parse(item).detail);
}
