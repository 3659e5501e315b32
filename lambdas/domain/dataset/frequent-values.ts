/**
 * The texts that come most often, with counts: the mergeable summary of Misra and Gries
 * (https://www.cs.utah.edu/~jeffp/papers/merge-summ.pdf). With at most CAPACITY different values the counts are exact.
 * With more, a count is too small by at most `undercount`, which is at most n / (CAPACITY + 1), 0.4 % of all values; a
 * value that comes more often than that is always there. The bound holds after any merges.
 */
export const CAPACITY = 256;

export interface FrequentValues {
  readonly counts: Map<string, number>;
  /** How much the counts may be too small; 0: they are exact, and no value is left out. */
  undercount: number;
}

export const noValues = (): FrequentValues => ({ counts: new Map(), undercount: 0 });

/** Returns true when the value was counted here already. */
export function countValue(values: FrequentValues, value: string): boolean {
  const count = values.counts.get(value);
  if (count !== undefined) {
    values.counts.set(value, count + 1);
    return true;
  }
  values.counts.set(detached(value), 1);
  // Twice the capacity: the costly step comes once in CAPACITY new values.
  if (values.counts.size > 2 * CAPACITY) prune(values);
  return false;
}

/** At most CAPACITY values, which is what is kept and merged. */
export function settled(values: FrequentValues): FrequentValues {
  const copy = { counts: new Map(values.counts), undercount: values.undercount };
  if (copy.counts.size > CAPACITY) prune(copy);
  return copy;
}

export function mergeFrequent(a: FrequentValues, b: FrequentValues): FrequentValues {
  const merged = { counts: new Map(a.counts), undercount: a.undercount + b.undercount };
  for (const [value, count] of b.counts) merged.counts.set(value, (merged.counts.get(value) ?? 0) + count);
  if (merged.counts.size > CAPACITY) prune(merged);
  return merged;
}

/** Most frequent first; equal counts in the order of the values. */
export function mostFrequent<T extends string | number>(
  counts: ReadonlyMap<T, number>,
  limit: number,
): { value: T; count: number }[] {
  return [...counts]
    .map(([value, count]) => ({ value, count }))
    .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
    .slice(0, limit);
}

/** Takes the count of the (CAPACITY + 1)th value from all: at least that many values pay for each unit of the error. */
function prune(values: FrequentValues): void {
  const descending = [...values.counts.values()].sort((a, b) => b - a);
  const cut = descending[CAPACITY] ?? 0;
  values.undercount += cut;
  for (const [value, count] of values.counts) {
    if (count > cut) values.counts.set(value, count - cut);
    else values.counts.delete(value);
  }
}

/** A copy of its own: a text cut out of a block of the file would keep the whole block in memory. */
function detached(text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le');
}
