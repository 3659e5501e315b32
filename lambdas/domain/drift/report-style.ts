/** Style of the drift report: colours as variables, so that light and dark differ in one place. */
export const REPORT_STYLE = `
:root { color-scheme: light dark; --paper: #fbfbfd; --card: #fff; --ink: #1c2430; --quiet: #5c6878; --line: #dfe4ea;
  --before: #a3aebb; --now: #2f6fde; --alert: #c2410c; --good: #1a7f4b; --wait: #a16207; --tint: #fff4ed; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #12161c; --card: #1a2029; --ink: #e6eaf0; --quiet: #97a3b3; --line: #2e3743;
    --before: #66727f; --now: #6ea2ff; --alert: #fb8b4c; --good: #4fc487; --wait: #e2b340; --tint: #2b211b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 32px 20px 48px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
h1 { margin: 6px 0 2px; font-size: 27px; line-height: 1.2; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { margin: 36px 0 4px; font-size: 19px; }
h3 { display: flex; gap: 8px; align-items: baseline; margin: 0 0 12px; font-size: 15px; overflow-wrap: anywhere; }
h3 > .quiet:last-child { margin-left: auto; white-space: nowrap; }
p { margin: 0; }
.quiet, .legend, footer { color: var(--quiet); font-weight: 400; font-size: 13px; }
.verdict { display: inline-block; padding: 2px 12px; border-radius: 99px; border: 1.5px solid; font-weight: 600; font-size: 13px; }
.verdict.drifted { color: var(--alert); } .verdict.none { color: var(--good); }
.verdict.pending { color: var(--wait); } .verdict.too-few-rows { color: var(--quiet); }
.reasons { margin: 20px 0; padding: 12px 16px 12px 34px; background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  overflow-wrap: anywhere; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 10px; background: var(--card); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { padding: 7px 9px; text-align: right; white-space: nowrap; }
th:first-child { text-align: left; max-width: 230px; overflow: hidden; text-overflow: ellipsis; padding-left: 16px; }
thead th { color: var(--quiet); font-weight: 500; font-size: 12.5px; border-bottom: 1px solid var(--line); }
tbody th { font-weight: 500; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
tr.drifted { background: var(--tint); } tr.drifted b { color: var(--alert); }
.wide { width: 130px; }
.meter { display: block; width: 110px; height: 12px; }
.meter .track { fill: var(--line); } .meter line { stroke: var(--ink); stroke-width: 1.5; }
.alert { fill: var(--alert); } .now { fill: var(--now); } .before { fill: var(--before); }
.key { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin: 0 5px 0 0; vertical-align: -1px; }
.key.now { background: var(--now); margin-left: 14px; } .key.before { background: var(--before); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(420px, 100%), 1fr)); gap: 16px; margin: 14px 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; break-inside: avoid; }
.badge { padding: 0 8px; border-radius: 99px; font-size: 12px; font-weight: 600; color: var(--card); background: var(--alert); }
.bars { display: block; width: 100%; height: auto; }
.bars text { font-size: 12px; fill: var(--ink); } .bars .label { text-anchor: end; }
.bars .value { font-size: 10px; fill: var(--quiet); } .bars line { stroke: var(--line); }
summary { cursor: pointer; color: var(--quiet); }
footer { margin-top: 32px; border-top: 1px solid var(--line); padding-top: 14px; max-width: 75ch; }
`;
