/** What a handler gets, with real stores and a recorder of what it measured. */
import type { AnyEventDefinition } from '../../lambdas/contract/events.ts';
import type { EnvironmentSettings } from '../../lambdas/contract/settings.ts';
import type { Context } from '../../lambdas/runtime/event-handler.ts';
import type { EventPublisher } from '../../lambdas/stores/event-publisher.ts';
import { environmentSettings } from './project.ts';

export interface RecordedMetric {
  readonly project: string | null;
  readonly name: string;
  readonly value: number;
}

export function handlerContext<Services>(
  services: Services,
  options: { readonly settings?: EnvironmentSettings; readonly now?: Date } = {},
): Context<Services> & { readonly recorded: readonly RecordedMetric[] } {
  const recorded: RecordedMetric[] = [];
  const silent = () => {};
  return {
    settings: options.settings ?? environmentSettings(),
    services,
    log: { info: silent, warn: silent, error: silent },
    metrics: { record: (project, name, value) => recorded.push({ project, name, value }) },
    now: () => options.now ?? new Date('2026-11-24T12:00:00.000Z'),
    recorded,
  };
}

/** A publisher whose process dies instead of publishing, the first time it is called. */
export function dyingPublisher(publisher: EventPublisher): EventPublisher {
  let died = false;
  return {
    async publish<E extends AnyEventDefinition>(definition: E, detail: Parameters<typeof publisher.publish<E>>[1]) {
      if (!died) {
        died = true;
        throw new Error('killed between write and publish');
      }
      return publisher.publish(definition, detail);
    },
    publishAll: (definition, details) => publisher.publishAll(definition, details),
  };
}
