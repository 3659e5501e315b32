import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { listResources } from '../../../../local/sagemaker/core/listing.ts';
import { Store } from '../../../../local/sagemaker/core/store.ts';
import { forAll } from '../../../domain/for-all.ts';

const schema = z.looseObject({ CreationTime: z.number(), Status: z.string() });
const scope = { account: '000000000000', region: 'us-east-1' };
let folder: string;

beforeEach(() => {
  mkdirSync('.flywheel/test', { recursive: true });
  folder = mkdtempSync('.flywheel/test/store-');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the store', () => {
  test('a new store finds what an earlier one wrote, changed and deleted', () => {
    const before = new Store(folder).collection('thing', schema);
    const kept = before.create(scope, 'Kept/1', { CreationTime: 1, Status: 'New', Other: [1] }, [
      { Key: 'a', Value: 'b' },
    ]);
    before.update(kept, { Status: 'Changed', Other: undefined });
    before.delete(before.create(scope, 'gone', { CreationTime: 2, Status: 'New' }));
    const store = new Store(folder);
    const after = store.collection('thing', schema);
    expect(after.all()).toHaveLength(1);
    expect(after.get(scope, 'kept/1')).toEqual({
      arn: 'arn:aws:sagemaker:us-east-1:000000000000:thing/kept/1',
      name: 'Kept/1',
      scope,
      tags: [{ Key: 'a', Value: 'b' }],
      description: { CreationTime: 1, Status: 'Changed' },
    });
    expect(store.byArn(kept.arn.toUpperCase())?.name).toBe('Kept/1');
  });

  test('accounts and regions do not see each other', () => {
    const things = new Store(folder).collection('thing', schema);
    things.create(scope, 'one', { CreationTime: 1, Status: 'New' });
    expect(things.get({ ...scope, region: 'eu-west-1' }, 'one')).toBeUndefined();
    expect(things.list({ ...scope, account: '111111111111' })).toEqual([]);
  });

  test('no temporary file is left, and a file that is not a resource is named', () => {
    const things = new Store(folder).collection('thing', schema);
    things.create(scope, 'one', { CreationTime: 1, Status: 'New' });
    const path = join(folder, scope.account, scope.region, 'thing');
    expect(readdirSync(path)).toEqual(['one.json']);
    expect(() => new Store(folder).collection('thing', schema.extend({ Missing: z.string() }))).toThrow('one.json');
  });
});

describe('a Describe that lags', () => {
  test('sees each state late, a new resource at once, and nothing of what was before the lag', async () => {
    const store = new Store(folder);
    const things = store.collection('thing', schema);
    const quiet = things.create(scope, 'quiet', { CreationTime: 1, Status: 'New' });
    expect(things.described(things.update(quiet, { Status: 'Changed' })).description.Status).toBe('Changed');
    store.lagMs = 200;
    const first = things.create(scope, 'one', { CreationTime: 1, Status: 'First' });
    expect(things.described(first).description.Status).toBe('First');
    await delay(250);
    const second = things.update(first, { Status: 'Second' });
    await delay(100);
    const third = things.update(second, { Status: 'Third' });
    expect(things.described(third).description.Status).toBe('First');
    await delay(120);
    expect(things.described(third).description.Status).toBe('Second');
    await delay(120);
    expect(things.described(third).description.Status).toBe('Third');
  });
});

describe('pages of a List operation', () => {
  const listing = (collection: ReturnType<typeof things>) => ({
    collection,
    member: 'Things',
    summary: ({ name }: { name: string }) => ({ name }),
    status: 'Status' as const,
    defaultOrder: 'Ascending' as const,
  });
  const things = () => new Store(mkdtempSync(join(folder, 'list-'))).collection('thing', schema);
  const page = z.object({ Things: z.array(z.object({ name: z.string() })), NextToken: z.string().optional() });

  test('hold every resource once, in order, also when others come and go between pages', () => {
    const created = fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.boolean()), { maxLength: 12 });
    const order = fc.constantFrom('Ascending' as const, 'Descending' as const);
    forAll(
      fc.tuple(created, order, fc.integer({ min: 1, max: 5 }), fc.constantFrom('Name', 'CreationTime', 'Status')),
      ([resources, SortOrder, MaxResults, SortBy]) => {
        const collection = things();
        for (const [index, [CreationTime]] of resources.entries()) {
          collection.create(scope, `thing-${index}`, { CreationTime, Status: CreationTime % 2 ? 'Odd' : 'Even' });
        }
        const seen: string[] = [];
        let NextToken: string | undefined;
        do {
          const answer = page.parse(
            listResources(
              listing(collection),
              { MaxResults, SortBy, SortOrder, ...(NextToken ? { NextToken } : {}) },
              scope,
            ),
          );
          seen.push(...answer.Things.map(({ name }) => name));
          NextToken = answer.NextToken;
          // The item that the token points at goes; the others must neither be hidden nor come twice.
          const last = collection.get(scope, seen.at(-1) ?? '');
          if (last && resources[Number(last.name.slice(6))]?.[1]) collection.delete(last);
        } while (NextToken !== undefined);
        expect(seen.toSorted()).toEqual(resources.map((_, index) => `thing-${index}`).toSorted());
        if (SortBy === 'CreationTime') {
          const times = seen.map((name) => resources[Number(name.slice(6))]?.[0] ?? 0);
          const sorted = times.toSorted((a, b) => (SortOrder === 'Ascending' ? a - b : b - a));
          expect(times).toEqual(sorted);
        }
      },
      { numRuns: 60 },
    );
  });

  test('filters combine', () => {
    const collection = things();
    for (let index = 0; index < 6; index += 1) {
      collection.create(scope, `Thing-${index}`, { CreationTime: index, Status: index % 2 ? 'Odd' : 'Even' });
    }
    const input = { StatusEquals: 'Odd', CreationTimeAfter: 1, NameContains: 'thing' };
    const { Things } = page.parse(listResources(listing(collection), input, scope));
    expect(Things.map(({ name }) => name)).toEqual(['Thing-3', 'Thing-5']);
  });

  test('a token of another order is refused, and not taken for the end', () => {
    const collection = things();
    for (const name of ['a', 'b', 'c']) collection.create(scope, name, { CreationTime: 1, Status: 'New' });
    const { NextToken = '' } = page.parse(listResources(listing(collection), { MaxResults: 1, SortBy: 'Name' }, scope));
    expect(() => listResources(listing(collection), { NextToken, SortBy: 'Status' }, scope)).toThrow(
      'of another order',
    );
    expect(page.parse(listResources(listing(collection), { NextToken, SortBy: 'Name' }, scope)).Things).toHaveLength(2);
  });

  test('a token of nobody is refused', () => {
    expect(() => listResources(listing(things()), { NextToken: 'made-up' }, scope)).toThrow('Invalid NextToken');
  });
});
