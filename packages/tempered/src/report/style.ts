/** @file The look of a report page: an article with figures wider than its text, on screen and on paper. */

export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fffefc; --ink: #1f2226; --quiet: #5d636b; --faint: #9aa0a8; --rule: #e4e4e0; --wash: #f5f4f0;
  --standard: #b02e66; --robust: #007d72; --wrong: #a3341f; --l2: #2b5fb0; --linf: #a85a10;
  --serif: Charter, 'Bitstream Charter', 'Sitka Text', Cambria, Georgia, 'Liberation Serif', serif;
  --sans: Inter, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'Liberation Sans', Arial, sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181b; --ink: #e6e4df; --quiet: #a3a8ae; --faint: #747a82; --rule: #2e3237; --wash: #1e2125;
    --standard: #f0719f; --robust: #3fc7b5; --wrong: #f0917c; --l2: #86aef2; --linf: #e6a15f;
  }
}
* { box-sizing: border-box; }
html { background: var(--paper); color: var(--ink); -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; font: 18px/1.6 var(--serif); font-variant-numeric: oldstyle-nums; }
main {
  display: grid;
  grid-template-columns:
    [page-start] minmax(20px, 1fr) [wide-start] minmax(0, 190px)
    [text-start] min(680px, 100% - 40px) [text-end]
    minmax(0, 190px) [wide-end] minmax(20px, 1fr) [page-end];
  padding: 72px 0 96px;
}
main > * { grid-column: text; min-width: 0; }
main > .wide { grid-column: wide; }
header { margin-bottom: 12px; }
h1, h2, h3, .label, .kicker, figure, footer, .grid, .key, details { font-family: var(--sans); font-variant-numeric: lining-nums tabular-nums; }
.kicker, .label { font-size: 12px; letter-spacing: .07em; text-transform: uppercase; color: var(--quiet); font-weight: 600; }
h1 { font-size: clamp(30px, 5vw, 44px); line-height: 1.12; letter-spacing: -.018em; margin: 10px 0 18px; text-wrap: balance; }
h2 { font-size: 24px; line-height: 1.25; letter-spacing: -.008em; margin: 36px 0 10px; padding-top: 22px; border-top: 1px solid var(--rule); }
h3 { font-size: 15px; line-height: 1.4; margin: 0 0 10px; font-weight: 600; }
p { margin: 0 0 16px; hanging-punctuation: first; text-wrap: pretty; }
.lead { font-size: 20px; line-height: 1.55; color: var(--quiet); }
.findings { margin: 8px 0 0; padding: 0; list-style: none; }
.findings li { padding: 12px 0; border-top: 1px solid var(--rule); }
.findings li:last-child { border-bottom: 1px solid var(--rule); }
.findings .label { display: block; margin-bottom: 2px; }
figure { margin: 24px 0 28px; }
figcaption { font-size: 14px; line-height: 1.5; color: var(--quiet); max-width: 80ch; margin-top: 12px; text-wrap: pretty; }
figcaption .label { margin-right: 6px; color: var(--ink); }
.table figcaption { margin: 0 0 10px; }
.standard { color: var(--standard); } .robust { color: var(--robust); } .wrong { color: var(--wrong); }
.key { display: flex; flex-wrap: wrap; gap: 4px 22px; font-size: 13px; margin: 0 0 10px; }
.key span { display: inline-flex; align-items: center; gap: 7px; }
.key svg { width: 34px; height: 12px; overflow: visible; }
.plot { display: block; height: auto; max-width: 100%; font-family: var(--sans); font-size: 12px; font-variant-numeric: tabular-nums; color: var(--quiet); }
.plot text { white-space: pre; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr)); gap: 20px 28px; }
.plots.two { grid-template-columns: repeat(auto-fit, minmax(min(340px, 100%), 1fr)); }
.for-narrow { display: none; }
@media screen and (max-width: 640px) { .for-narrow { display: block; } .for-wide { display: none; } }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; min-width: 60%; font-size: 14.5px; line-height: 1.4; }
thead th { font-size: 13px; font-weight: 600; color: var(--quiet); border-bottom: 1px solid var(--faint); vertical-align: bottom; }
th, td { padding: 7px 0 7px 32px; text-align: right; font-weight: 400; white-space: nowrap; }
th:first-child { padding-left: 0; }
tbody tr + tr > * { border-top: 1px solid var(--rule); }
tbody tr:last-child > * { border-bottom: 1px solid var(--faint); }
th.text, td.text { text-align: left; white-space: normal; }
th.group { font-weight: 600; padding-top: 18px; }
td.interval, th.interval { color: var(--quiet); padding-left: 10px; font-size: 13px; font-weight: 400; }
.grid { display: grid; gap: 14px; }
.grid-head, .grid-row { display: grid; grid-template-columns: 76px repeat(var(--columns), minmax(0, 1fr)); gap: 12px; }
.grid-head { font-size: 12.5px; color: var(--quiet); align-items: end; }
.grid-name { font-size: 13px; font-weight: 600; padding-top: 2px; }
.cell-head { display: none; font-size: 12px; color: var(--quiet); margin-bottom: 3px; }
.cell-note { font-size: 12.5px; line-height: 1.35; margin-top: 5px; color: var(--quiet); min-height: 1.35em; }
.cell-note b { color: var(--ink); font-weight: 600; } .cell-note b.wrong { color: var(--wrong); }
.picture { position: relative; display: block; }
.picture img { display: block; width: 100%; image-rendering: pixelated; border-radius: 2px; background: var(--wash); }
.picture svg { position: absolute; inset: 0; width: 100%; height: 100%; fill: none; stroke: #14171a; stroke-width: 1; stroke-opacity: .6; }
.picture path { vector-effect: non-scaling-stroke; }
.colorbar { display: grid; grid-template-columns: 1fr auto 1fr; gap: 0 12px; align-items: center; max-width: 460px; margin: 4px 0 26px; font-size: 12.5px; color: var(--quiet); }
.colorbar .bar { grid-column: 1 / -1; height: 10px; border-radius: 2px; margin-bottom: 4px; }
.colorbar > :last-child { text-align: right; }
.example { padding-top: 18px; } .example + .example { border-top: 1px solid var(--rule); margin-top: 18px; }
.trio { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(300px, 100%), 1fr)); gap: 28px; }
.trio .grid { gap: 8px; } .trio .grid-head, .trio .grid-row { grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); } .trio .grid-name, .trio .grid-head > :first-child { display: none; }
.walk { display: grid; grid-template-columns: 140px minmax(0, 1fr); gap: 8px 24px; align-items: start; }
.walk + .walk { margin-top: 22px; }
.walk h3 { grid-column: 1 / -1; margin: 0; }
.strip { display: grid; grid-template-columns: repeat(var(--frames), minmax(0, 1fr)); gap: 10px; }
.note { font-size: 12px; color: var(--quiet); margin-top: 4px; display: block; }
details { font-size: 14px; margin: 0 0 12px; } summary { cursor: pointer; color: var(--quiet); }
dl.facts { display: grid; grid-template-columns: minmax(120px, max-content) minmax(0, 1fr); font: 14.5px/1.45 var(--sans); font-variant-numeric: tabular-nums lining-nums; margin: 16px 0; }
dl.facts > * { padding: 6px 0; border-top: 1px solid var(--rule); margin: 0; } dl.facts dt { color: var(--quiet); padding-right: 24px; } dl.facts dd { overflow-wrap: anywhere; }
footer { margin-top: 64px; padding-top: 16px; border-top: 1px solid var(--rule); font-size: 13px; color: var(--quiet); }
@media screen and (max-width: 760px) {
  body { font-size: 17px; } main { padding: 36px 0 56px; } .lead { font-size: 18px; }
  h2 { margin-top: 28px; }
  .grid-head { display: none; }
  .grid { gap: 20px; } .grid-row { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 12px 10px; }
  .trio .grid-row { grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); }
  .grid-name { grid-column: 1 / -1; } .cell-head { display: block; }
  .walk { grid-template-columns: 96px minmax(0, 1fr); gap: 8px 14px; } .strip { grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 8px; }
  th, td { padding-left: 14px; } td.interval, th.interval { padding-left: 6px; font-size: 12px; } table { font-size: 13.5px; }
}
@media print {
  :root { --paper: #fff; --ink: #000; --quiet: #444; --faint: #888; --rule: #ccc; --wash: #fff; --standard: #b02e66; --robust: #007d72; --l2: #2b5fb0; --linf: #a85a10; color-scheme: light; }
  body { font-size: 10.5pt; } main { display: block; padding: 0; }
  h2 { margin-top: 28pt; break-after: avoid; } figure, .example, tr, .walk { break-inside: avoid; }
  img, .colorbar .bar { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .grid-head, .grid-row { gap: 6pt; } .plots { grid-template-columns: repeat(3, 1fr); gap: 8pt; } .plots.two { grid-template-columns: 1fr 1fr; }
  .cell-note { font-size: 8pt; } .grid-head { font-size: 8pt; } details > summary { display: none; }
  @page { margin: 18mm 16mm; }
}
`;
