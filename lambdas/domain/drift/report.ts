/** One drift measurement as a page: no script, no request, readable in light and dark and on paper. */
import type { BaselineFile, FeatureBins } from '../../contract/model-files.ts';
import { type BinCounts, baselineCounts, type Counts } from './counts.ts';
import { binLabels, type DriftMeasurement, decimals, type FeatureDrift, percent } from './measure.ts';
import { REPORT_STYLE } from './report-style.ts';
import { share, total } from './statistics.ts';

export interface DriftReportInput {
  readonly project: string;
  /** Model version number. */
  readonly model: number;
  /** When it was measured, ISO 8601. */
  readonly at: string;
  readonly baseline: BaselineFile;
  readonly counts: Counts;
  readonly measurement: DriftMeasurement;
  /** The policy's PSI threshold. */
  readonly threshold: number;
}

/** A feature with what is drawn of it. */
interface Item {
  readonly drift: FeatureDrift;
  readonly bins: FeatureBins;
  readonly now: BinCounts;
  readonly isPrediction: boolean;
}

/** A complete HTML document. Names and values of features are escaped: they come from uploads. */
export function renderDriftReport(input: DriftReportInput): string {
  const { project, model, at, baseline, counts, measurement, threshold } = input;
  const items = itemsOf(baseline, counts, measurement);
  const title = `Drift of ${project} model ${model}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>${REPORT_STYLE}</style>
</head>
<body>
<header>
  <p class="verdict ${measurement.decision}">${verdicts[measurement.decision]}</p>
  <h1>${escapeHtml(title)}</h1>
  <p class="quiet">Measured <time>${escapeHtml(at)}</time>: ${whole(measurement.rows)} captured rows against ${whole(baseline.rows)} training rows.</p>
</header>
<ul class="reasons">${measurement.reasons.map((reason) => `<li>${escapeHtml(reason)}</li>`).join('')}</ul>
${renderTable(items, threshold)}
<h2>Distributions</h2>
<p class="legend"><span class="key before"></span>baseline (training) <span class="key now"></span>now (captured); share of rows</p>
<div class="cards">${items.slice(0, OPEN_CARDS).map(renderCard).join('')}</div>
${renderRest(items.slice(OPEN_CARDS))}
${NOTES}
</body>
</html>
`;
}

/** & < > " ' as entities: safe as text and in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Charts that are shown at once: the rest, with the lowest PSI, is folded. */
const OPEN_CARDS = 12;
/** Bins of a chart; a category with more shows its largest, and the rest as one. */
const MAXIMUM_BARS = 16;

const verdicts = {
  'too-few-rows': 'Too few rows',
  none: 'No drift',
  pending: 'Drift, to be confirmed',
  drifted: 'Drifted',
} as const;

const NOTES = `<footer>
<p>A feature has drifted when its PSI reaches the threshold and exceeds its bound: the value that about 1 % of
measurements with these sample sizes and no drift exceed in any feature. KS and Wasserstein (in standard deviations of the
baseline) are measured on bins, of values that are not missing; a category has neither.</p>
</footer>`;

function itemsOf(baseline: BaselineFile, counts: Counts, measurement: DriftMeasurement): Item[] {
  const features = measurement.features.flatMap((drift, index): Item[] => {
    const [bins, now] = [baseline.features[index], counts.features[index]];
    return bins && now ? [{ drift, bins, now, isPrediction: false }] : [];
  });
  const { prediction: drift } = measurement;
  const prediction: Item = { drift, bins: baseline.prediction, now: counts.prediction, isPrediction: true };
  return [...features, prediction].sort((a, b) => b.drift.psi - a.drift.psi);
}

function renderTable(items: readonly Item[], threshold: number): string {
  const head = ['Feature', 'PSI', '', 'Bound', 'JS', 'KS', 'Wasserstein', 'χ² p', 'Missing', 'Unseen'];
  return `<div class="scroll"><table>
<thead><tr>${head.map((name, column) => `<th${column === 2 ? ' class="wide"' : ''}>${name}</th>`).join('')}</tr></thead>
<tbody>${items.map((item) => renderRow(item, threshold)).join('')}</tbody>
</table></div>`;
}

function renderRow(item: Item, threshold: number): string {
  const { drift } = item;
  const cells = [
    drift.psiBound === null ? '–' : decimals(drift.psiBound),
    decimals(drift.jensenShannon),
    drift.ks === null ? '–' : decimals(drift.ks),
    drift.wasserstein === null ? '–' : decimals(drift.wasserstein),
    drift.chiSquarePValue < 0.001 ? '&lt; 0.001' : decimals(drift.chiSquarePValue),
    change(drift.missingBefore, drift.missingNow),
    drift.unseenShare === null ? '–' : change(drift.unseenBefore ?? 0, drift.unseenShare),
  ];
  return `<tr${drift.drifted ? ' class="drifted"' : ''}><th scope="row">${nameOf(item)}</th><td><b>${decimals(drift.psi)}</b></td>
<td class="wide">${renderMeter(drift, threshold)}</td>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
}

const METER = { width: 110, thresholds: 4 };

/** PSI as a bar with a mark at the threshold; full from four thresholds on, so one outlier does not flatten the others. */
function renderMeter({ psi, drifted }: FeatureDrift, threshold: number): string {
  const mark = METER.width / METER.thresholds;
  const width = Math.min(METER.width, (psi / threshold) * mark).toFixed(1);
  return `<svg class="meter" viewBox="0 0 ${METER.width} 12" role="img" aria-label="PSI ${decimals(psi)} of threshold ${threshold}"><rect class="track" width="${METER.width}" height="12" rx="2"/><rect class="${drifted ? 'alert' : 'now'}" width="${width}" height="12" rx="2"/><line x1="${mark}" x2="${mark}" y1="0" y2="12"/></svg>`;
}

function renderRest(items: readonly Item[]): string {
  if (items.length === 0) return '';
  return `<details><summary>${items.length} more, of lower PSI</summary><div class="cards">${items.map(renderCard).join('')}</div></details>`;
}

function renderCard(item: Item): string {
  const { drift } = item;
  const badge = drift.drifted ? '<span class="badge">drifted</span>' : '';
  return `<section class="card"><h3>${nameOf(item)}${badge}<span class="quiet">PSI ${decimals(drift.psi)}</span></h3>${renderBars(item)}</section>`;
}

interface Bar {
  readonly label: string;
  readonly before: number;
  readonly now: number;
}

/*
 *     label |####      10 %      baseline
 *           |########  19 %      now
 */
const ROW = 30;
const CHART = { width: 460, right: 58, perCharacter: 6.8 };

function renderBars(item: Item): string {
  const bars = barsOf(item);
  const left = 12 + CHART.perCharacter * Math.max(...bars.map((bar) => Math.max(5, cut(bar.label).length)));
  const span = CHART.width - left - CHART.right;
  const largest = Math.max(...bars.flatMap((bar) => [bar.before, bar.now]), Number.MIN_VALUE);
  const rows = bars.map((bar, index) => {
    const top = index * ROW;
    const bit = (kind: 'before' | 'now', offset: number): string => {
      const width = (bar[kind] / largest) * span;
      return `<rect class="${kind}" x="${left.toFixed(1)}" y="${top + offset}" width="${width.toFixed(1)}" height="10" rx="1.5"/><text class="value" x="${(left + width + 5).toFixed(1)}" y="${top + offset + 8.8}">${percent(bar[kind])}</text>`;
    };
    const full = `${bar.label}: ${percent(bar.before)} before, ${percent(bar.now)} now`;
    return `<g><title>${escapeHtml(full)}</title><text class="label" x="${(left - 8).toFixed(1)}" y="${top + 17}">${escapeHtml(cut(bar.label))}</text>${bit('before', 3)}${bit('now', 14)}</g>`;
  });
  const height = bars.length * ROW;
  const axis = `<line x1="${left.toFixed(1)}" x2="${left.toFixed(1)}" y1="0" y2="${height}"/>`;
  return `<svg class="bars" viewBox="0 0 ${CHART.width} ${height}" role="img" aria-label="Shares of rows before and now">${rows.join('')}${axis}</svg>`;
}

/** Shares by bin. The entries that hold rows by exception only (other, missing) are drawn when they hold any. */
function barsOf({ bins, now }: Item): Bar[] {
  const before = baselineCounts(bins);
  const [rowsBefore, rowsNow] = [total(before), total(now)];
  const labels = binLabels(bins);
  const bars = before.map((count, index) => ({
    label: labels[index] ?? '',
    before: share(count, rowsBefore),
    now: share(now[index] ?? 0, rowsNow),
  }));
  const regular = bins.kind === 'numeric' ? bins.counts.length : bins.values.length;
  const rest = bars.slice(regular).filter((bar) => bar.before + bar.now > 0);
  return [...(bins.kind === 'categorical' ? largestBars(bars.slice(0, regular)) : bars.slice(0, regular)), ...rest];
}

function largestBars(bars: readonly Bar[]): Bar[] {
  const sorted = bars.toSorted((a, b) => Math.max(b.before, b.now) - Math.max(a.before, a.now));
  if (sorted.length <= MAXIMUM_BARS) return sorted;
  const folded = sorted.slice(MAXIMUM_BARS - 1);
  const sum = (side: 'before' | 'now'): number => folded.reduce((all, bar) => all + bar[side], 0);
  const label = `${folded.length} rarer values`;
  return [...sorted.slice(0, MAXIMUM_BARS - 1), { label, before: sum('before'), now: sum('now') }];
}

function nameOf({ drift, isPrediction }: Item): string {
  return `${escapeHtml(drift.name)}${isPrediction ? ' <span class="quiet">prediction</span>' : ''}`;
}

function change(before: number, now: number): string {
  return before === now ? percent(now) : `${percent(before)} → ${percent(now)}`;
}

function cut(label: string): string {
  const characters = [...label];
  return characters.length > 22 ? `${characters.slice(0, 21).join('')}…` : label;
}

function whole(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}
