/** The time of the server; a test gives its own. */
export interface Clock {
  /** Milliseconds since 1970, UTC. */
  readonly now: () => number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** The API's spelling of a time: seconds since 1970, with milliseconds as the fraction. */
export function epochSeconds(clock: Clock): number {
  return clock.now() / 1000;
}
