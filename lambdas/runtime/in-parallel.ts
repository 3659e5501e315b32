/** Requests under way at the same time, where there may be thousands: an SDK client has fifty connections. */
const REQUESTS_AT_ONCE = 50;

/** Fifty at a time; the results in the order of what was given. The first failure ends it. */
export async function inParallel<T, R>(all: readonly T[], work: (each: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let start = 0; start < all.length; start += REQUESTS_AT_ONCE)
    done.push(...(await Promise.all(all.slice(start, start + REQUESTS_AT_ONCE).map(work))));
  return done;
}
