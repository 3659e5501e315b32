/** Sketches against the values themselves, and merging: parts in any grouping and order give the profile of the whole. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ColumnSettings } from '../../../lambdas/contract/settings.ts';
import { addDistinct, emptyDistinct, estimateDistinct } from '../../../lambdas/domain/dataset/distinct-sketch.ts';
import { IdTable } from '../../../lambdas/domain/dataset/duplicate-ids.ts';
import {
  CAPACITY,
  countValue,
  type FrequentValues,
  mergeFrequent,
  noValues,
  settled,
} from '../../../lambdas/domain/dataset/frequent-values.ts';
import { Hash64 } from '../../../lambdas/domain/dataset/hash.ts';
import {
  addToProfile,
  emptyColumnProfile,
  mergeProfiles,
  type Profile,
} from '../../../lambdas/domain/dataset/profile.ts';
import { decodeProfile, encodeProfile, summarizeProfile } from '../../../lambdas/domain/dataset/profile-summary.ts';
import {
  addRepeated,
  addToSketch,
  emptySketch,
  LEVEL_SIZE,
  mergeSketches,
  type QuantileSketch,
  quantiles,
  rankError,
  rankedValues,
} from '../../../lambdas/domain/dataset/quantile-sketch.ts';
import type { Value } from '../../../lambdas/domain/dataset/values.ts';
import { generator } from '../drift/samples.ts';
import { forAll } from '../for-all.ts';

const SHARES = [0, 0.01, 0.25, 0.5, 0.75, 0.99, 1];

/** Values in an order that a sketch could find hard. */
const orders: Record<string, (index: number, count: number, random: () => number) => number> = {
  random: (_index, _count, random) => random(),
  ascending: (index) => index,
  descending: (index, count) => count - index,
  'outside in': (index, count) => (index % 2 === 0 ? index : count - index),
  'few different': (index) => index % 7,
  skewed: (_index, _count, random) => 1 / (random() + 1e-9),
};

function sketchOf(values: readonly number[]): QuantileSketch {
  const sketch = emptySketch();
  for (const value of values) addToSketch(sketch, value);
  return sketch;
}

/** Each quantile's rank among the values is within the sketch's own error, and that within the documented bound. */
function expectRanks(sketch: QuantileSketch, values: readonly number[]): void {
  const error = rankError(sketch);
  const levels = Math.max(0, Math.floor(Math.log2(values.length / LEVEL_SIZE)) + 1);
  expect(error).toBeLessThanOrEqual(levels / LEVEL_SIZE);
  expect(sketch.count).toBe(values.length);
  const ranked = rankedValues(sketch);
  expect(ranked.reduce((sum, { weight }) => sum + weight, 0)).toBe(values.length);
  quantiles(ranked, SHARES).forEach((found, index) => {
    const wanted = (SHARES[index] ?? 0) * values.length;
    const below = values.filter((value) => value < found).length;
    const upTo = values.filter((value) => value <= found).length;
    expect(upTo).toBeGreaterThanOrEqual(wanted - error * values.length - 1e-6);
    expect(below).toBeLessThanOrEqual(wanted + error * values.length + 1e-6);
  });
}

describe('quantile sketch', () => {
  test.each(Object.keys(orders))('ranks are within the bound: %s', (name) => {
    const random = generator(11);
    for (const count of [1, 1000, 1024, 5000, 60_000]) {
      const values = Array.from({ length: count }, (_, index) => orders[name]?.(index, count, random) ?? 0);
      expectRanks(sketchOf(values), values);
    }
  });

  test('merges of uneven parts in any tree keep the bound', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 4000 }), { minLength: 2, maxLength: 6 });
    forAll(
      fc.tuple(sizes, fc.integer(), fc.infiniteStream(fc.nat())),
      ([parts, seed, choices]) => {
        const random = generator(seed);
        const values = parts.map((count) => Array.from({ length: count }, () => Math.floor(random() * 1e5)));
        const sketches = values.map(sketchOf);
        while (sketches.length > 1) {
          const [one] = sketches.splice(choices.next().value % sketches.length, 1);
          const [other] = sketches.splice(choices.next().value % sketches.length, 1);
          if (one && other) sketches.push(mergeSketches(one, other));
        }
        const [merged] = sketches;
        if (merged) expectRanks(merged, values.flat());
      },
      { numRuns: 25 },
    );
  });

  test('a value that came often is added at once as it is one by one: by weight', () => {
    const times = fc.array(fc.tuple(fc.integer(), fc.integer({ min: 1, max: 100_000 })), { maxLength: 50 });
    forAll(times, (pairs) => {
      const sketch = emptySketch();
      for (const [value, count] of pairs) addRepeated(sketch, value, count);
      const total = pairs.reduce((sum, [, count]) => sum + count, 0);
      expect(sketch.count).toBe(total);
      expect(rankedValues(sketch).reduce((sum, { weight }) => sum + weight, 0)).toBe(total);
    });
  });
});

describe('distinct values', () => {
  test.each([0, 1, 100, 2000, 12_000, 200_000])('%i of them are estimated within four standard errors', (count) => {
    const sketch = emptyDistinct();
    const hash = new Hash64();
    for (let index = 0; index < 2 * count; index++) {
      hash.start();
      if (count % 3 === 0) hash.addNumber((index % count) / 8);
      else hash.addText(`v${index % count}`);
      hash.finish();
      addDistinct(sketch, hash.high, hash.low);
    }
    expect(Math.abs(estimateDistinct(sketch) - count)).toBeLessThanOrEqual(4 * 0.01625 * count);
  });
});

describe('frequent values', () => {
  /** A few values come often, the others hardly twice. */
  const texts = (seed: number, count: number) => {
    const random = generator(seed);
    return Array.from({ length: count }, () => `v${Math.floor(random() ** 8 * 4000)}`);
  };
  const counted = (values: readonly string[]) => {
    const frequent = noValues();
    for (const value of values) countValue(frequent, value);
    return frequent;
  };
  const expectBound = (frequent: FrequentValues, values: readonly string[]) => {
    const truth = new Map<string, number>();
    for (const value of values) truth.set(value, (truth.get(value) ?? 0) + 1);
    expect(frequent.undercount).toBeLessThanOrEqual(values.length / (CAPACITY + 1));
    for (const [value, count] of truth) {
      const found = frequent.counts.get(value) ?? 0;
      expect(found).toBeLessThanOrEqual(count);
      expect(found).toBeGreaterThanOrEqual(count - frequent.undercount);
    }
  };

  test('counts are short by at most the stated undercount, in one pass and merged', () => {
    const counts = fc.array(fc.nat(6000), { minLength: 1, maxLength: 4 });
    forAll(
      fc.tuple(counts, fc.integer()),
      ([parts, seed]) => {
        const values = parts.map((count, part) => texts(seed + part, count));
        expectBound(settled(counted(values.flat())), values.flat());
        expectBound(values.map((part) => settled(counted(part))).reduce(mergeFrequent), values.flat());
      },
      { numRuns: 25 },
    );
  });

  test('few different values are counted exactly', () => {
    const values = texts(3, 5000).map((text) => text.slice(0, 3));
    expect(settled(counted(values)).undercount).toBe(0);
  });
});

const base = { role: 'feature', nullable: true, pii: false } as const;
const profiled: Record<string, ColumnSettings> = {
  few: { ...base, type: 'integer' },
  many: { ...base, type: 'number' },
  kind: { ...base, type: 'category' },
  id: { ...base, role: 'id', type: 'text' },
};
type Row = readonly (Value | null)[];

function profileOf(rows: readonly Row[]): Profile {
  const columns = new Map(Object.entries(profiled).map(([name, settings]) => [name, emptyColumnProfile(settings)]));
  for (const row of rows) {
    [...columns.values()].forEach((column, index) => {
      addToProfile(column, row[index] ?? null);
    });
  }
  return { rows: rows.length, columns };
}

const row = fc.tuple(
  fc.option(fc.integer({ min: 0, max: 30 })),
  fc.option(fc.double({ min: -1e6, max: 1e6, noNaN: true })),
  fc.option(fc.constantFrom('a', 'b', 'c')),
  fc.option(fc.string({ minLength: 1 })),
);
/** Up to 1200 rows: both sides of the number of different values where a sketch takes over. */
const rowsOf = fc.tuple(fc.array(row, { maxLength: 8 }), fc.nat(400), fc.integer()).map(([some, more, seed]) => {
  const random = generator(seed);
  const others = Array.from({ length: more }, (): Row => [Math.floor(random() * 9), random(), 'a', `${random()}`]);
  return [...some, ...others];
});

/** Everything that merging must keep exactly, and moments to 9 digits. */
function expectSame(merged: Profile, whole: Profile): void {
  const [a, b] = [summarizeProfile(merged), summarizeProfile(whole)];
  expect(a.rows).toBe(b.rows);
  a.columns.forEach((column, index) => {
    const other = b.columns[index];
    const { numbers, ...exact } = column;
    expect(exact).toEqual({ ...other, numbers: undefined });
    if (!numbers || !other?.numbers) {
      expect(numbers).toBe(other?.numbers);
      return;
    }
    expect(numbers.min).toBe(other.numbers.min);
    expect(numbers.max).toBe(other.numbers.max);
    expect(Math.abs(numbers.mean - other.numbers.mean)).toBeLessThanOrEqual(
      1e-9 * (1 + Math.abs(numbers.max - numbers.min)),
    );
    const deviation = other.numbers.standardDeviation;
    expect(Math.abs(numbers.standardDeviation - deviation)).toBeLessThanOrEqual(1e-9 * (1 + deviation));
    // Below LEVEL_SIZE values nothing has been compacted, so that quantiles are exact too.
    if (numbers.rankError === 0 && other.numbers.rankError === 0) {
      expect(numbers.quantiles).toEqual(other.numbers.quantiles);
      expect(numbers.histogram.counts).toEqual(other.numbers.histogram.counts);
    }
  });
}

describe('profiles', () => {
  test('merge in any order and grouping into the profile of all rows', () => {
    forAll(
      fc.tuple(rowsOf, rowsOf, rowsOf),
      ([a, b, c]) => {
        const [pa, pb, pc] = [profileOf(a), profileOf(b), profileOf(c)];
        const whole = profileOf([...a, ...b, ...c]);
        expectSame(mergeProfiles(mergeProfiles(pa, pb), pc), whole);
        expectSame(mergeProfiles(pa, mergeProfiles(pb, pc)), whole);
        expectSame(mergeProfiles(mergeProfiles(pc, pb), pa), whole);
        expectSame(mergeProfiles(profileOf([]), pa), pa);
        expect(summarizeProfile(mergeProfiles(pb, pa)).columns.map(({ distinct }) => distinct)).toEqual(
          summarizeProfile(mergeProfiles(pa, pb)).columns.map(({ distinct }) => distinct),
        );
      },
      { numRuns: 60 },
    );
  });

  test('merging leaves its arguments as they were', () => {
    const [a, b] = [profileOf([[1, 2, 'a', 'x']]), profileOf([[2, 3, 'b', 'y']])];
    const before = [encodeProfile(a), encodeProfile(b)];
    mergeProfiles(a, b);
    expect([encodeProfile(a), encodeProfile(b)]).toEqual(before);
  });

  test('moments are those of the values', () => {
    const rows: Row[] = [2, 4, 4, 4, 5, 5, 7, 9].map((value) => [value, 1e9 + value, 'a', null]);
    const [few, many] = summarizeProfile(profileOf(rows)).columns;
    expect(few?.numbers).toMatchObject({ mean: 5, min: 2, max: 9 });
    expect(few?.numbers?.standardDeviation).toBeCloseTo(Math.sqrt(32 / 7), 12);
    expect(many?.numbers?.standardDeviation).toBeCloseTo(Math.sqrt(32 / 7), 6);
    expect(few?.numbers?.histogram.counts.reduce((sum, count) => sum + count, 0)).toBe(8);
  });

  test('are the same after a way through text', () => {
    forAll(rowsOf, (rows) => {
      const profile = profileOf(rows);
      const copy = decodeProfile(encodeProfile(profile));
      expect(summarizeProfile(copy)).toEqual(summarizeProfile(profile));
      expectSame(mergeProfiles(copy, profileOf([])), profile);
    });
  });

  test('of other columns do not merge', () => {
    const other: Profile = { rows: 0, columns: new Map() };
    expect(() => mergeProfiles(profileOf([]), other)).toThrow(/expected the same columns/);
  });
});

test('the id table finds exactly the ids that came before, with their lines', () => {
  const ids = fc.array(fc.tuple(fc.string({ maxLength: 3 }), fc.string({ maxLength: 3 })), { maxLength: 60 });
  forAll(ids, (pairs) => {
    const table = new IdTable(1000);
    const truth = new Map<string, number>();
    pairs.forEach((pair, index) => {
      const key = JSON.stringify(pair);
      expect(table.seen(pair, index + 1)).toBe(truth.get(key));
      if (!truth.has(key)) truth.set(key, index + 1);
    });
  });
});

test('the id table keeps its answers while it grows', () => {
  const table = new IdTable(100_000);
  for (let id = 1; id <= 50_000; id++) expect(table.seen([`id-${id}`], id)).toBeUndefined();
  for (let id = 1; id <= 50_000; id += 777) expect(table.seen([`id-${id}`], 99)).toBe(id);
  expect(table.isComplete).toBe(true);
});
