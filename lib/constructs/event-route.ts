/** From events to the function that they wake: a rule, with the events of the contract as its pattern. */
import { Duration } from 'aws-cdk-lib';
import { type EventBus, type EventPattern, Rule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { Construct } from 'constructs';
import { EVENT_SOURCE } from '../../lambdas/contract/events.ts';
import type { EventFunction } from './event-function.ts';

/** A domain event or an AWS event of the contract. */
interface RoutedEvent {
  /** @default - the source of domain events */
  readonly source?: string;
  readonly detailType: string;
}

/**
 * How often and how long EventBridge tries to hand an event over: its own default of attempts. They are made only while the
 * target's API is throttled or away; what a function does with the event is retried by Lambda.
 */
export const DELIVERY_RETRIES = 185;
export const LONGEST_DELIVERY = Duration.hours(6);

export interface EventRouteProps {
  /** @default - the account's default bus, where the events of AWS arrive */
  readonly bus?: EventBus;
  /** All of one source. */
  readonly events: readonly RoutedEvent[];
  /**
   * Narrows the details, as in an event pattern.
   * @default - every detail
   */
  readonly detail?: EventPattern['detail'];
  readonly to: EventFunction;
}

export class EventRoute extends Construct {
  constructor(scope: Construct, id: string, props: EventRouteProps) {
    super(scope, id);
    const { bus, to } = props;
    if (!to.deadLetters)
      throw new Error(`${to.node.path}: got a route to a synchronous function, expected one that events wake`);
    new Rule(this, 'Rule', {
      ...(bus && { eventBus: bus }),
      description: `Flywheel: wakes ${to.name}`,
      eventPattern: patternOf(props),
      targets: [
        new LambdaFunction(to.function, {
          deadLetterQueue: to.deadLetters,
          retryAttempts: DELIVERY_RETRIES,
          maxEventAge: LONGEST_DELIVERY,
        }),
      ],
    });
  }
}

function patternOf({ events, detail }: EventRouteProps): EventPattern {
  const sources = new Set(events.map((event) => event.source ?? EVENT_SOURCE));
  if (sources.size !== 1) throw new Error(`got events of ${sources.size} sources in a route, expected one`);
  return {
    source: [...sources],
    detailType: events.map((event) => event.detailType),
    ...(detail && { detail }),
  };
}
