import * as z from 'zod';
import type { Scope } from './arn.ts';
import { validationException } from './errors.ts';
import type { Fields } from './fields.ts';
import type { Collection, Resource } from './store.ts';

/** The members that SageMaker's List operations share; a family that lacks one never gets it, for the service model has no such member. */
export const listInput = z.looseObject({
  NextToken: z.string().optional(),
  MaxResults: z.number().int().optional(),
  NameContains: z.string().optional(),
  StatusEquals: z.string().optional(),
  CreationTimeAfter: z.number().optional(),
  CreationTimeBefore: z.number().optional(),
  LastModifiedTimeAfter: z.number().optional(),
  LastModifiedTimeBefore: z.number().optional(),
  SortBy: z.string().optional(),
  SortOrder: z.enum(['Ascending', 'Descending']).optional(),
});

export type ListInput = z.infer<typeof listInput>;

export interface Listing<D extends Fields> {
  readonly collection: Collection<D>;
  /** Member of the answer that holds the page, for example `TrainingJobSummaries`. */
  readonly member: string;
  readonly summary: (resource: Resource<D>) => Fields;
  /** Member of the description that StatusEquals and SortBy Status mean. @default the family has no status */
  readonly status?: keyof D & string;
  readonly defaultOrder: 'Ascending' | 'Descending';
  /** Filters beyond the shared ones. @default none */
  readonly accepts?: (resource: Resource<D>) => boolean;
}

const pageSize = 10;
/** The value sorted by, the ARN, and the order that they are a place in. */
const position = z.tuple([z.union([z.string(), z.number()]), z.string(), z.string()]);
type Position = z.infer<typeof position>;

/**
 * One page of a List operation. A token holds the place of the last item in the sort order, not a count, so that
 * resources made or deleted between two pages neither hide nor repeat others.
 */
export function listResources<D extends Fields>(listing: Listing<D>, input: ListInput, scope: Scope): Fields {
  const direction = (input.SortOrder ?? listing.defaultOrder) === 'Ascending' ? 1 : -1;
  const order = `${input.SortBy ?? 'CreationTime'} ${direction}`;
  const placeOf = (resource: Resource<D>): Position => [
    sortValue(listing, input.SortBy, resource),
    resource.arn,
    order,
  ];
  const after = input.NextToken === undefined ? undefined : readToken(input.NextToken);
  // A place in one order says nothing in another.
  if (after !== undefined && after[2] !== order)
    throw validationException('Invalid NextToken: it is of another order.');
  const found = listing.collection
    .list(scope)
    .filter((resource) => accepts(listing, input, resource))
    .map((resource) => ({ resource, place: placeOf(resource) }))
    .filter(({ place }) => after === undefined || compare(place, after) * direction > 0)
    .sort((a, b) => compare(a.place, b.place) * direction);
  const page = found.slice(0, input.MaxResults ?? pageSize);
  const last = page.at(-1);
  return {
    [listing.member]: page.map(({ resource }) => listing.summary(resource)),
    ...(last && page.length < found.length ? { NextToken: writeToken(last.place) } : {}),
  };
}

function accepts<D extends Fields>(listing: Listing<D>, input: ListInput, resource: Resource<D>): boolean {
  const { description } = resource;
  const within = (time: unknown, after: number | undefined, before: number | undefined) =>
    typeof time !== 'number' || ((after === undefined || time > after) && (before === undefined || time < before));
  return (
    (input.NameContains === undefined || resource.name.toLowerCase().includes(input.NameContains.toLowerCase())) &&
    (input.StatusEquals === undefined || (listing.status && description[listing.status]) === input.StatusEquals) &&
    within(description.CreationTime, input.CreationTimeAfter, input.CreationTimeBefore) &&
    within(description.LastModifiedTime, input.LastModifiedTimeAfter, input.LastModifiedTimeBefore) &&
    (listing.accepts?.(resource) ?? true)
  );
}

function sortValue<D extends Fields>(
  listing: Listing<D>,
  by: string | undefined,
  resource: Resource<D>,
): string | number {
  if (by === 'Name') return resource.name;
  const member = by === 'Status' ? listing.status : (by ?? 'CreationTime');
  const value = member === undefined ? undefined : resource.description[member];
  return typeof value === 'string' || typeof value === 'number' ? value : 0;
}

function compare(a: Position, b: Position): number {
  if (a[0] !== b[0]) return a[0] < b[0] ? -1 : 1;
  return a[1] === b[1] ? 0 : a[1] < b[1] ? -1 : 1;
}

/** A token that holds a place; opaque for clients. */
export function writeToken(place: Position): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

export function readToken(token: string): Position {
  try {
    return position.parse(JSON.parse(Buffer.from(token, 'base64url').toString()));
  } catch {
    throw validationException('Invalid NextToken: got a token that no List operation of this server has given.');
  }
}
