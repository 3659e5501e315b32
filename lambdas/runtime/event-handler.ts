/**
 * The composition root of a function that an event wakes: environment and settings are parsed once, when the first
 * event arrives; each event is parsed by the schema of its type; what the handler throws is logged and thrown on, so
 * that Lambda retries and, in the end, keeps the event in the function's dead-letter queue.
 */
import { Logger } from '@aws-lambda-powertools/logger';
import { en } from 'zod/locales';
import * as z from 'zod/mini';
import { type EnvironmentOf, environments, type FunctionName } from '../contract/env.ts';
import { EVENT_SOURCE } from '../contract/events.ts';
import type { EnvironmentSettings } from '../contract/settings.ts';
import { ConcurrentChange } from '../domain/errors.ts';
import { functionMetrics, type MetricRecorder } from './metrics.ts';
import { eventOfDelivery } from './queue-delivery.ts';
import { readSettings } from './settings.ts';

// zod/mini has no error texts of its own: without these, each issue reads "Invalid input".
z.config(en());

/** What a handler may use; `services` are the stores it asked for. */
export interface Context<Services> {
  readonly settings: EnvironmentSettings;
  readonly services: Services;
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  readonly metrics: MetricRecorder;
  readonly now: () => Date;
}

/** An AWS event or a domain event: source, detail-type and the schema of its detail. */
export interface ConsumedEvent {
  readonly source?: string;
  readonly detailType: string;
  readonly detail: z.ZodMiniType;
}

/** The parsed event, told apart by `type`. */
export type ParsedEvent<E extends ConsumedEvent> = E extends ConsumedEvent
  ? { readonly type: E['detailType']; readonly detail: z.infer<E['detail']> }
  : never;

const envelope = z.object({ id: z.string(), source: z.string(), 'detail-type': z.string(), detail: z.unknown() });

export interface EventFunction<Name extends FunctionName, E extends ConsumedEvent, Services> {
  readonly name: Name;
  readonly consumes: readonly E[];
  readonly services: (environment: EnvironmentOf<Name>) => Services;
  readonly handle: (event: ParsedEvent<E>, context: Context<Services>) => Promise<void>;
}

export function eventHandler<Name extends FunctionName, const E extends ConsumedEvent, Services>(
  definition: EventFunction<Name, E, Services>,
): (event: unknown) => Promise<void> {
  let context: Context<Services> | undefined;
  const log = new Logger({ serviceName: definition.name });
  return async (event) => {
    try {
      context ??= makeContext(definition.name, definition.services, log);
      await settled(definition.handle, parseEvent(definition.consumes, eventOfDelivery(event)), context);
    } catch (error) {
      log.error('the event was not handled', error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  };
}

/** Handles an event again, at once, when another one was faster: Lambda's own retry would wait a minute. */
async function settled<Event, Services>(
  handle: (event: Event, context: Context<Services>) => Promise<void>,
  event: Event,
  context: Context<Services>,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await handle(event, context);
    } catch (error) {
      if (!(error instanceof ConcurrentChange) || attempt === MAXIMUM_ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 50 * attempt));
    }
  }
}

const MAXIMUM_ATTEMPTS = 6;

/** Parses environment and settings, and makes the stores of a function. */
export function makeContext<Name extends FunctionName, Services>(
  name: Name,
  services: (environment: EnvironmentOf<Name>) => Services,
  log: Logger,
): Context<Services> {
  const settings = readSettings();
  return {
    settings,
    services: services(readEnvironment(name)),
    log,
    metrics: functionMetrics(settings.name),
    now: () => new Date(),
  };
}

/** @throws with the name of each variable that is missing or malformed. */
export function readEnvironment<Name extends FunctionName>(name: Name): EnvironmentOf<Name> {
  const parsed = environments[name].safeParse(process.env);
  if (!parsed.success) throw new Error(`environment of ${name}: ${z.prettifyError(parsed.error)}`);
  // The schema was chosen by the very name that the type is; TypeScript cannot follow an indexed union that far.
  return parsed.data as EnvironmentOf<Name>;
}

/** @throws when the event is of no consumed type, or its detail is of another shape. */
export function parseEvent<E extends ConsumedEvent>(consumes: readonly E[], event: unknown): ParsedEvent<E> {
  const { source, 'detail-type': detailType, detail } = envelope.parse(event);
  const definition = consumes.find(
    (each) => each.detailType === detailType && (each.source ?? EVENT_SOURCE) === source,
  );
  if (!definition) {
    const expected = consumes.map((each) => each.detailType).join(', ');
    throw new Error(`got event ${source} ${detailType}, expected one of: ${expected}`);
  }
  const parsed = definition.detail.safeParse(detail);
  if (!parsed.success) throw new Error(`detail of ${detailType}: ${z.prettifyError(parsed.error)}`);
  // `definition` was found by its type and the detail parsed by its schema, which is what ParsedEvent says.
  return { type: detailType, detail: parsed.data } as ParsedEvent<E>;
}
