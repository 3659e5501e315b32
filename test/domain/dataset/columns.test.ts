/** Column rules of single values and of the rows of a prediction request. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkRow } from '../../../lambdas/domain/dataset/columns.ts';
import { readNative, textReaders } from '../../../lambdas/domain/dataset/values.ts';
import { forAll } from '../for-all.ts';
import { columns, names } from './samples.ts';

const features = { delay: 3.5, hour: 7, origin: 'JFK' };

describe('numbers', () => {
  test('text is read as the number it is', () => {
    forAll(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
      // Text has no negative zero.
      expect(textReaders.number(String(number))).toBe(number + 0);
      expect(textReaders.number(` ${number} `)).toBe(number + 0);
    });
  });

  test('what is read is what the pattern of a decimal number allows', () => {
    const decimal = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
    const texts = fc.oneof(
      fc.string({ unit: fc.constantFrom(...'0123.eE+-xbno_ Inity\t'), minLength: 1, maxLength: 8 }),
      fc.constantFrom(
        '0x10',
        '0b1',
        '0o7',
        '\u00a0',
        '\u00a00x10',
        '\u00a07',
        '7\u00a0',
        '7\ufeff',
        ' 0x1',
        'Infinity',
        '-Infinity',
        'NaN',
        ' ',
        '1e400',
        '1_000',
        '.',
        '0e0',
        '-.5',
      ),
    );
    forAll(texts, (text) => {
      const isNumber =
        decimal.test(text.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, '')) && Number.isFinite(Number(text));
      expect(textReaders.number(text)).toBe(isNumber ? Number(text) : undefined);
    });
  });
});

describe('timestamps', () => {
  test('every moment is read back from ISO 8601, also with an offset or without the fraction', () => {
    const moments = fc.date({
      min: new Date('0001-01-01T00:00:00Z'),
      max: new Date('9999-12-31T00:00:00Z'),
      noInvalidDate: true,
    });
    forAll(moments, (moment) => {
      const text = moment.toISOString();
      expect(textReaders.timestamp(text)).toBe(moment.getTime());
      const seconds = Math.floor(moment.getTime() / 1000) * 1000;
      expect(textReaders.timestamp(text.replace(/\.\d+Z/, 'Z'))).toBe(seconds);
      expect(textReaders.timestamp(text.replace(/\.\d+Z/, '+05:30'))).toBe(seconds - 5.5 * 3_600_000);
      expect(textReaders.timestamp(text.slice(0, 10))).toBe(Date.parse(text.slice(0, 10)));
    });
  });

  test.each([
    '2013-13-01T00:00:00Z',
    '2013-00-01T00:00:00Z',
    '2013-04-31T00:00:00Z',
    '2013-01-01T24:00:00Z',
    '2013-01-01T00:60:00Z',
    '0000-01-01',
    '2013-01-1AT00:00:00Z',
    '01/02/2013',
    '2013-01-01Z',
  ])('%s is none', (text) => {
    expect(textReaders.timestamp(text)).toBeUndefined();
  });
});

test('JSON values have their own types: a text is no number, a category may be one', () => {
  expect(readNative('number', '7')).toBeUndefined();
  expect(readNative('boolean', 1)).toBeUndefined();
  expect(readNative('integer', 1.5)).toBeUndefined();
  expect(readNative('category', 7)).toBe('7');
  expect(readNative('text', { a: 1 })).toBeUndefined();
  for (const missing of [null, undefined, '']) expect(readNative('number', missing)).toBeNull();
});

describe('rows of a request', () => {
  test('features are returned, typed; declared columns that are none are left out', () => {
    expect(checkRow(features, columns, 'json')).toEqual({ ok: true, value: features });
    const text = {
      ...Object.fromEntries(Object.entries(features).map(([name, value]) => [name, `${value}`])),
      id: '1',
      late: 'x',
    };
    expect(checkRow(text, columns, 'text')).toEqual({ ok: true, value: features });
    expect(checkRow({ ...features, hour: null }, columns, 'json')).toEqual({
      ok: true,
      value: { ...features, hour: null },
    });
  });

  test('each violation names column and rule', () => {
    const row = { delay: 'abc', hour: 99, extra: 1 };
    expect(checkRow(row, columns, 'json')).toEqual({
      ok: false,
      count: 4,
      violations: [
        { column: 'delay', rule: 'type', message: "column delay: expected a number, got 'abc'" },
        { column: 'hour', rule: 'range', message: 'column hour: expected 0 to 23, got 99' },
        {
          column: 'origin',
          rule: 'missing-value',
          message: 'column origin: expected a text, the column is not nullable',
        },
        { column: 'extra', rule: 'unexpected-column', message: 'column extra: expected a column of the project' },
      ],
    });
  });

  test('of many violations a hundred are told, and words are found for those alone', () => {
    const row = { ...features, ...Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`x${index}`, 1])) };
    const checked = checkRow(row, columns, 'json');
    expect(checked).toMatchObject({ ok: false, count: 5000 });
    expect(checked.ok ? [] : checked.violations).toHaveLength(100);
  });

  test('a time is returned as the text that came', () => {
    const timed = { at: { ...columns.at, role: 'feature' } } as const;
    const at = '2013-01-31 05:00+01';
    expect(checkRow({ at }, timed, 'json')).toEqual({ ok: true, value: { at } });
  });

  test('whatever comes, there is an answer, and a good one keeps the rules', () => {
    const rows = fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), fc.anything());
    forAll(fc.tuple(rows, fc.constantFrom('json', 'text')), ([row, form]) => {
      const checked = checkRow(row, columns, form);
      if (!checked.ok) {
        expect(checked.violations.length).toBeGreaterThan(0);
        return;
      }
      expect(Object.keys(checked.value)).toEqual(['delay', 'hour', 'origin']);
      expect(checked.value.delay).toBeTypeOf('number');
    });
  });
});
