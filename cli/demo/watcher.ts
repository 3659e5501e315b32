/** Watches the journal during the demo: tells each event as it occurs, and lets a step wait for the one it needs. */
import { setTimeout as pause } from 'node:timers/promises';
import type * as z from 'zod/mini';
import type { AnyEventDefinition } from '../../lambdas/contract/events.ts';
import { followJournal, type JournalEntry } from '../journal.ts';

type Store = Parameters<typeof followJournal>[0];

export interface Watcher {
  readonly events: readonly JournalEntry[];
  /**
   * The first event of a kind that was not there before, or is already.
   * @param what for the message: 'the first model in service'
   * @throws StepFailed when the time is over, or an event came that ends all hope
   */
  until<Detail>(event: EventOf<Detail>, what: string, options?: UntilOptions<Detail>): Promise<Detail>;
  stop(): Promise<void>;
}

interface EventOf<Detail> {
  readonly detailType: string;
  readonly detail: z.ZodMiniType<Detail>;
}

interface UntilOptions<Detail> {
  readonly matches?: (detail: Detail) => boolean;
  /** Only events later than this many were seen. */
  readonly after?: number;
  /** Events that end the wait, for example ModelRejected while waiting for ModelDeployed. */
  readonly unless?: readonly AnyEventDefinition[];
  /** @default 90 */
  readonly seconds?: number;
}

export class StepFailed extends Error {}

const LOOK_MS = 20;
const LONGER_THAN_ANY_DEMO_MS = 3600_000;

export function watch(store: Store, project: string, since: string, tell: (entry: JournalEntry) => void): Watcher {
  const events: JournalEntry[] = [];
  const stopping = new AbortController();
  let broken: unknown;
  const following = (async () => {
    const wait = { since, timeoutMs: LONGER_THAN_ANY_DEMO_MS, signal: stopping.signal };
    for await (const entry of followJournal(store, project, wait)) {
      events.push(entry);
      tell(entry);
    }
  })().catch((error: unknown) => {
    broken = error;
  });

  return {
    events,
    async until(event, what, { matches = () => true, after = 0, unless = [], seconds = 90 } = {}) {
      const deadline = performance.now() + seconds * 1000;
      const fatal = new Set(unless.map((each) => each.detailType));
      for (let position = after; ; ) {
        if (broken) throw broken;
        for (; position < events.length; position += 1) {
          const entry = events[position];
          if (!entry) continue;
          if (fatal.has(entry.type)) throw new StepFailed(`Waited for ${what}, but ${entry.type} came.`);
          if (entry.type !== event.detailType) continue;
          const detail = event.detail.parse(entry.detail);
          if (matches(detail)) return detail;
        }
        if (performance.now() > deadline)
          throw new StepFailed(`Waited ${seconds} s for ${what} (${event.detailType}).`);
        await pause(LOOK_MS);
      }
    },
    async stop() {
      stopping.abort();
      await following;
    },
  };
}
