/** The journal of a project: every domain event, as `record-event` wrote it. */
import { journalRecord } from '../lambdas/contract/records.ts';
import type { lineageStore } from '../lambdas/stores/lineage-store.ts';

export interface JournalEntry {
  readonly type: string;
  readonly at: string;
  readonly detail: Readonly<Record<string, unknown>>;
  /** Sort key: names the entry. */
  readonly key: string;
}

type Store = Pick<ReturnType<typeof lineageStore>, 'range'>;

/** Entries from a time on, oldest first. */
export async function readJournal(store: Store, project: string, since: string): Promise<JournalEntry[]> {
  // '~' sorts after every digit: the end of the partition.
  const items = await store.range(`journal/${project}`, since, '~');
  return items.map((item) => {
    const { detailType, detail, at } = journalRecord.parse(item);
    return { type: detailType, at, detail, key: String(item.sk) };
  });
}

const POLL_MILLISECONDS = 150;

export interface Wait {
  readonly since: string;
  readonly timeoutMs: number;
  /** Ends the wait early. */
  readonly signal?: AbortSignal;
}

/**
 * Yields entries as they are written, each once. An entry may be written after one that happened later, so each look
 * reads from `since` again: a journal of minutes is one page.
 */
export async function* followJournal(store: Store, project: string, { since, timeoutMs, signal }: Wait) {
  const seen = new Set<string>();
  const deadline = performance.now() + timeoutMs;
  do {
    for (const entry of await readJournal(store, project, since)) {
      if (seen.has(entry.key)) continue;
      seen.add(entry.key);
      yield entry;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
  } while (performance.now() < deadline && !signal?.aborted);
}

/** The first entry that satisfies `wanted`; undefined when the time is over. */
export async function waitForEntry(
  store: Store,
  project: string,
  wait: Wait,
  wanted: (entry: JournalEntry) => boolean,
): Promise<JournalEntry | undefined> {
  for await (const entry of followJournal(store, project, wait)) if (wanted(entry)) return entry;
  return undefined;
}
