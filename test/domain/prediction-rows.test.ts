import { describe, expect, it } from 'vitest';
import { requestLimits } from '../../lambdas/contract/limits.ts';
import { checkInstances, parseCsvBody, parseJsonRows } from '../../lambdas/domain/prediction-rows.ts';
import { projectSettings } from '../support/project.ts';

const { data } = projectSettings();

describe('checkInstances', () => {
  it('lets features through, typed, and keeps ids and labels from the endpoint', () => {
    const row = { id: 'x1', delay: '12.5', carrier: 'UA', late: 'true' };
    expect(checkInstances([row], data, 'text')).toEqual({ ok: true, instances: [{ delay: 12.5, carrier: 'UA' }] });
  });

  it('names row, column and rule of every bad value', () => {
    const checked = checkInstances(
      [
        { delay: 1, carrier: 'UA' },
        { delay: 9999, carrier: null },
      ],
      data,
      'json',
    );
    expect(checked).toMatchObject({
      ok: false,
      violations: [
        { row: 1, column: 'delay' },
        { row: 1, column: 'carrier' },
      ],
    });
  });
});

describe('parseCsvBody', () => {
  it('reads a header and rows, quotes and a byte order mark', () => {
    expect(parseCsvBody('\uFEFFdelay,carrier\r\n5,"U,A"\r\n', 10)).toEqual({
      ok: true,
      rows: [{ delay: '5', carrier: 'U,A' }],
    });
  });

  it.each([
    ['delay,carrier\n', 'needs a header line and at least one row'],
    ['delay,carrier\n1\n', 'line 2: got 1 fields, the header has 2'],
    ['delay,delay\n1,2\n', 'names the column delay twice'],
    ['delay\n"1\n', 'quotes do not close'],
  ])('says what is wrong with %j', (body, reason) => {
    expect(parseCsvBody(body, 10)).toMatchObject({ ok: false, reason: expect.stringContaining(reason) });
  });
});

describe('requests that cost more than they weigh', () => {
  const { columns, violations } = requestLimits;
  const names = (count: number) => Array.from({ length: count }, (_, index) => `c${index}`);
  /** In milliseconds; the whole of a request has 29 seconds. */
  function timed<T>(work: () => T): T {
    const start = performance.now();
    const result = work();
    expect(performance.now() - start).toBeLessThan(2000);
    return result;
  }

  it('tell a hundred of 200,000 violations, and how many there are', () => {
    const row = Object.fromEntries(names(200_000).map((name) => [name, 1]));
    const checked = timed(() => checkInstances([row, row], data, 'json'));
    expect(checked).toMatchObject({ ok: false, count: 2 * 200_000 + 4 });
    expect(checked.ok ? [] : checked.violations).toHaveLength(violations);
  });

  it('have no row of 200,000 columns, and no header of as many', () => {
    const reason = expect.stringContaining(`at most ${columns}`);
    const row = Object.fromEntries(names(200_000).map((name) => [name, 1]));
    expect(timed(() => parseJsonRows({ rows: [{ delay: 1 }, row] }, 10))).toMatchObject({ ok: false, reason });
    const header = `${new Array(400_000).fill('a').join(',')}\n`;
    expect(timed(() => parseCsvBody(header, 10))).toMatchObject({ ok: false, reason });
  });

  it('have no value that is longer than a category may be', () => {
    const checked = checkInstances([{ delay: 1, carrier: 'x'.repeat(5_000_000) }], data, 'json');
    expect(checked).toMatchObject({
      ok: false,
      violations: [{ column: 'carrier', rule: expect.stringContaining('at most 1024 characters') }],
    });
    expect(JSON.stringify(checked).length).toBeLessThan(500);
  });

  it('have no values that nest: half a million lists are a bad value', () => {
    const delay: unknown = JSON.parse('['.repeat(500_000) + ']'.repeat(500_000));
    expect(checkInstances([{ delay, carrier: 'UA' }], data, 'json')).toMatchObject({
      ok: false,
      violations: [{ column: 'delay', rule: 'expected a number, got a list' }],
    });
  });

  it.each([
    ['JSON', (rows: number) => parseJsonRows({ rows: new Array(rows).fill({ delay: 1 }) }, 10)],
    ['CSV', (rows: number) => parseCsvBody(`delay\n${'1\n'.repeat(rows)}`, 10)],
  ])('have no more rows than the project takes, as %s', (_, parse) => {
    expect(parse(10)).toMatchObject({ ok: true });
    for (const rows of [11, 2_000_000])
      expect(timed(() => parse(rows))).toMatchObject({
        ok: false,
        tooMany: true,
        reason: expect.stringMatching(/the 10 rows/),
      });
  });
});

describe('parseJsonRows', () => {
  it('takes one row, or many', () => {
    expect(parseJsonRows({ delay: 1 }, 10)).toEqual({ ok: true, rows: [{ delay: 1 }] });
    expect(parseJsonRows({ rows: [{ delay: 1 }, { delay: 2 }] }, 10)).toEqual({
      ok: true,
      rows: [{ delay: 1 }, { delay: 2 }],
    });
  });

  it.each([[null], [5], [[]], [{ rows: [] }], [{ rows: [{}, 5] }], [{ rows: [[]] }]])(
    'says what is expected of %j',
    (body) => {
      expect(parseJsonRows(body, 10)).toMatchObject({
        ok: false,
        tooMany: false,
        reason: expect.stringContaining('expected {'),
      });
    },
  );
});
