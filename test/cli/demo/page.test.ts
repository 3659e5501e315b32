import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { driftChart, metricChart, timelineChart } from '../../../cli/demo/charts.ts';
import { renderPage } from '../../../cli/demo/page.ts';
import type { DemoReport } from '../../../cli/demo/report.ts';

const estimate = (value: number) => ({ value, low: value - 0.01, high: value + 0.01 });
const at = (second: number) => new Date(Date.parse('2013-01-01T00:00:00Z') + second * 1000).toISOString();

const report: DemoReport = {
  ok: false,
  project: 'flights',
  promises: [
    { promise: 'kept', held: true },
    { promise: 'broken <b>', held: false },
  ],
  events: [
    {
      type: 'DatasetVersionRegistered',
      at: at(0),
      project: 'flights',
      version: 1,
      manifestId: 'm',
      rows: 5,
      newRows: 5,
      uploads: ['a'],
    },
    { type: 'ModelDeployed', at: at(4), project: 'flights', model: 1, endpoint: 'e', replaces: null },
    { type: 'ModelDeployed', at: at(9), project: 'flights', model: 2, endpoint: 'e', replaces: 1 },
  ],
  models: [
    {
      version: 1,
      datasetVersion: 1,
      trigger: 'upload',
      decision: 'approve',
      reasons: ['first'],
      metrics: { auc: estimate(0.9) },
      champion: null,
    },
    {
      version: 2,
      datasetVersion: 2,
      trigger: 'drift',
      decision: 'reject',
      reasons: ['<worse>'],
      metrics: { auc: estimate(0.8) },
      champion: { auc: estimate(0.9) },
    },
  ],
  deployments: [
    { model: 1, outcome: 'in-service', at: at(4) },
    { model: 2, outcome: 'in-service', at: at(9) },
  ],
  drift: { detected: true, model: 1, rows: 1000, threshold: 0.2, features: [{ name: 'temp', psi: 8, drifted: true }] },
  quarantine: {
    upload: 'flights/x.csv',
    reason: 'bad rows',
    report: { violations: [{ line: 1205, column: 'dep_delay', rule: 'type', expected: 'a number', value: "'soon'" }] },
  },
  lineage: { root: 'r', direction: 'up', truncated: false, nodes: [], edges: [] },
  predictionId: 'p',
  traffic: { answered: 10, refused: [], byModel: { 'flights/1': 10 }, medianMs: 12, slowestMs: 40, replayedRows: 4000 },
  containers: [{ kind: 'training', job: 'j', model: 1, from: Date.parse(at(1)), to: Date.parse(at(3)) }],
  timing: {
    setupMs: 1,
    loopMs: 2,
    containerMs: 1,
    overheadMs: 1,
    steps: [{ step: 's', ms: 2, inContainer: false }],
    storyMs: 3,
  },
};

test('the page is self-contained, says what did not hold, and escapes what it was given', () => {
  const page = renderPage(report, 'tree of <lineage>');
  expect(page).not.toMatch(/<script|<link|(src|href)=/);
  expect(page).toContain('1 of 2 promises did not hold');
  expect(page).not.toMatch(/<worse>|<lineage>/);
  expect(page).toContain('broken &lt;b&gt;');
  expect(page).toContain('line 1205');
  expect(page.match(/<svg /g)).toHaveLength(3);
});

test('a feature that drifted more has a longer bar, and the colour says which drifted', () => {
  const feature = fc.record({ psi: fc.double({ min: 0, max: 15, noNaN: true }), drifted: fc.boolean() });
  void fc.assert(
    fc.property(fc.array(feature, { minLength: 1, maxLength: 20 }), (given) => {
      const features = given.map((each, index) => ({ ...each, name: `f${index}` })).toSorted((a, b) => b.psi - a.psi);
      const bars = [
        ...driftChart({ ...report.drift, features }).matchAll(/<rect .*?width="([\d.]+)".*?class="(\w+)"/g),
      ];
      const widths = bars.map((bar) => Number(bar[1]));
      expect(widths).toEqual(widths.toSorted((a, b) => b - a));
      expect(bars.map((bar) => bar[2])).toEqual(features.map((each) => (each.drifted ? 'bad' : 'calm')));
    }),
  );
});

test('the candidate of a model that was let in stands above its champion, and intervals stand inside the picture', () => {
  const picture = metricChart(report.models, 'auc');
  const dots = [...picture.matchAll(/cy="([\d.]+)" r="5" class="(\w+)"/g)].map((dot) => [Number(dot[1]), dot[2]]);
  expect(dots.map(([, kind]) => kind)).toEqual(['good', 'hollow', 'bad']);
  expect(Number(dots[2]?.[0])).toBeGreaterThan(Number(dots[1]?.[0]));
  expect(metricChart(report.models, 'rmse')).toBe('');
});

test('the timeline shows who served when', () => {
  const picture = timelineChart(report);
  expect([...picture.matchAll(/class="band band(\d)"/g)].map((band) => band[1])).toEqual(['0', '1']);
  expect(picture).toContain('flights/1 serves');
  expect(picture).toContain('<title>j: 2.0 s</title>');
});
