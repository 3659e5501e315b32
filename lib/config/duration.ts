/** Lengths of time in configuration: `minutes(5)` cannot be mistaken for five of another unit. */
import * as z from 'zod';

export interface Duration {
  readonly seconds: number;
}

export const seconds = (count: number): Duration => ({ seconds: count });
export const minutes = (count: number): Duration => seconds(count * 60);
export const hours = (count: number): Duration => minutes(count * 60);
export const days = (count: number): Duration => hours(count * 24);

/** The schema of a duration, which comes out as whole seconds. */
export function duration(limits: { readonly atLeast?: Duration; readonly atMost?: Duration } = {}) {
  const { atLeast = seconds(0), atMost = days(365) } = limits;
  return z
    .object({ seconds: z.int() }, { error: 'expected a duration such as minutes(5)' })
    .refine((given) => given.seconds >= atLeast.seconds && given.seconds <= atMost.seconds, {
      error: `expected ${atLeast.seconds} to ${atMost.seconds} seconds`,
    })
    .transform((given) => given.seconds);
}
