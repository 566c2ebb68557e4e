import { Html } from './html.js';

/* How a report looks: on a screen, light or dark, and on paper. */

const CSS = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --text: #1b1f24; --quiet: #57606a; --line: #d8dee4;
  --good: #1a7f37; --good-soft: #dafbe1; --warn: #8a5a00; --warn-soft: #fff3cd; --bad: #b3261e; --bad-soft: #fde7e5; 
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14181d; --card: #1c2128; --text: #e4e8ed; --quiet: #9aa4af; --line: #363d46;
    --good: #5fd07f; --good-soft: #14351f; --warn: #e8b64c; --warn-soft: #3a2e10; --bad: #ff8a80; --bad-soft: #43201d; 
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 2rem 1.5rem 3rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .1rem 0 .6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
p { margin: 0 0 .6rem; overflow-wrap: anywhere; }
.kind { color: var(--quiet); margin: 0; letter-spacing: .03em; }
.badge { display: inline-block; print-color-adjust: exact; padding: .1rem .6rem; border-radius: 1rem; font-weight: 600; border: 1px solid currentColor; white-space: nowrap; }
.good { color: var(--good); background: var(--good-soft); }
td .badge { padding: 0 .5rem; font-size: .85em; }
.plain { color: var(--quiet); }
.warn { color: var(--warn); background: var(--warn-soft); }
.bad { color: var(--bad); background: var(--bad-soft); }
.callout { border-left: .3rem solid currentColor; padding: .7rem 1rem; margin: 1rem 0; border-radius: .3rem; }
.callout p { color: var(--text); }
.callout p:last-child { margin: 0; }
section, .facts { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1.1rem 1.25rem; margin: 1rem 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .75rem; margin: 1rem 0; padding: 0; list-style: none; }
.figures li { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem 1rem; }
.figures b { display: block; font-size: 1.35rem; line-height: 1.3; }
.figures span { color: var(--quiet); font-size: .9rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; margin: 0; }
dl + .scroll, dl + p { margin-top: 1rem; }
.scroll + p { margin: .75rem 0 0; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; white-space: pre-line; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th { text-align: left; font-weight: 600; color: var(--quiet); border-bottom: 2px solid var(--line); white-space: nowrap; }
th, td { padding: .35rem .75rem .35rem 0; vertical-align: top; }
td { border-bottom: 1px solid var(--line); white-space: pre-line; }
.long { overflow-wrap: anywhere; }
tr:last-child td { border-bottom: 0; }
.number, time { font-variant-numeric: tabular-nums; white-space: nowrap; }
.code { font-family: ui-monospace, "Liberation Mono", monospace; font-size: .9em; overflow-wrap: anywhere; }
meter { width: 100%; min-width: 8rem; height: .9rem; }
footer { color: var(--quiet); font-size: .9rem; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; } }
@media print {
  :root {
    color-scheme: light;
    --page: #fff; --card: #fff; --text: #000; --quiet: #444; --line: #bbb;
    --good: #1a7f37; --good-soft: #fff; --warn: #8a5a00; --warn-soft: #fff; --bad: #b3261e; --bad-soft: #fff; 
  }
  @page { margin: 16mm 14mm; }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  section, .facts, .figures li { border-color: var(--line); border-radius: 0; padding: .6rem .8rem; }
  section { border-width: 1px 0 0; padding: .8rem 0; }
  .figures { grid-template-columns: repeat(5, 1fr); }
  .figures b { font-size: 1.15rem; }
  table { font-size: 8.5pt; }
  th, td { padding-right: .5rem; }
  .scroll { overflow: visible; }
  thead { display: table-header-group; }
  tr, .figures li, .callout { break-inside: avoid; }
  h2 { break-after: avoid; }
}
`;

export const STYLE = new Html(`<style>${CSS}</style>`);
