/** The demo's report as one self-contained page: no script, no font, nothing fetched. */
import * as z from 'zod';
import { describeEvent } from '../describe-event.ts';
import { duration } from '../output.ts';
import { driftChart, escapeHtml, metricChart, timelineChart } from './charts.ts';
import type { DemoReport } from './report.ts';

export function renderPage(report: DemoReport, lineage: string): string {
  const { timing, traffic, models } = report;
  const sections = [
    section('What was promised', promises(report)),
    section(
      'The loop in time',
      timelineChart(report) + stepTable(timing),
      `Each dot is an event, each bar a program in a container. First upload to model in service: ${duration(timing.loopMs)}, ` +
        `of that ${duration(timing.containerMs)} in containers, ${duration(timing.overheadMs)} everything else.`,
    ),
    section(
      'Models',
      `${metricChart(models, 'auc')}${modelTable(report)}`,
      'Area under the ROC curve on held-out rows with its 95 % interval. Hollow: the champion of that moment on the same rows.',
    ),
    section(
      'Drift',
      driftChart(report.drift),
      `${report.drift.rows.toLocaleString('en-US')} captured predictions of July against what model ${report.drift.model} was trained on. ` +
        'Population stability index, logarithmic.',
    ),
    section('A broken file', quarantine(report)),
    section(
      'Where one prediction comes from',
      `<pre>${escapeHtml(lineage)}</pre>`,
      `Prediction ${report.predictionId}`,
    ),
    section('Predictions while models changed', table(trafficRows(traffic))),
    section('Every event', eventTable(report)),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Flywheel demo: ${escapeHtml(report.project)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Flywheel demo: ${escapeHtml(report.project)}</h1>
<p class="lead">From an upload to a monitored model and round again, on one machine. ${verdict(report)}</p>
${tiles(report)}
${sections.join('\n')}
</main>
</body>
</html>
`;
}

function section(title: string, body: string, note = ''): string {
  return `<section><h2>${escapeHtml(title)}</h2>${note ? `<p>${escapeHtml(note)}</p>` : ''}${body}</section>`;
}

function verdict({ ok, promises }: DemoReport): string {
  const broken = promises.filter((each) => !each.held).length;
  return ok
    ? '<strong class="yes">Every promise held.</strong>'
    : `<strong class="no">${broken} of ${promises.length} promises did not hold.</strong>`;
}

function tiles({ timing, models, traffic, drift }: DemoReport): string {
  const approved = models.filter((model) => model.decision === 'approve').length;
  const figures = [
    [duration(timing.loopMs), 'first upload to model in service'],
    [duration(timing.overheadMs), 'of that outside of containers'],
    [`${approved} of ${models.length}`, 'models approved'],
    [(traffic.answered + traffic.replayedRows).toLocaleString('en-US'), 'predictions answered'],
    [(drift.features[0]?.psi ?? 0).toFixed(1), `highest drift (PSI of ${drift.features[0]?.name ?? 'none'})`],
  ];
  const cells = figures.map(
    ([value = '', label = '']) => `<div><b>${escapeHtml(value)}</b><span>${escapeHtml(label)}</span></div>`,
  );
  return `<div class="tiles">${cells.join('')}</div>`;
}

function promises({ promises: list }: DemoReport): string {
  const items = list.map(({ promise, held }) => `<li class="${held ? 'yes' : 'no'}">${escapeHtml(promise)}</li>`);
  return `<ul class="promises">${items.join('')}</ul>`;
}

function stepTable({ steps }: DemoReport['timing']): string {
  const rows = steps.map(({ step, ms, inContainer }) => [step, duration(ms), inContainer ? 'in a container' : '']);
  return `<details><summary>The first loop, step by step</summary>${table([['step', 'time', ''], ...rows])}</details>`;
}

function modelTable({ models, project }: DemoReport): string {
  const rows = models.map((model) => [
    `${project}/${model.version}`,
    `${project}@${model.datasetVersion}`,
    model.trigger,
    model.decision,
    model.reasons.join('; '),
  ]);
  return table([['model', 'data', 'asked for by', 'decision', 'why'], ...rows]);
}

/** The part of a quarantine report that says where and why. */
const violations = z.object({
  violations: z.array(
    z.object({ line: z.number(), column: z.string(), rule: z.string(), expected: z.string(), value: z.string() }),
  ),
});

function quarantine({ quarantine: { upload, reason, report } }: DemoReport): string {
  const summary = `<p>${escapeHtml(`${upload}: ${reason}. The data version before stayed.`)}</p>`;
  const rows = violations
    .parse(report)
    .violations.map(({ line, column, rule, expected, value }) => [`line ${line}`, column, rule, expected, value]);
  return summary + table([['where', 'column', 'rule', 'expected', 'got'], ...rows]);
}

function trafficRows(traffic: DemoReport['traffic']): string[][] {
  return [
    ['what', 'how much'],
    ...Object.entries(traffic.byModel).map(([model, count]) => [`answered by ${model}`, String(count)]),
    ['refused', String(traffic.refused.length)],
    ['one prediction, median', duration(traffic.medianMs)],
    ['one prediction, slowest', duration(traffic.slowestMs)],
    ['replayed rows', traffic.replayedRows.toLocaleString('en-US')],
  ];
}

function eventTable({ events }: DemoReport): string {
  const start = Math.min(...events.map((event) => Date.parse(event.at)));
  const rows = events.map((event) => [
    `${((Date.parse(event.at) - start) / 1000).toFixed(2)} s`,
    event.type,
    describeEvent({ type: event.type, detail: event }).text,
  ]);
  return table([['after', 'event', 'what it says'], ...rows]);
}

function table([head = [], ...rows]: readonly (readonly string[])[]): string {
  const cells = (tag: string, row: readonly string[]) =>
    row.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('');
  const body = rows.map((row) => `<tr>${cells('td', row)}</tr>`).join('');
  return `<div class="wide"><table><thead><tr>${cells('th', head)}</tr></thead><tbody>${body}</tbody></table></div>`;
}

const STYLE = `
:root { --ink: #1c2430; --soft: #5d6876; --page: #fff; --card: #f5f7f9; --line: #dbe1e7;
  --good: #1a7f4b; --bad: #c03a2b; --calm: #5b7fb0; --program: #c9d7ea; --band0: #2f6db3; --band1: #7a4fa3; --band2: #15807d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaee; --soft: #9aa5b1; --page: #14181d; --card: #1d232a; --line: #343c45;
  --good: #4cc38a; --bad: #ef7d6d; --calm: #7fa3d6; --program: #34455c; --band0: #3f7fc6; --band1: #9166bd; --band2: #27918e; } }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 960px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 28px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 44px 0 8px; }
p { margin: 6px 0 12px; color: var(--soft); } .lead { color: var(--ink); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 12px; margin: 20px 0; }
.tiles div { background: var(--card); border-radius: 8px; padding: 14px; } .tiles b { display: block; font-size: 24px; }
.tiles span { color: var(--soft); font-size: 13px; }
.promises { list-style: none; padding: 0; } .promises li { padding: 3px 0; } .promises li::before { display: inline-block; width: 2em; }
.promises .yes::before { content: '✓'; } .promises .no::before { content: '✗'; }
.promises .yes::before, strong.yes { color: var(--good); } .promises .no, strong.no { color: var(--bad); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; } td:first-child, td:nth-child(2) { white-space: nowrap; }
pre { background: var(--card); border-radius: 8px; padding: 14px; overflow-x: auto; font-size: 12.5px; line-height: 1.45; }
svg { display: block; margin: 8px 0 16px; } svg text { font: 13px system-ui, sans-serif; fill: var(--ink); }
svg .axis { font-size: 11.5px; fill: var(--soft); } svg .value { font-size: 12px; fill: var(--soft); } svg .onband { fill: #fff; font-size: 12px; }
.grid { stroke: var(--line); } .limit { stroke: var(--bad); stroke-dasharray: 4 3; }
.good { fill: var(--good); stroke: var(--good); } .bad { fill: var(--bad); stroke: var(--bad); } .calm { fill: var(--calm); stroke: var(--calm); }
.hollow { fill: var(--page); stroke: var(--soft); stroke-width: 2; } .whisker { stroke-width: 2; }
circle.good, circle.bad, circle.calm { stroke: var(--page); stroke-width: 1.5; }
.program { fill: var(--program); } .band0 { fill: var(--band0); } .band1 { fill: var(--band1); } .band2 { fill: var(--band2); }
`;
