/** Every domain event → the journal, which `flywheel status` reads. The same event twice is one entry. */
import { createHash } from 'node:crypto';
import { domainEvents } from '../contract/events.ts';
import { itemKey } from '../contract/keys.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';

const events = Object.values(domainEvents);
type Events = ParsedEvent<(typeof events)[number]>;
interface Services {
  readonly lineage: Pick<LineageStore, 'once'>;
}

/** Journal entries go after this; the lineage itself stays. */
const KEEP_SECONDS = 400 * 24 * 3600;

export const handler = eventHandler({
  name: 'record-event',
  consumes: events,
  services: (environment): Services => ({ lineage: lineageStore(environment.TABLE_NAME) }),
  handle: recordEvent,
});

export async function recordEvent(event: Events, { services }: Context<Services>): Promise<void> {
  const { type: detailType, detail } = event;
  const hash = createHash('sha256').update(JSON.stringify(detail)).digest('hex').slice(0, 12);
  await services.lineage.once(
    itemKey.journal(detail.project, detail.at, detailType, hash),
    { detailType, detail, at: detail.at },
    Math.floor(Date.parse(detail.at) / 1000) + KEEP_SECONDS,
  );
}
