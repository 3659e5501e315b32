import * as z from 'zod';
import type { Scope } from '../core/arn.ts';

/** The Tags member of every Create request. */
export const tagList = z.array(z.object({ Key: z.string(), Value: z.string() }));

/** Account and region of a request, and nothing else of it, as a resource keeps them. */
export function scopeOf({ account, region }: Scope): Scope {
  return { account, region };
}
