/** Every domain event, written down in the order it came: what `flywheel status` and the console show. */
import { Construct } from 'constructs';
import { domainEvents } from '../../lambdas/contract/events.ts';
import { itemKey } from '../../lambdas/contract/keys.ts';
import { EventFunction } from './event-function.ts';
import { EventRoute } from './event-route.ts';
import type { Platform } from './platform.ts';

export class Journal extends Construct {
  readonly functions: readonly EventFunction[];

  constructor(scope: Construct, id: string, { platform }: { readonly platform: Platform }) {
    super(scope, id);
    const record = new EventFunction(this, 'Record', {
      name: 'record-event',
      description: 'writes the journal of domain events',
      platform,
      access: platform.table.readAndPut(itemKey.partitions.journal),
    });
    new EventRoute(this, 'Everything', { bus: platform.bus.bus, events: Object.values(domainEvents), to: record });
    this.functions = [record];
  }
}
