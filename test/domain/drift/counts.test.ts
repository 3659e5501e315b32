import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  baselineCounts,
  countRows,
  decodeCounts,
  emptyCounts,
  encodeCounts,
  mergeCounts,
} from '../../../lambdas/domain/drift/counts.ts';
import { forAll } from '../for-all.ts';
import { anyBaseline, anyCounts, anyTraffic, baselineOf, categorical, numeric } from './samples.ts';

const flights = baselineOf(
  [numeric('temperature', [0, 10, 20], [4, 3, 2, 1], 1), categorical('carrier', ['UA', 'B6'], [6, 4], 1)],
  numeric('probability', [0.5], [8, 3]),
);
const label = baselineOf([], categorical('class', ['late', 'early'], [1, 1]));

const traffic = anyBaseline.chain((baseline) => anyTraffic(baseline).map((rows) => ({ baseline, rows })));
const count = ({ baseline, rows }: { baseline: typeof flights; rows: [Record<string, unknown>, number][] }) =>
  countRows(
    baseline,
    rows.map(([row]) => row),
    rows.map(([, prediction]) => prediction),
  );

describe('countRows', () => {
  it.each([
    // numpy.searchsorted([0, 10, 20], v, side='left') for each v: 0 0 1 1 2 3 0 3
    [-5, 0],
    [0, 0],
    [0.1, 1],
    [10, 1],
    [20, 2],
    [20.0001, 3],
    [Number.NEGATIVE_INFINITY, 0],
    [Number.POSITIVE_INFINITY, 3],
    ['12.5', 2],
    [' 12.5 ', 2],
    [true, 1],
    ['false', 0],
    ['TRUE', 1],
    [Number.NaN, 4],
    [null, 4],
    [undefined, 4],
    ['', 4],
    ['warm', 4],
    [{}, 4],
  ])('puts the temperature %j into entry %i', (temperature, entry) => {
    const [counts] = countRows(flights, [{ temperature, carrier: 'UA' }], [0.1]).features;
    expect(counts).toEqual([0, 1, 2, 3, 4].map((index) => (index === entry ? 1 : 0)));
  });

  it.each([
    ['UA', 0],
    ['B6', 1],
    ['ZZ', 2],
    [7, 2],
    ['', 3],
    [null, 3],
    [undefined, 3],
  ])('puts the carrier %j into entry %i', (carrier, entry) => {
    const [, counts] = countRows(flights, [{ carrier }], [0.1]).features;
    expect(counts).toEqual([0, 1, 2, 3].map((index) => (index === entry ? 1 : 0)));
  });

  it('counts an absent column as missing and ignores a column that is no feature', () => {
    const { features } = countRows(flights, [{ tail: 'N123' }], [0.9]);
    expect(features.map((counts) => counts.at(-1))).toEqual([1, 1]);
  });

  it('agrees with the number of edges below the value, for any value', () => {
    forAll(fc.double({ noNaN: true }), (value) => {
      const [counts = []] = countRows(flights, [{ temperature: value }], [0]).features;
      expect(counts.indexOf(1)).toBe([0, 10, 20].filter((edge) => edge < value).length);
    });
  });

  it('counts every row once in every feature, and every prediction', () => {
    forAll(traffic, (sample) => {
      const counts = count(sample);
      for (const vector of [...counts.features, counts.prediction]) {
        expect(vector.reduce((sum, entry) => sum + entry, 0)).toBe(sample.rows.length);
      }
    });
  });

  it('counts labels of a multiclass model, unlisted ones as other', () => {
    expect(
      countRows(label, [{}, {}, {}], [{ label: 'late' }, { label: 'late' }, { label: 'never' }]).prediction,
    ).toEqual([2, 0, 1, 0]);
  });

  it('refuses predictions that do not fit the rows or the model', () => {
    expect(() => countRows(flights, [{}], [])).toThrow('got 1 rows and 0 predictions');
    expect(() => countRows(flights, [{}], [{ label: 'late' }])).toThrow('belongs to another model');
    expect(() => countRows(label, [{}], [0.5])).toThrow('belongs to another model');
  });

  it('refuses a baseline whose counts do not fit its bins', () => {
    const short = baselineOf([numeric('x', [1, 2], [5, 5])], numeric('p', [], [1]));
    expect(() => emptyCounts(short)).toThrow("baseline of 'x': got 2 counts, expected 3");
    const unordered = baselineOf([numeric('x', [2, 1], [5, 5, 5])], numeric('p', [], [1]));
    expect(() => emptyCounts(unordered)).toThrow('expected ascending edges, got 2, 1');
  });
});

describe('mergeCounts', () => {
  const three = anyBaseline.chain((baseline) =>
    fc.tuple(fc.constant(baseline), anyCounts(baseline), anyCounts(baseline), anyCounts(baseline)),
  );

  it('is commutative, associative, and neutral with no rows', () => {
    forAll(three, ([baseline, a, b, c]) => {
      expect(mergeCounts(a, b)).toEqual(mergeCounts(b, a));
      expect(mergeCounts(mergeCounts(a, b), c)).toEqual(mergeCounts(a, mergeCounts(b, c)));
      expect(mergeCounts(a, emptyCounts(baseline))).toEqual(a);
    });
  });

  it('of two files is the count of both files as one, wherever they are cut', () => {
    forAll(fc.tuple(traffic, fc.nat(20)), ([{ baseline, rows }, cut]) => {
      const parts = mergeCounts(
        count({ baseline, rows: rows.slice(0, cut) }),
        count({ baseline, rows: rows.slice(cut) }),
      );
      expect(parts).toEqual(count({ baseline, rows }));
    });
  });

  it('refuses counts in other bins, even when there are as many', () => {
    const moved = baselineOf(
      [numeric('temperature', [0, 10, 21], [4, 3, 2, 1], 1), categorical('carrier', ['UA', 'B6'], [6, 4], 1)],
      numeric('probability', [0.5], [8, 3]),
    );
    expect(() => mergeCounts(emptyCounts(flights), emptyCounts(moved))).toThrow('merge per model version');
  });
});

describe('encodeCounts', () => {
  it('is undone by decodeCounts', () => {
    forAll(
      anyBaseline.chain((baseline) => fc.tuple(fc.constant(baseline), anyCounts(baseline))),
      ([baseline, counts]) => {
        expect(decodeCounts(baseline, encodeCounts(counts))).toEqual(counts);
      },
    );
  });

  it('stays under 8 kB for 100 features of 10 bins and millions of rows', () => {
    const bins = Array.from({ length: 100 }, (_, index) =>
      numeric(`f${index}`, [1, 2, 3, 4, 5, 6, 7, 8, 9], new Array(10).fill(1)),
    );
    const counts = emptyCounts(baselineOf(bins, numeric('p', [], [1])));
    const full = { ...counts, features: counts.features.map((vector) => vector.map(() => 123_456)) };
    expect(encodeCounts(full).length).toBeLessThan(8_000);
  });

  it('is read with the baseline of its model only, and whole', () => {
    const text = encodeCounts(emptyCounts(flights));
    expect(() => decodeCounts(label, text)).toThrow('read them with the baseline of their model');
    expect(() => decodeCounts(flights, text.replace('[0,0,0,0,0]', '[0,0]'))).toThrow('cut or edited');
    expect(() => decodeCounts(flights, text.replace('"v":1', '"v":2'))).toThrow('version 1');
  });
});

it('baselineCounts has the length and order of a count', () => {
  forAll(anyBaseline, (baseline) => {
    const lengths = emptyCounts(baseline).features.map((counts) => counts.length);
    expect(baseline.features.map((bins) => baselineCounts(bins).length)).toEqual(lengths);
  });
  expect(flights.features.map(baselineCounts)).toEqual([
    [4, 3, 2, 1, 1],
    [6, 4, 1, 0],
  ]);
});
