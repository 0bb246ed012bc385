# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""A report as one page: no script, nothing loaded from elsewhere, every text from outside escaped."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape
from urllib.parse import quote

from .._time import clock
from . import wording
from .chart import MAX_POINTS, bars, downsample, known_values, line_chart
from .index import Entry, Index
from .model import DIAGNOSES, MAX_EVENTS, Event, Figure, Plain, Report
from .render_json import dump
from .style import CSS, ICONS, icon
from .text import NOTHING, after, amount, change, duration, label, plural, unit_of, visible
from .timeline import picture
from .wording import MAX_ITEMS, SEVERITY_MARKS, one_line

_MAX_DEPTH = 8
# Columns that a narrow window has room for.
_MOST_SIDE_BY_SIDE = 3
_MAX_RAW = 300_000
# Should an escape ever be missing, the browser still runs and loads nothing.
_STYLE_HASH = base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
_POLICY = f"default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; style-src 'sha256-{_STYLE_HASH}'"
_FAVICON_COLOURS = {
    "done": "#14713a",
    "unchanged": "#3f6152",
    "planned": "#24569f",
    "attention": "#a84f06",
    "interrupted": "#a84f06",
    "rolled_back": "#a84f06",
    "refused": "#6b3fa0",
    "failed": "#b02222",
    "critical": "#b02222",
    "unknown": "#a84f06",
}


def render(report: Report, file_name: str = "", index_name: str = "") -> str:
    """The page; the names of its JSON file and of the run's index are linked if they are given."""
    body = [
        _banner(report, f'<h1>{_line(report.title)} <span class="host">on {_line(report.host)}</span></h1>'),
        "<main>",
        *_first(report),
        _cards(wording.leading_figures(report.figures)),
        _degraded(report.degraded),
        _way_back(report),
        _proofs(report),
        _charts(report),
        _timeline(report),
        _figures(report.figures),
        _plan(report),
        _actions(report),
        _request(report.asked),
        _details(report.details, kind="screen" if report.runbook in DIAGNOSES else ""),
        _raw(report, file_name),
        "</main>",
        _footer(report, index_name),
    ]
    title = f"{wording.word(report).capitalize()}: {report.title} on {report.host}"
    return _page(title, wording.tone(report), "".join(body))


def render_index(index: Index) -> str:
    """The page over all hosts of a run."""
    rows = [[*_entry(entry)] for entry in index.hosts]
    body = [
        _banner(
            index, f'<h1>{_line(index.title)} <span class="host">on {plural(len(index.hosts), "host")}</span></h1>'
        ),
        "<main>",
    ]
    if index.unreadable:
        names = "".join(f"<li>{_code(name)}</li>" for name in index.unreadable)
        body.append(
            '<section class="warn"><h2>Unreadable reports</h2><p>The state of these hosts is unknown:</p>'
            f"<ul>{names}</ul></section>"
        )
    body.append(_section("Hosts", _table(("Host", "State", "Proofs", "Took", "Summary"), rows, numbers=(3,))))
    body.append(f"</main>{_footer(index, '')}")
    return _page(f"{wording.word(index).capitalize()}: {index.title}", wording.tone(index), "".join(body))


def _entry(entry: Entry) -> Iterable[str]:
    name = _line(entry.host)
    target = entry.files.get("html") or entry.files.get("markdown") or entry.files["json"]
    yield f'<a class="host" href="{escape(quote(target))}">{name}</a>'
    yield _mark(wording.tone(entry), wording.word(entry))
    total = sum(entry.proofs.values())
    yield f"{entry.proofs.get('proven', 0)} of {total}" if total else NOTHING
    yield escape(wording.took(entry.seconds))
    lines = wording.entry_lines(entry)
    undo = f'<div class="undo"><span class="soft">Undo</span> {_code(entry.undo, 600)}</div>' if entry.undo else ""
    yield ("<br>".join(_prose(text) for text in lines) + undo) or NOTHING


# Text: everything from outside goes through one of these three.


def _line(text: str, limit: int = wording.MAX_NAME) -> str:
    return escape(one_line(text, limit))


def _code(text: str, limit: int = wording.MAX_NAME) -> str:
    return f"<code>{_line(text, limit)}</code>" if text else f'<span class="soft">{NOTHING}</span>'


def _prose(text: str) -> str:
    """A message, whose line breaks mean something."""
    return "<br>".join(escape(visible(line)) for line in wording.lines_of(text))


def _block(text: str) -> str:
    """A text whose lines stay as they are, for copying."""
    return "\n".join(escape(visible(line)) for line in text.strip("\n").split("\n"))


# The parts of a page.


def _page(title: str, tone: str, body: str) -> str:
    drawing = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-1 -1 26 26" fill="{_FAVICON_COLOURS[tone]}" '
        f'stroke="#fff" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">{ICONS[tone]}</svg>'
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{_line(title)}</title>\n"
        f'<link rel="icon" href="data:image/svg+xml,{quote(drawing)}">\n'
        f"<style>{CSS}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _banner(report: Report | Index, heading: str) -> str:
    tone = wording.tone(report)
    chip = '<span class="chip">check run</span>' if report.mode == "check" else ""
    facts = "".join(f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in wording.facts(report))
    return (
        f'<div class="banner {tone}"><header>{icon(tone)}<div>'
        f'<div class="state">{wording.word(report)} <span>· {_line(wording.sentence(report))}</span>{chip}</div>'
        f'{heading}<dl class="facts">{facts}</dl></div></header></div>\n'
    )


def _section(heading: str, content: str, note: str = "", kind: str = "") -> str:
    note = f" <small>{note}</small>" if note else ""
    kind = f' class="{kind}"' if kind else ""
    return f"<section{kind}><h2>{heading}{note}</h2>{content}</section>\n"


def _lead(lines: Sequence[str]) -> str:
    return '<ul class="lead">' + "".join(f"<li>{_prose(line)}</li>" for line in lines) + "</ul>\n" if lines else ""


def _cards(figures: Sequence[Figure]) -> str:
    cards = []
    for figure in figures:
        now = figure.before if figure.after is None else figure.after
        text, unit = wording.figure_value(figure, now), f" {one_line(unit_of(now, figure.unit))}"
        small = ""
        if figure.unit and text.endswith(unit):
            text, small = text[: -len(unit)], f"<small>{escape(unit[1:])}</small>"
        origin = ""
        if figure.before is not None and figure.after is not None:
            difference = change(figure.before, figure.after, figure.unit)
            origin = (
                difference if difference == "unchanged" else wording.figure_value(figure, figure.before) + " before"
            )
        elif figure.before is not None:
            origin = "now"
        cards.append(
            f'<div><dt>{_line(wording.heading(figure.name))}</dt><dd class="big">{escape(text)}{small}</dd>'
            f'<dd class="from">{_line(origin)}</dd></div>'
        )
    return f'<dl class="cards">{"".join(cards)}</dl>\n' if cards else ""


def _first(report: Report) -> list[str]:
    parts = [_findings(report), _lead(report.summary)]
    return parts if wording.ended_well(report) else parts[::-1]


def _findings(report: Report) -> str:
    items = []
    for each in report.worst_findings[:MAX_ITEMS]:
        where = f"<b>{_line(each.where)}:</b> " if each.where else ""
        more = f'<div class="soft">{_prose(wording.heading(each.evidence))}</div>' if each.evidence else ""
        more += f'<div class="next">{_prose(each.next_step)}</div>' if each.next_step else ""
        items.append(f"<li>{_mark(each.severity, each.severity)}<div>{where}{_prose(each.what)}{more}</div></li>")
    content = f'<ul class="findings">{"".join(items)}</ul>{_more(len(report.findings))}'
    return _section("Findings", content) if items else ""


def _degraded(lines: Sequence[str]) -> str:
    items = "".join(f"<li>{_prose(wording.heading(line))}</li>" for line in lines)
    return _section("Degraded", f"<ul>{items}</ul>", kind="warn") if lines else ""


def _way_back(report: Report) -> str:
    parts = []
    if report.undo:
        command = f'<pre class="command" tabindex="0"><code>{_block(report.undo.command)}</code></pre>'
        note = f'<p class="soft">{_prose(report.undo.note)}</p>' if report.undo.note else ""
        hint = "one click selects the whole command" if report.undo.command else ""
        parts.append(_section("Undo", (command if report.undo.command else "") + note, hint))
    elif wording.no_way_back(report):
        parts.append(_section("No undo", "<p>No undo is recorded for this run.</p>", kind="warn"))
    if report.backup:
        rows = [("File", _code(report.backup.path, 1000))]
        rows += [(name, escape(text)) for name, text in wording.backup_facts(report) if text]
        rows += [("SHA-256", _code(report.backup.sha256, 10_000))] if report.backup.sha256 else []
        note = f'<p class="soft">{_prose(report.backup.note)}</p>' if report.backup.note else ""
        parts.append(_section("Backup", _map(rows) + note))
    return f'<div class="pair">{"".join(parts)}</div>\n' if parts else ""


def _proofs(report: Report) -> str:
    rows = [
        [
            _mark(proof.result, wording.mark_word(proof.result, report.mode)),
            _prose(wording.heading(proof.claim)),
            _prose(wording.heading(proof.evidence)),
        ]
        for proof in report.proofs
    ]
    note = wording.proofs_line(report)
    return _section("Proofs", _table(("Result", "Claim", "Evidence"), rows), note) if rows else ""


def _mark(kind: str, word: str) -> str:
    return f'<span class="mark {kind}">{icon(kind)}{escape(word)}</span>'


def _charts(report: Report) -> str:
    figures = []
    for number, series in enumerate(report.series):
        values = known_values(series)
        reading = ""
        if values:
            reading = (
                f"min {amount(min(values), series.unit)} · max {amount(max(values), series.unit)} · "
                f"last {amount(values[-1], series.unit)}"
            )
        # The first of an odd number has the whole width, except on a narrow screen.
        full = number == 0 and len(report.series) % 2 == 1
        charts = line_chart(series, wide=True) + line_chart(series) if full else line_chart(series)
        kind = ' class="full"' if full else ""
        figures.append(
            f"<figure{kind}><figcaption><b>{_line(wording.heading(series.name))}</b>"
            f'<span class="soft">{_line(reading)}</span></figcaption>{charts}</figure>'
        )
    return (
        _section("Over time", f'<div class="charts">{"".join(figures)}</div>', "from the start of the run")
        if figures
        else ""
    )


def _timeline(report: Report) -> str:
    if not report.timeline:
        return ""
    more = len(report.timeline) - MAX_EVENTS
    rest = f'<p class="soft">and {more:,} more in the JSON</p>' if more > 0 else ""
    drawing = f'<div class="wide drawn">{picture(report.timeline, report.finished)}</div>'
    events = "".join(_event(event) for event in report.timeline[:MAX_EVENTS])
    return _section("Timeline", f'{drawing}<ol class="line told">{events}</ol>{rest}', "times are UTC")


def _event(event: Event) -> str:
    """An event in words, for a window that is too narrow for the drawing."""
    when = clock(event.start) + (f" to {clock(event.end)}" if event.end else "")
    note = f'<div class="soft">{_line(event.note)}</div>' if event.note else ""
    mark = f'<span class="mark {event.severity}">{SEVERITY_MARKS[event.severity]}</span>'
    return f'<li>{mark} {_line(wording.heading(event.name))}<div class="soft">{when}</div>{note}</li>'


def _figures(figures: Sequence[Figure]) -> str:
    if not figures:
        return ""
    heading, heads, rows = wording.figure_table(figures)
    cells = [[_line(text) for text in row] for row in rows]
    return _section(heading, _table(heads, cells, numbers=range(1, len(heads))))


def _plan(report: Report) -> str:
    plan = report.plan
    if plan is None:
        return ""
    content = "".join(f"<li>{_prose(line)}</li>" for line in plan.summary)
    content = f'<ul class="plain">{content}</ul>' if content else ""
    rows = [(escape(name), escape(text)) for name, text in wording.plan_figures(plan)]
    rows += [("hash", _code(plan.hash))] if plan.hash else []
    content += _map(rows)
    if plan.not_verified:
        lines = "".join(f"<li>{_prose(line)}</li>" for line in plan.not_verified)
        content += f'<h3>Not verified</h3><ul class="plain">{lines}</ul>'
    if plan.sample:
        names = "\n".join(_line(name) for name in plan.sample[:MAX_ITEMS])
        content += f"<h3>Sample</h3><pre>{names}</pre>{_more(len(plan.sample))}"
    return _section("Plan", content)


def _actions(report: Report) -> str:
    items = []
    for action in report.actions[:MAX_ITEMS]:
        at = f' <span class="soft">+{duration(after(action.at, report.started))}</span>' if action.at else ""
        detail = f'<div class="soft">{_prose(wording.heading(action.detail))}</div>' if action.detail else ""
        kind = ' class="changed"' if action.changed else ""
        items.append(f"<li{kind}>{_prose(wording.heading(action.what))}{at}{detail}</li>")
    changed = sum(1 for action in report.actions if action.changed)
    note = f"{changed} of {len(report.actions)} changed something"
    content = f'<ol class="line">{"".join(items)}</ol>{_more(len(report.actions))}'
    return _section("Actions", content, note) if items else ""


def _request(asked: Mapping[str, Plain]) -> str:
    rows = [(_line(key), _value(value, "", 0, code=True)) for key, value in asked.items()]
    return _section("Request", _map(rows)) if rows else ""


def _details(details: Mapping[str, Plain], kind: str) -> str:
    parts = []
    rows: list[tuple[str, str]] = []
    for key, value in details.items():
        words, unit = label(key)
        if isinstance(value, (dict, list)) and value:
            parts.append(f"<h3>{_line(words)}</h3>{_nested(key, value, 1)}")
        else:
            rows.append((_line(words), _value(value, unit, 1)))
    return _section("Details", _map(rows) + "".join(parts), kind=kind) if rows or parts else ""


def _raw(report: Report, file_name: str) -> str:
    text = dump(report.to_plain())
    note = ""
    if len(text) > _MAX_RAW:
        series = tuple(replace(one, points=tuple(downsample(one.points, MAX_POINTS))) for one in report.series)
        plan = report.plan and replace(report.plan, sample=report.plan.sample[:MAX_ITEMS])
        text = dump(replace(report, series=series, plan=plan).to_plain())[:_MAX_RAW]
        note = '<p class="soft">Shortened; the JSON file has everything.</p>'
    link = f'<p><a href="{escape(quote(file_name))}">{_line(file_name)}</a></p>' if file_name else ""
    return f'<details class="raw"><summary>JSON</summary>{link}{note}<pre>{escape(text)}</pre></details>\n'


def _footer(report: Report | Index, index_name: str) -> str:
    link = f'<a href="{escape(quote(index_name))}">All hosts of this run</a> · ' if index_name else ""
    version = f"schema version {report.schema_version}"
    return f"<footer>{link}{report.runbook} finished {clock(report.finished)} · {version}</footer>"


# Data without a fixed shape.


def _map(rows: Sequence[tuple[str, str]]) -> str:
    items = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    return f'<dl class="map">{items}</dl>' if rows else ""


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    kinds = [' class="n"' if column in numbers else "" for column in range(len(heads))]
    head = "".join(f"<th{kind}>{text}</th>" for kind, text in zip(kinds, heads))
    # In a narrow window, rows with texts become blocks, each of their cells with its head.
    stack = len(numbers) < len(heads) - 1 or len(heads) > _MOST_SIDE_BY_SIDE
    shape = ' class="stack"' if stack else ""
    labels = [f' data-label="{text}"' if stack else "" for text in heads]
    body = "".join(
        f"<tr>{''.join(f'<td{kind}{name}>{text}</td>' for kind, name, text in zip(kinds, labels, row))}</tr>"
        for row in rows[:MAX_ITEMS]
    )
    table = f"<table{shape}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide">{table}</div>{_more(len(rows))}'


def _more(total: int) -> str:
    return f'<p class="soft">and {total - MAX_ITEMS:,} more in the JSON</p>' if total > MAX_ITEMS else ""


def _value(value: Plain, unit: str, depth: int, code: bool = False) -> str:
    if isinstance(value, dict):
        return _nested("", value, depth + 1) if value else NOTHING
    if isinstance(value, list):
        if any(isinstance(item, (dict, list)) for item in value):
            return _nested("", value, depth + 1)
        shown = [_value(item, unit, depth, code) for item in value[:MAX_ITEMS]]
        return ((" " if code else ", ").join(shown) or NOTHING) + _more(len(value))
    if isinstance(value, str) and value:
        return _code(value, 600) if code else _prose(value)
    return escape(amount(value, unit))


def _nested(key: str, value: Plain, depth: int) -> str:
    if depth > _MAX_DEPTH:
        return _code(json.dumps(value, ensure_ascii=False), 600)
    if isinstance(value, dict):
        if key.endswith("histogram") and all(wording.is_number(item) for item in value.values()):
            counts = [(one_line(name, 24), number) for name, number in list(value.items())[:MAX_ITEMS]]
            return bars(counts)
        shown = list(value.items())[:MAX_ITEMS]
        rows = []
        for name, item in shown:
            words, unit = label(name)
            content = _nested(name, item, depth + 1) if isinstance(item, dict) and item else _value(item, unit, depth)
            rows.append((_line(words), content))
        return _map(rows) + _more(len(value))
    columns = wording.columns(value)
    if not columns:
        items = "".join(f"<li>{_value(item, '', depth)}</li>" for item in value[:MAX_ITEMS])
        return f'<ul class="plain">{items}</ul>{_more(len(value))}'
    heads = [(column, *label(column)) for column in columns]
    cells = [[_value(item.get(column), unit, depth) for column, _words, unit in heads] for item in value]
    numbers = [place for place, column in enumerate(columns) if wording.is_numeric(value, column)]
    return _table([_line(words) for _column, words, _unit in heads], cells, numbers)
