/** The report's style sheet: one column, light and dark, phones and paper. */
export const style = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #16191d; --muted: #5b6470; --grid: #e3e6ea; --soft: #f4f6f8;
  --accent: #0067a8; --warning: #8a4b00; --warning-soft: #fff4e0; --info-soft: #eaf3fa; --shade: #b3600f;
  --series-1: #0067a8; --series-2: #c04f00; --series-3: #00795a;
  --series-4: #a3427c; --series-5: #856100; --series-6: #5a50b8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --ink: #e9ecef; --muted: #a2abb6; --grid: #2c323a; --soft: #1d2127;
    --accent: #6cb8ee; --warning: #ffc26b; --warning-soft: #33260f; --info-soft: #152733; --shade: #e8a04c;
    --series-1: #5fb3ee; --series-2: #ff9152; --series-3: #3ecf9f;
    --series-4: #ec9ac8; --series-5: #e3ba45; --series-6: #aba3ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 52rem;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  color: var(--ink); background: var(--paper); -webkit-text-size-adjust: 100%;
}
h1 { font-size: 1.85rem; line-height: 1.2; margin: 0; letter-spacing: -0.015em; text-wrap: balance; }
.subtitle { margin: 0.4rem 0 0; color: var(--muted); font-size: 1.08rem; }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 3rem 0 0.75rem; padding-top: 1rem; border-top: 1px solid var(--grid); }
p, ul { margin: 0.75rem 0; max-width: 46rem; }
a { color: var(--accent); }
code { font: 0.92em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: var(--soft); padding: 0.1em 0.3em; border-radius: 3px; overflow-wrap: anywhere; }
.notice { margin: 1rem 0 0; padding: 0.65rem 0.9rem; border-left: 4px solid var(--accent); background: var(--info-soft); border-radius: 0 4px 4px 0; max-width: none; }
.notice.warning { border-color: var(--warning); background: var(--warning-soft); }
.notice strong:first-child { margin-right: 0.3em; }
.notice.warning strong:first-child { color: var(--warning); }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: 0.3rem 1.25rem; padding: 0; margin: 1.25rem 0 0; font-size: 0.94rem; }
dl.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 0.9rem 1.5rem; margin: 1.25rem 0; }
dl.facts dt { font-size: 0.82rem; color: var(--muted); }
dl.facts dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: 1rem 0; }
.scroll:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; }
table { border-collapse: collapse; width: 100%; font-size: 0.94rem; font-variant-numeric: tabular-nums; }
caption { caption-side: top; text-align: left; padding: 0 0 0.5rem; font-weight: 600; }
th, td { padding: 0.38rem 0.75rem; text-align: left; border-bottom: 1px solid var(--grid); vertical-align: baseline; }
th:first-child, td:first-child { padding-left: 0.25rem; }
thead th { font-weight: 600; font-size: 0.86rem; color: var(--muted); border-bottom: 2px solid var(--grid); vertical-align: bottom; }
tbody th { font-weight: 500; }
.number { text-align: right; }
td.number { white-space: nowrap; }
th:first-child { min-width: 9.5rem; }
td.best { font-weight: 700; background: color-mix(in srgb, var(--series-3) 15%, transparent); }
tr.baseline th, tr.baseline td { color: var(--muted); }
tr.baseline td.best { color: var(--ink); }
tr.published th, tr.published td { font-style: italic; color: var(--muted); }
tr.divide th, tr.divide td { border-top: 2px solid var(--grid); }
.tag { font-size: 0.76rem; font-style: normal; color: var(--muted); border: 1px solid var(--grid); border-radius: 3px; padding: 0 0.35em; margin-left: 0.4em; white-space: nowrap; }
.notes { font-size: 0.88rem; color: var(--muted); margin: 0.4rem 0 1.25rem; padding: 0; list-style: none; }
figure { margin: 1.75rem 0; }
figure svg { display: block; width: auto; max-width: 100%; height: auto; overflow: visible; font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
figure svg text { white-space: pre; }
figcaption { margin-top: 0.4rem; font-size: 0.9rem; color: var(--muted); max-width: 44rem; }
.narrow, .key { display: none; }
.key { flex-wrap: wrap; gap: 0.1rem 1rem; list-style: none; margin: 0 0 0.3rem; padding: 0; font-size: 0.85rem; }
.key.always { display: flex; }
.key svg { display: inline-block; vertical-align: -1px; margin-right: 0.4em; }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--grid); font-size: 0.86rem; color: var(--muted); }
@media (max-width: 640px) {
  body { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.5rem; }
  .wide { display: none; }
  .narrow { display: block; }
  .key { display: flex; }
  dl.facts { grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); }
  th, td { padding: 0.35rem 0.55rem; }
}
@media print {
  :root {
    color-scheme: light;
    --paper: #ffffff; --ink: #000000; --muted: #444444; --grid: #cccccc; --soft: #f4f4f4; --accent: #004f80;
    --warning: #6b3a00; --warning-soft: #ffffff; --info-soft: #ffffff; --shade: #b3600f;
    --series-1: #0067a8; --series-2: #c04f00; --series-3: #00795a;
    --series-4: #a3427c; --series-5: #856100; --series-6: #5a50b8;
  }
  body { padding: 0; max-width: none; font-size: 10pt; }
  nav { display: none; }
  .wide { display: block; }
  .narrow, .key:not(.always) { display: none; }
  .scroll { overflow: visible; }
  figure, table, .notice, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
  td.best { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
