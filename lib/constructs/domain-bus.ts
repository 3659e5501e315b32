/** The bus of domain events: only this environment's functions may publish on it. With an archive, for replay. */
import { CfnResource, Duration, Stack } from 'aws-cdk-lib';
import { EventBus } from 'aws-cdk-lib/aws-events';
import { AnyPrincipal, Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { ARCHIVE_DAYS, EVENT_SOURCE } from '../../lambdas/contract/events.ts';
import { Access, type Permission } from './access.ts';
import { functionPath } from './function-path.ts';

/** A domain event, or the event of a schedule that a function divides. */
interface PublishedEvent {
  /** @default - the source of domain events */
  readonly source?: string;
  readonly detailType: string;
}

export class DomainBus extends Construct {
  /** Encrypted with EventBridge's own key: events name things and carry counts, never a value of a data row. */
  readonly bus: EventBus;

  /** @param environment its name */
  constructor(scope: Construct, id: string, { environment }: { readonly environment: string }) {
    super(scope, id);
    const bus = new EventBus(this, 'Bus', { description: 'Flywheel: domain events' });
    // By its plain type: where cdk-nag meets CDK's own construct, it reads a property that CDK warns of at each synthesis.
    new CfnResource(this, 'Policy', {
      type: 'AWS::Events::EventBusPolicy',
      properties: {
        EventBusName: bus.eventBusName,
        StatementId: 'OnlyFunctionsPublish',
        Statement: this.#denyAllButFunctions(bus, environment).toStatementJson(),
      },
    });
    bus.archive('Archive', {
      description: 'Flywheel: domain events, for replay',
      eventPattern: { source: [EVENT_SOURCE] },
      retention: Duration.days(ARCHIVE_DAYS),
    });
    this.bus = bus;
  }

  /**
   * A function may publish the events that it is for, no others: whoever takes `predict` over cannot approve a model.
   * PutEvents has both condition keys (Service Authorization Reference, EventBridge).
   */
  publish(...events: readonly [PublishedEvent, ...PublishedEvent[]]): Access<{ EVENT_BUS_NAME: string }> {
    const sourceOf = ({ source = EVENT_SOURCE }: PublishedEvent) => source;
    const permissions = [...new Set(events.map(sourceOf))].map((source): Permission => {
      const types = events.filter((event) => sourceOf(event) === source).map((event) => event.detailType);
      return {
        actions: ['events:PutEvents'],
        resources: [this.bus.eventBusArn],
        conditions: { StringEquals: { 'events:source': source, 'events:detail-type': types } },
      };
    });
    return new Access({ EVENT_BUS_NAME: this.bus.eventBusName }, permissions);
  }

  /**
   * Handlers believe an event's `decidedBy`, `requestedBy` and numbers, so nobody else may send one, whatever their own
   * policies allow: a Deny of the resource's policy binds every principal of the account. `aws:PrincipalArn` of a
   * function is the ARN of its role with the path, not of the session (IAM User Guide, global condition keys).
   * EventBridge's own deliveries and replays are no caller's PutEvents; were they checked as an AWS service's, the second
   * condition leaves them out.
   */
  #denyAllButFunctions(bus: EventBus, environment: string): PolicyStatement {
    const resourceName = `${functionPath(environment).slice(1)}*`;
    const functions = Stack.of(this).formatArn({ service: 'iam', region: '', resource: 'role', resourceName });
    return new PolicyStatement({
      effect: Effect.DENY,
      principals: [new AnyPrincipal()],
      actions: ['events:PutEvents'],
      resources: [bus.eventBusArn],
      conditions: {
        ArnNotLike: { 'aws:PrincipalArn': functions },
        BoolIfExists: { 'aws:PrincipalIsAWSService': 'false' },
      },
    });
  }
}
