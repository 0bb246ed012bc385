# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""The look of a report: one style sheet and the icons, both inside the page."""

from __future__ import annotations

CSS = """
:root {
  color-scheme: light dark;
  --page: #f4f5f7; --card: #fff; --ink: #16191d; --soft: #5b6470; --rule: #e2e5ea; --well: #f4f6f8;
  --accent: #2563c9; --area: #2563c91c;
  --good: #15803d; --bad: #c62828; --warn: #a35a00; --warn-well: #fff6e5; --warn-rule: #f0d49a;
  --banner: #47525f; --on-banner: #fff;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #0f1216; --card: #181c22; --ink: #e6e9ed; --soft: #98a2ae; --rule: #2a3038; --well: #11151a;
    --accent: #6ea8ff; --area: #6ea8ff22;
    --good: #4cc27a; --bad: #ff7b72; --warn: #eab04d; --warn-well: #2a2113; --warn-rule: #57431c;
    --banner: #3b4551;
  }
}
.done { --banner: #14713a; }
.unchanged { --banner: #3f6152; }
.planned { --banner: #24569f; }
.attention, .interrupted, .rolled_back, .unknown { --banner: #a84f06; }
.refused { --banner: #6b3fa0; }
.failed, .critical { --banner: #b02222; }
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 var(--sans);
  font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%;
}
header, main, footer { max-width: 1080px; margin: 0 auto; padding: 0 28px; }
.banner { background: var(--banner); color: var(--on-banner); }
.banner header {
  display: grid; grid-template-columns: auto 1fr; column-gap: 20px; padding-top: 26px; padding-bottom: 24px;
}
.banner .icon { width: 52px; height: 52px; margin-top: 3px; }
.state { font-size: 13px; font-weight: 700; letter-spacing: .09em; text-transform: uppercase; }
.state span { font-weight: 500; letter-spacing: 0; text-transform: none; opacity: .92; }
.state .chip {
  display: inline-block; margin-left: 8px; padding: 0 9px; border: 1px solid #ffffff8c; border-radius: 99px;
  font-weight: 600;
}
h1 { margin: 1px 0 8px; font-size: 28px; line-height: 1.2; font-weight: 650; letter-spacing: -.012em; }
h1 .host { font-weight: 400; opacity: .9; }
.facts { display: flex; flex-wrap: wrap; gap: 2px 20px; margin: 0; font-size: 13px; }
.facts div { display: flex; gap: 6px; }
.facts dt { opacity: .78; }
.facts dd { margin: 0; }
main { padding-top: 24px; padding-bottom: 8px; }
.lead { margin: 0 0 20px; padding: 0; list-style: none; font-size: 17px; line-height: 1.5; max-width: 50em; }
section {
  margin: 0 0 20px; padding: 18px 22px 20px; background: var(--card); border: 1px solid var(--rule);
  border-radius: 10px;
}
h2 { margin: 0 0 12px; font-size: 16px; font-weight: 650; letter-spacing: -.004em; }
h2 small { margin-left: 8px; font-size: 13px; font-weight: 400; color: var(--soft); letter-spacing: 0; }
h3 { margin: 18px 0 8px; font-size: 13px; font-weight: 600; color: var(--soft); }
h3::first-letter { text-transform: uppercase; }
h2 + h3 { margin-top: 0; }
p { margin: 0 0 10px; }
p:last-child, ul:last-child, ol:last-child, dl:last-child, table:last-child { margin-bottom: 0; }
.soft { color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 14px; margin: 0 0 20px; }
.cards div { padding: 14px 18px 15px; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
.cards dt { font-size: 13px; color: var(--soft); overflow-wrap: anywhere; }
.cards dd { margin: 0; }
.cards .big {
  font-size: 27px; line-height: 1.25; font-weight: 620; letter-spacing: -.018em; overflow-wrap: anywhere;
}
.cards .big small { margin-left: 5px; font-size: 14px; font-weight: 400; color: var(--soft); letter-spacing: 0; }
.cards .from { font-size: 13px; color: var(--soft); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(400px, 1fr)); gap: 20px; margin: 0 0 20px; }
.pair > section { margin: 0; }
.pair > .warn { align-self: start; }
.warn { background: var(--warn-well); border-color: var(--warn-rule); }
.warn h2 { color: var(--warn); }
.warn ul { margin: 0; padding-left: 20px; }
ul.plain { margin: 0 0 10px; padding-left: 20px; }
table { width: 100%; margin: 0 0 10px; border-collapse: collapse; }
th {
  padding: 0 16px 6px 0; text-align: left; font-size: 12.5px; font-weight: 600; color: var(--soft);
  border-bottom: 1px solid var(--rule);
}
td { min-width: 6em; padding: 7px 16px 7px 0; vertical-align: top; border-bottom: 1px solid var(--rule); overflow-wrap: anywhere; }
tr:last-child td { border-bottom: 0; padding-bottom: 0; }
th:last-child, td:last-child { padding-right: 0; }
th.n, td.n { text-align: right; white-space: nowrap; }
.wide { overflow-x: auto; }
code, pre, kbd { font-family: var(--mono); font-size: .88em; }
code {
  padding: 1px 5px; background: var(--well); border-radius: 4px; overflow-wrap: anywhere; white-space: pre-wrap;
}
.banner code, .cards code { padding: 0; background: none; }
pre {
  margin: 0 0 10px; padding: 12px 14px; background: var(--well); border: 1px solid var(--rule);
  border-radius: 7px; line-height: 1.5; white-space: pre-wrap; overflow-wrap: anywhere;
}
pre code { padding: 0; background: none; font-size: 1em; }
pre.command {
  user-select: all; -webkit-user-select: all; cursor: copy; font-size: 13.5px;
  border-left: 3px solid var(--accent);
}
dl.map { display: grid; grid-template-columns: minmax(90px, max-content) 1fr; gap: 6px 20px; margin: 0 0 10px; }
dl.map dt { color: var(--soft); overflow-wrap: anywhere; }
dl.map dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
dl.map dl.map { padding-left: 12px; border-left: 2px solid var(--rule); }
.mark { display: inline-flex; align-items: center; gap: 6px; font-weight: 600; white-space: nowrap; }
a.host { white-space: nowrap; font-weight: 600; }
.undo { margin-top: 6px; font-size: 13.5px; }
.mark .icon { width: 17px; height: 17px; flex: none; }
.mark.proven, .mark.ok, .mark.done, .mark.unchanged { color: var(--good); }
.mark.failed, .mark.critical { color: var(--bad); }
.mark.unknown, .mark.warning, .mark.interrupted, .mark.rolled_back, .mark.refused, .mark.attention { color: var(--warn); }
.mark.planned { color: var(--accent); }
.mark.info { color: var(--soft); }
ul.findings { margin: 0; padding: 0; list-style: none; }
ul.findings li { display: grid; grid-template-columns: 112px minmax(0, 1fr); padding: 9px 0; overflow-wrap: anywhere; }
ul.findings li + li { border-top: 1px solid var(--rule); }
ul.findings li:first-child { padding-top: 0; }
ul.findings li:last-child { padding-bottom: 0; }
ul.findings .mark { align-self: start; padding-top: 1px; }
ul.findings .soft { font-size: 14px; }
ul.findings .next::before { content: "→ "; color: var(--accent); }
ol.line { margin: 0; padding: 0; list-style: none; }
ol.line li { position: relative; padding: 0 0 12px 26px; }
ol.line li::before {
  content: ""; position: absolute; left: 4px; top: 7px; width: 9px; height: 9px; border: 2px solid var(--soft);
  border-radius: 50%; background: var(--card); z-index: 1;
}
ol.line li.changed::before { border-color: var(--accent); background: var(--accent); }
ol.line li::after {
  content: ""; position: absolute; left: 8px; top: 12px; bottom: -8px; width: 1px; background: var(--rule);
}
ol.line li:last-child { padding-bottom: 0; }
ol.line li:last-child::after { display: none; }
ol.line .soft { font-size: 14px; }
figure { margin: 0; min-width: 0; }
figcaption { display: flex; flex-wrap: wrap; gap: 0 12px; margin-bottom: 4px; font-size: 13px; }
figcaption b { font-weight: 600; }
.charts { display: grid; grid-template-columns: 1fr 1fr; gap: 20px 28px; }
.charts .full { grid-column: 1 / -1; }
.full .chart.narrow, .told { display: none; }
.chart { display: block; width: 100%; height: auto; font: 11.5px var(--sans); }
.bars { max-width: 560px; }
.chart text { fill: var(--soft); }
.chart .y { text-anchor: end; }
.chart .empty { text-anchor: middle; font-size: 13px; }
.chart .grid, .chart .axis { stroke: var(--rule); stroke-width: 1; fill: none; }
.chart .axis { stroke: var(--soft); stroke-opacity: .55; }
.chart .area { fill: var(--area); }
.chart .line { fill: none; stroke: var(--accent); stroke-width: 1.9; stroke-linejoin: round; stroke-linecap: round; }
.chart .dot, .chart .bar { fill: var(--accent); }
.timeline { min-width: 640px; }
.timeline .end { text-anchor: end; }
.timeline .ok { fill: var(--good); }
.timeline .warning { fill: var(--warn); }
.timeline .critical { fill: var(--bad); }
.timeline .unknown { fill: var(--soft); }
.timeline .name { fill: var(--ink); }
.timeline .now { stroke: var(--accent); stroke-width: 1.4; stroke-dasharray: 4 3; fill: none; }
.read { opacity: 0; }
.read rect { fill: #0000; pointer-events: all; }
.read path { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 2; }
.read circle { fill: var(--card); stroke: var(--accent); stroke-width: 2; }
.chart .read text { fill: var(--ink); font-weight: 600; }
.read:hover { opacity: 1; }
details { margin: 0 0 20px; }
summary { cursor: pointer; color: var(--soft); }
details > :not(summary) { margin-top: 10px; }
details pre { font-size: 12px; }
a { color: var(--accent); text-underline-offset: 2px; }
footer { padding-bottom: 32px; font-size: 13px; color: var(--soft); }
@media (max-width: 640px) {
  header, main, footer { padding-left: 16px; padding-right: 16px; }
  h1 { font-size: 23px; }
  .banner .icon { width: 38px; height: 38px; }
  .pair, .charts { grid-template-columns: minmax(0, 1fr); }
  dl.map { grid-template-columns: 1fr; gap: 0; }
  dl.map dd { margin-bottom: 8px; }
  .cards { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 10px; }
  .cards div { padding: 10px 14px 11px; }
  .cards .big { font-size: 20px; }
  .drawn { display: none; }
  .told { display: block; }
  .stack thead { display: none; }
  .stack, .stack tbody, .stack tr, .stack td { display: block; }
  .stack tr { padding: 8px 0; border-bottom: 1px solid var(--rule); }
  .stack tr:last-child { border-bottom: 0; }
  .stack td, .stack tr:last-child td { padding: 1px 0; border-bottom: 0; }
  .stack td:empty { display: none; }
  .stack td.n { text-align: left; white-space: normal; }
  .stack td[data-label]::before {
    content: attr(data-label); margin-right: 8px; font-size: 12.5px; font-weight: 600; color: var(--soft);
  }
  ul.findings li { grid-template-columns: minmax(0, 1fr); gap: 2px; }
  .full .chart.wide { display: none; }
  .full .chart.narrow { display: block; }
}
@media print {
  @page { margin: 14mm; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  body { background: none; font-size: 10pt; }
  header, main, footer { max-width: none; padding-left: 0; padding-right: 0; }
  .banner header { padding-left: 16px; padding-right: 16px; }
  section { padding: 12px 16px 14px; margin-bottom: 12px; }
  .cards { grid-template-columns: repeat(4, 1fr); gap: 10px; margin-bottom: 12px; }
  .cards div { padding: 9px 12px; }
  .cards .big { font-size: 17pt; }
  .pair { gap: 12px; margin-bottom: 12px; }
  .pair > section, .cards div, figure, dl.map, li, tr, pre { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .raw, .read, .screen { display: none; }
}
"""

# Paths of 24 x 24 icons: the state must be told without its colour.
ICONS = {
    "done": '<circle cx="12" cy="12" r="10"/><path d="m7.5 12.4 3 3 6-6.4"/>',
    "unchanged": '<circle cx="12" cy="12" r="10"/><path d="M8 10h8M8 14h8"/>',
    "planned": '<circle cx="12" cy="12" r="10" stroke-dasharray="3.6 2.7"/><path d="M8 12h8m-3.2-3.2L16 12l-3.2 3.2"/>',
    "interrupted": '<circle cx="12" cy="12" r="10"/><path d="M9.7 8.5v7m4.6-7v7"/>',
    "rolled_back": '<circle cx="12" cy="12" r="10"/><path d="M8 10.5h6a2.8 2.8 0 0 1 0 5.6h-3M10.5 8 8 10.5l2.5 2.5"/>',
    "refused": '<circle cx="12" cy="12" r="10"/><path d="m5.2 5.2 13.6 13.6"/>',
    "failed": '<circle cx="12" cy="12" r="10"/><path d="m8.5 8.5 7 7m0-7-7 7"/>',
    "attention": '<path d="M12 2.8 22 20.5H2Z"/><path d="M12 9.5v5m0 3v.1"/>',
    "unknown": '<circle cx="12" cy="12" r="10"/>'
    '<path d="M9.3 9.4a2.8 2.8 0 1 1 3.9 2.6c-.8.4-1.2 1-1.2 1.9m0 2.9v.1"/>',
}
ICONS["critical"] = '<path d="M8 2h8l6 6v8l-6 6H8l-6-6V8Z"/><path d="M12 7v6m0 3.5v.1"/>'
ICONS["info"] = '<circle cx="12" cy="12" r="10"/><path d="M12 11v6m0-10v.1"/>'
ICONS["proven"] = ICONS["ok"] = ICONS["done"]
ICONS["warning"] = ICONS["attention"]


def icon(name: str) -> str:
    return (
        '<svg class="icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" '
        f'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{ICONS[name]}</svg>'
    )
