/** Pictures of the demo's page as inline SVG. Colours come from the page's CSS variables, so they follow light and dark. */
import type { DemoReport, ModelFigures } from './report.ts';
import type { ContainerTime } from './timing.ts';

const WIDTH = 920;
export const escapeHtml = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

function svg(height: number, label: string, parts: readonly string[]): string {
  const size = `viewBox="0 0 ${WIDTH} ${height}" width="100%" role="img" aria-label="${escapeHtml(label)}"`;
  return `<svg ${size} xmlns="http://www.w3.org/2000/svg">\n${parts.join('\n')}\n</svg>`;
}

const text = (x: number, y: number, content: string, attributes = '') =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escapeHtml(content)}</text>`;
const line = (x1: number, y1: number, x2: number, y2: number, attributes: string) =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" ${attributes}/>`;

/**
 * Population stability index by feature, on a logarithmic axis: what drifted differs a thousandfold from what did not.
 *
 *     temp      ████████████████████│█████████  7.83
 *     dep_delay █████████████       │           0.13
 */
export function driftChart({ features, threshold }: DemoReport['drift']): string {
  const [left, right, rowHeight, top] = [110, 60, 24, 30];
  const [low, high] = [0.001, 20];
  const x = (psi: number) =>
    left + ((Math.log10(Math.max(psi, low)) - Math.log10(low)) / Math.log10(high / low)) * (WIDTH - left - right);
  const bottom = top + features.length * rowHeight;
  const ticks = [0.001, 0.01, 0.1, 1, 10].flatMap((tick) => [
    line(x(tick), top - 6, x(tick), bottom, 'class="grid"'),
    text(x(tick), bottom + 16, String(tick), 'class="axis" text-anchor="middle"'),
  ]);
  const bars = features.flatMap(({ name, psi, drifted }, row) => {
    const y = top + row * rowHeight;
    const width = Math.max(1, x(psi) - left);
    return [
      text(left - 8, y + 15, name, 'class="label" text-anchor="end"'),
      `<rect x="${left}" y="${y + 3}" width="${width.toFixed(1)}" height="${rowHeight - 8}" rx="2" class="${drifted ? 'bad' : 'calm'}"/>`,
      text(left + width + 6, y + 15, psi.toFixed(psi < 0.1 ? 3 : 2), 'class="value"'),
    ];
  });
  const limit = [
    line(x(threshold), top - 6, x(threshold), bottom, 'class="limit"'),
    text(x(threshold), top - 12, `drift from ${threshold}`, 'class="axis" text-anchor="middle"'),
  ];
  return svg(bottom + 24, 'Population stability index by feature', [...ticks, ...bars, ...limit]);
}

/**
 * One metric by model version with its 95 % interval, candidate and champion on the same rows: a dot that stands above
 * the hollow one beside it is why a model was let in.
 */
export function metricChart(models: readonly ModelFigures[], metric: string): string {
  const shown = models.flatMap((model) => {
    const candidate = model.metrics[metric];
    return candidate ? [{ model, candidate, champion: model.champion?.[metric] }] : [];
  });
  if (shown.length === 0) return '';
  const [left, right, top, height] = [60, 20, 16, 220];
  const limits = shown.flatMap(({ candidate, champion }) => [candidate, ...(champion ? [champion] : [])]);
  const low = Math.min(...limits.map((each) => each.low));
  const high = Math.max(...limits.map((each) => each.high));
  const margin = (high - low) * 0.1 || 0.01;
  const y = (value: number) => top + ((high + margin - value) / (high - low + 2 * margin)) * height;
  const step = (WIDTH - left - right) / shown.length;
  const ticks = niceTicks(low, high).flatMap((tick) => [
    line(left, y(tick.value), WIDTH - right, y(tick.value), 'class="grid"'),
    text(left - 8, y(tick.value) + 4, tick.label, 'class="axis" text-anchor="end"'),
  ]);
  const points = shown.flatMap(({ model, candidate, champion }, index) => {
    const middle = left + step * (index + 0.5);
    const state = model.decision === 'approve' ? 'good' : 'bad';
    return [
      ...(champion ? interval(middle - 16, champion, y, 'hollow') : []),
      ...interval(middle + (champion ? 16 : 0), candidate, y, state),
      text(middle + (champion ? 24 : 8), y(candidate.value) + 4, candidate.value.toFixed(4), 'class="value"'),
      text(
        middle,
        top + height + 20,
        `model ${model.version} (${model.trigger})`,
        'class="label" text-anchor="middle"',
      ),
    ];
  });
  return svg(top + height + 34, `${metric} by model version`, [...ticks, ...points]);
}

type Estimate = { readonly value: number; readonly low: number; readonly high: number };

function interval(x: number, { value, low, high }: Estimate, y: (value: number) => number, kind: string): string[] {
  return [
    line(x, y(low), x, y(high), `class="whisker ${kind}"`),
    `<circle cx="${x.toFixed(1)}" cy="${y(value).toFixed(1)}" r="5" class="${kind}"/>`,
  ];
}

function niceTicks(low: number, high: number): { readonly value: number; readonly label: string }[] {
  const rough = (high - low) / 4 || 0.01;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough) ?? rough;
  const decimals = Math.max(0, -Math.floor(Math.log10(step)));
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, index) => {
    const value = (first + index) * step;
    return { value, label: value.toFixed(decimals) };
  });
}

const lanes = [
  { name: 'data', types: ['DatasetVersionRegistered', 'DatasetRejected'] },
  {
    name: 'training',
    types: [
      'TrainingRequested',
      'TrainingSuppressed',
      'TrainingDue',
      'TrainingDelayed',
      'TrainingStarted',
      'ModelTrained',
      'TrainingFailed',
    ],
  },
  {
    name: 'evaluation',
    types: ['EvaluationRequested', 'EvaluationDelayed', 'EvaluationStarted', 'ModelEvaluated', 'EvaluationFailed'],
  },
  { name: 'gate', types: ['ModelApproved', 'ModelRejected', 'ApprovalRequested', 'ApprovalGiven'] },
  { name: 'serving', types: ['DeploymentStarted', 'ModelDeployed', 'DeploymentRolledBack'] },
  { name: 'drift', types: ['DriftMeasured', 'DriftDetected'] },
] as const;

const loud = new Set([
  'DatasetRejected',
  'TrainingFailed',
  'EvaluationFailed',
  'ModelRejected',
  'DeploymentRolledBack',
  'DriftDetected',
]);
const proud = new Set(['DatasetVersionRegistered', 'ModelApproved', 'ModelDeployed']);

/** Every event in its lane, programs as bars, and the model in service as a band below. */
export function timelineChart(report: Pick<DemoReport, 'events' | 'containers' | 'deployments' | 'project'>): string {
  const times = report.events.map((event) => Date.parse(event.at));
  const [start, end] = [Math.min(...times), Math.max(...times)];
  const [left, right, top, laneHeight] = [90, 30, 12, 34];
  const x = (time: number) => left + ((time - start) / Math.max(1, end - start)) * (WIDTH - left - right);
  const bottom = top + lanes.length * laneHeight;
  const rails = lanes.flatMap(({ name }, index) => {
    const y = top + laneHeight * (index + 0.5);
    return [
      text(left - 14, y + 4, name, 'class="label" text-anchor="end"'),
      line(left, y, WIDTH - right, y, 'class="grid"'),
    ];
  });
  const bars = report.containers.map((container) => programBar(container, x, top, laneHeight));
  // What matters most is drawn last, so nothing covers it.
  const byWeight = report.events.toSorted((a, b) => Number(loud.has(a.type)) - Number(loud.has(b.type)));
  const dots = byWeight.flatMap((event) => {
    const lane = lanes.findIndex(({ types }) => types.some((type) => type === event.type));
    if (lane < 0) return [];
    const kind = loud.has(event.type) ? 'bad' : proud.has(event.type) ? 'good' : 'calm';
    const y = top + laneHeight * (lane + 0.5);
    const seconds = ((Date.parse(event.at) - start) / 1000).toFixed(1);
    return [
      `<circle cx="${x(Date.parse(event.at)).toFixed(1)}" cy="${y}" r="5" class="${kind}"><title>${escapeHtml(event.type)} after ${seconds} s</title></circle>`,
    ];
  });
  const axis = secondsAxis(end - start).map((second) =>
    text(x(start + second * 1000), bottom + 50, `${second} s`, 'class="axis" text-anchor="middle"'),
  );
  return svg(bottom + 60, 'Timeline of the loop', [
    ...rails,
    ...bars,
    ...dots,
    ...serviceBand(report, x, bottom, end),
    ...axis,
  ]);
}

function programBar(container: ContainerTime, x: (time: number) => number, top: number, laneHeight: number): string {
  const lane = lanes.findIndex(({ name }) => name === container.kind);
  const y = top + laneHeight * (lane + 0.5) - 8;
  const width = Math.max(2, x(container.to) - x(container.from));
  const label = `${container.job}: ${((container.to - container.from) / 1000).toFixed(1)} s`;
  return `<rect x="${x(container.from).toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="16" rx="3" class="program"><title>${escapeHtml(label)}</title></rect>`;
}

function serviceBand(
  { deployments, project }: Pick<DemoReport, 'deployments' | 'project'>,
  x: (time: number) => number,
  y: number,
  end: number,
) {
  const inService = deployments.filter((each) => each.outcome === 'in-service');
  return inService.flatMap(({ model, at }, index) => {
    const from = x(Date.parse(at));
    const to = x(Date.parse(inService[index + 1]?.at ?? new Date(end).toISOString()));
    const width = Math.max(3, to - from);
    return [
      `<rect x="${from.toFixed(1)}" y="${y + 10}" width="${width.toFixed(1)}" height="20" class="band band${index % 3}"/>`,
      ...(width > 60 ? [text(from + 6, y + 24, `${project}/${model} serves`, 'class="onband"')] : []),
    ];
  });
}

function secondsAxis(milliseconds: number): number[] {
  const seconds = milliseconds / 1000;
  const step = [1, 2, 5, 10, 20, 30, 60].find((each) => seconds / each <= 10) ?? 120;
  return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => index * step);
}
