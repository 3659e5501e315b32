import { describe, expect, it } from 'vitest';
import { checkInstances, parseCsvBody } from '../../lambdas/domain/prediction-rows.ts';
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
    expect(parseCsvBody('\uFEFFdelay,carrier\r\n5,"U,A"\r\n')).toEqual({
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
    expect(parseCsvBody(body)).toMatchObject({ ok: false, reason: expect.stringContaining(reason) });
  });
});
