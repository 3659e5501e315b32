import { describe, expect, it } from 'vitest';
import { predictionId } from '../../lambdas/contract/keys.ts';
import { requestLimits } from '../../lambdas/contract/limits.ts';
import type { ColumnSettings } from '../../lambdas/contract/settings.ts';
import { checkLabels } from '../../lambdas/domain/ground-truth.ts';
import { projectSettings } from '../support/project.ts';

const project = projectSettings();
const known = { newestModel: 3, now: new Date('2026-11-24T12:00:00Z') };
const made = { project: 'flights', model: 3, minute: '20261124T1159', inferenceId: 'f8e0156d-d57f-423e', row: 0 };
const id = predictionId.build(made);

const withLabel = (type: ColumnSettings['type'], rules: Partial<ColumnSettings> = {}) => ({
  ...project,
  data: {
    ...project.data,
    columns: { ...project.data.columns, late: { role: 'label', type, nullable: false, pii: false, ...rules } },
  } as const,
});

describe('a label', () => {
  it.each([
    ['boolean', true, true],
    ['boolean', 'false', false],
    ['category', 'UA', 'UA'],
    ['number', 1.5, 1.5],
    ['integer', '7', 7],
  ] as const)('of a %s column is taken as the column has it: %j', (type, label, expected) => {
    expect(checkLabels([{ predictionId: id, label }], withLabel(type), known)).toEqual({
      ok: true,
      labels: [{ predictionId: id, label: expected }],
    });
  });

  it.each([
    ['boolean', 'banana', 'expected true or false'],
    ['boolean', 2, 'expected true or false'],
    ['number', 'soon', 'expected a number'],
    ['integer', 1.5, 'expected an integer'],
    ['category', 'x'.repeat(1025), 'at most 1024 characters'],
    ['category', '', 'not nullable'],
  ] as const)('of a %s column is not %j', (type, label, rule) => {
    expect(checkLabels([{ predictionId: id, label }], withLabel(type), known)).toMatchObject({
      ok: false,
      violations: [{ row: 0, column: 'label', rule: expect.stringContaining(rule) }],
    });
  });

  it('is one that the column allows', () => {
    const settings = withLabel('category', { values: ['on time', 'late'] });
    expect(checkLabels([{ predictionId: id, label: 'UA' }], settings, known)).toMatchObject({ ok: false });
    expect(checkLabels([{ predictionId: id, label: 'late' }], settings, known)).toMatchObject({ ok: true });
  });
});

describe('a prediction id', () => {
  it.each([
    ['of another project', { project: 'churn' }],
    ['of a model that is not there yet', { model: 4 }],
    ['of a model that never was', { model: 0 }],
    ['of tomorrow', { minute: '20261125T1159' }],
    ['of a minute that does not exist', { minute: '20261199T1159' }],
    ['of a row that no request has', { row: requestLimits.rowNumber }],
    ['of an endless request', { inferenceId: 'a'.repeat(1000) }],
  ])('%s is refused', (_, change) => {
    const label = { predictionId: predictionId.build({ ...made, ...change }), label: true };
    expect(checkLabels([label], project, known)).toMatchObject({
      ok: false,
      violations: [{ row: 0, column: 'predictionId', rule: expect.stringContaining('expected') }],
    });
  });

  it('of the same minute on another clock is taken', () => {
    const label = { predictionId: predictionId.build({ ...made, minute: '20261124T1203' }), label: true };
    expect(checkLabels([label], project, known)).toMatchObject({ ok: true });
  });

  it('of a project without a model is refused', () => {
    expect(
      checkLabels([{ predictionId: id, label: true }], project, { ...known, newestModel: undefined }),
    ).toMatchObject({
      ok: false,
    });
  });
});

it('a hundred faults are told, all are counted, and one is enough to refuse', () => {
  const bad = Array.from({ length: 10_000 }, () => ({ predictionId: 'x', label: true }));
  const checked = checkLabels([{ predictionId: id, label: true }, ...bad, 5, null], project, known);
  expect(checked).toMatchObject({ ok: false, count: 10_002 });
  expect(checked.ok ? [] : checked.violations).toHaveLength(requestLimits.violations);
});
