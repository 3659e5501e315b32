/** The bus of domain events, with an archive from which they can be replayed. */
import { Duration } from 'aws-cdk-lib';
import { EventBus } from 'aws-cdk-lib/aws-events';
import { Construct } from 'constructs';
import { EVENT_SOURCE } from '../../lambdas/contract/events.ts';
import { Access } from './access.ts';

const ARCHIVE_DAYS = 90;

export class DomainBus extends Construct {
  /** Encrypted with EventBridge's own key: events name things and carry counts, never a value of a data row. */
  readonly bus: EventBus;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    const bus = new EventBus(this, 'Bus', { description: 'Flywheel: domain events' });
    bus.archive('Archive', {
      description: 'Flywheel: domain events, for replay',
      eventPattern: { source: [EVENT_SOURCE] },
      retention: Duration.days(ARCHIVE_DAYS),
    });
    this.bus = bus;
  }

  publish(): Access<{ EVENT_BUS_NAME: string }> {
    return new Access({ EVENT_BUS_NAME: this.bus.eventBusName }, [
      { actions: ['events:PutEvents'], resources: [this.bus.eventBusArn] },
    ]);
  }
}
