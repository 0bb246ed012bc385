# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""A report for a ticket or a chat: Markdown that reads well as plain text too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from .._time import clock
from . import wording
from .chart import known_values, sparkline
from .index import Index
from .model import Plain, Report
from .text import NOTHING, after, amount, duration, label, plural, visible
from .wording import MARKS, MAX_ITEMS, SEVERITY_MARKS, SYMBOLS, one_line

_MAX_DEPTH = 8
# An underscore inside a word is not emphasis, so that flush_redis stays readable.
_SPECIAL = re.compile(r"[\\`*\[\]<|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|&(?=#|[A-Za-z])")
# What would begin a heading, a quote, a list or a rule.
_LINE_START = re.compile(r"^(?=[#>=]|[-+](?:\s|$)|--)|^(\d+)(?=[.)](?:\s|$))")


def render(report: Report, file_name: str = "", index_name: str = "") -> str:
    """The document; the names of its JSON file and of the run's index are linked if they are given."""
    lines = [
        *_head(report, f"{_text(report.title)} on {_text(report.host)}"),
        *_first(report),
        *_degraded(report),
        *_way_back(report),
        *_proofs(report),
        *_figures(report),
        *_series(report),
        *_timeline(report),
        *_plan(report),
        *_actions(report),
        *_request(report.asked),
        *_details(report.details),
        "---",
        "",
        *_links(("JSON", file_name), ("All hosts of this run", index_name)),
        f"{_text(report.runbook)} finished {clock(report.finished)}, schema version {report.schema_version}.",
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def render_index(index: Index) -> str:
    lines = _head(index, f"{_text(index.title)} on {plural(len(index.hosts), 'host')}")
    if index.unreadable:
        lines += ["## Unreadable reports", "", "The state of these hosts is unknown:", ""]
        lines += _bullets([_code(name) for name in index.unreadable], escaped=True)
    rows = []
    for entry in index.hosts:
        target = entry.files.get("markdown") or entry.files.get("html") or entry.files["json"]
        total = sum(entry.proofs.values())
        rows.append(
            (
                f"[{_text(entry.host)}]({quote(target)})",
                f"{SYMBOLS[wording.tone(entry)]} {wording.word(entry)}",
                f"{entry.proofs.get('proven', 0)} of {total}" if total else NOTHING,
                wording.took(entry.seconds),
                "<br>".join(_text(line) for line in wording.entry_lines(entry)) or NOTHING,
                _code(entry.undo, table=True, limit=600),
            )
        )
    lines += _table(("Host", "State", "Proofs", "Took", "Summary", "Undo"), rows)
    return "\n".join(lines).rstrip("\n") + "\n"


# Text: everything from outside goes through one of these three.


def _text(text: str) -> str:
    """Prose on one line of Markdown; the line breaks of a message become <br>."""
    return "<br>".join(_escape(line) for line in wording.lines_of(text))


def _escape(line: str) -> str:
    line = _SPECIAL.sub(lambda match: "\\" + match.group(), visible(line.strip(" \t\r\n")))
    return _LINE_START.sub(lambda match: f"{match.group(1) or ''}\\", line)


def _code(text: str, table: bool = False, limit: int = wording.MAX_NAME) -> str:
    """A name as a code span, with a fence that the name does not contain."""
    if not text:
        return NOTHING
    text = one_line(text, limit)
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    # One blank is stripped from each side where both have one, which also keeps blanks of the name itself.
    pad = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    span = f"{fence}{pad}{text}{pad}{fence}"
    # Only inside a table is a pipe special in code, and there a backslash makes it plain.
    return span.replace("|", "\\|") if table else span


def _block(text: str, language: str = "") -> list[str]:
    lines = [visible(line) for line in text.strip("\n").split("\n")]
    fence = "`" * max(3, max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return [fence + language, *lines, fence, ""]


# The parts of a document.


def _head(report: Report | Index, title: str) -> list[str]:
    mode = " (check run)" if report.mode == "check" else ""
    facts = " · ".join(f"{name} {_text(text)}" for name, text in wording.facts(report))
    symbol = SYMBOLS[wording.tone(report)]
    state = f"**{symbol} {wording.word(report).upper()}{mode}**: {_text(wording.sentence(report))}"
    return [f"# {title}", "", state, "", facts, ""]


def _bullets(lines: Sequence[str], escaped: bool = False) -> list[str]:
    return [*(f"- {line if escaped else _text(line)}" for line in lines), ""] if lines else []


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> list[str]:
    rows = list(rows)
    ruler = ["---:" if column in numbers else "---" for column in range(len(heads))]
    return [
        *(f"| {' | '.join(cells)} |" for cells in (heads, ruler, *rows[:MAX_ITEMS])),
        "",
        *_more(len(rows)),
    ]


def _more(total: int) -> list[str]:
    return [f"and {total - MAX_ITEMS:,} more in the JSON", ""] if total > MAX_ITEMS else []


def _links(*links: tuple[str, str]) -> list[str]:
    shown = [f"[{words}]({quote(target)})" for words, target in links if target]
    return [" · ".join(shown), ""] if shown else []


def _first(report: Report) -> list[str]:
    findings, lead = _findings(report), _bullets(report.summary)
    return [*findings, *lead] if wording.ended_well(report) else [*lead, *findings]


def _findings(report: Report) -> list[str]:
    lines = []
    for each in report.worst_findings[:MAX_ITEMS]:
        where = f"**{_text(each.where)}**: " if each.where else ""
        more = [_text(wording.heading(text)) for text in (each.evidence,) if text]
        more += [f"Next: {_text(each.next_step)}"] if each.next_step else []
        mark = f"{SEVERITY_MARKS[each.severity]} {each.severity}"
        lines.append("<br>".join([f"- {mark}: {where}{_text(each.what)}", *more]))
    return ["## Findings", "", *lines, "", *_more(len(report.findings))] if lines else []


def _degraded(report: Report) -> list[str]:
    return (
        ["## Degraded", "", *_bullets([wording.heading(line) for line in report.degraded])] if report.degraded else []
    )


def _way_back(report: Report) -> list[str]:
    lines = []
    if report.undo:
        lines += ["## Undo", ""]
        lines += _block(report.undo.command, "sh") if report.undo.command else []
        lines += [_text(report.undo.note), ""] if report.undo.note else []
    elif wording.no_way_back(report):
        lines += ["## No undo", "", "No undo is recorded for this run.", ""]
    if report.backup:
        facts = [f"File: {_code(report.backup.path, limit=1000)}"]
        facts += [f"{name}: {_text(text)}" for name, text in wording.backup_facts(report) if text]
        facts += [f"SHA-256: {_code(report.backup.sha256, limit=10_000)}"] if report.backup.sha256 else []
        facts += [_text(report.backup.note)] if report.backup.note else []
        lines += ["## Backup", "", *_bullets(facts, escaped=True)]
    return lines


def _proofs(report: Report) -> list[str]:
    if not report.proofs:
        return []
    rows = [
        (
            f"{MARKS[proof.result]} {wording.mark_word(proof.result, report.mode)}",
            _text(wording.heading(proof.claim)),
            _text(wording.heading(proof.evidence)),
        )
        for proof in report.proofs
    ]
    line = wording.proofs_line(report)
    return ["## Proofs", "", f"{line}.", "", *_table(("Result", "Claim", "Evidence"), rows)]


def _figures(report: Report) -> list[str]:
    if not report.figures:
        return []
    heading, heads, rows = wording.figure_table(report.figures)
    cells = [[_text(text) for text in row] for row in rows]
    return [f"## {heading}", "", *_table(heads, cells, numbers=range(1, len(heads)))]


def _series(report: Report) -> list[str]:
    rows = []
    for series in report.series:
        values = known_values(series)
        last = max((seconds for seconds, _value in series.points), default=0.0)
        extent = [min(values), max(values), values[-1]] if values else [None] * 3
        shown = [amount(value, series.unit) for value in extent]
        rows.append(
            (
                _text(wording.heading(series.name)),
                _code(sparkline(series), table=True),
                duration(last),
                *map(_text, shown),
            )
        )
    heads = ("Series", "Curve", "Length", "Min", "Max", "Last")
    return ["## Over time", "", *_table(heads, rows, numbers=(2, 3, 4, 5))] if rows else []


def _timeline(report: Report) -> list[str]:
    rows = [
        (
            SEVERITY_MARKS[event.severity] + f" {event.severity}",
            clock(event.start),
            clock(event.end) if event.end else NOTHING,
            _text(wording.heading(one_line(event.name))),
            _text(event.note) or NOTHING,
        )
        for event in report.timeline
    ]
    return ["## Timeline", "", *_table(("Severity", "From", "To", "What", "Note"), rows)] if rows else []


def _plan(report: Report) -> list[str]:
    plan = report.plan
    if plan is None:
        return []
    lines = ["## Plan", "", *_bullets(plan.summary)]
    figures = [f"{_text(name)}: {_text(text)}" for name, text in wording.plan_figures(plan)]
    figures += [f"hash: {_code(plan.hash)}"] if plan.hash else []
    lines += _bullets(figures, escaped=True)
    if plan.not_verified:
        lines += ["Not verified:", "", *_bullets(plan.not_verified)]
    if plan.sample:
        lines += ["Sample:", "", *_block("\n".join(one_line(name) for name in plan.sample[:MAX_ITEMS]))]
        lines += _more(len(plan.sample))
    return lines


def _actions(report: Report) -> list[str]:
    lines = []
    for number, action in enumerate(report.actions[:MAX_ITEMS], 1):
        at = f" (+{duration(after(action.at, report.started))})" if action.at else ""
        kind = "**changed** " if action.changed else ""
        detail = f"<br>{_text(wording.heading(action.detail))}" if action.detail else ""
        lines.append(f"{number}. {kind}{_text(wording.heading(action.what))}{at}{detail}")
    return ["## Actions", "", *lines, "", *_more(len(report.actions))] if lines else []


def _request(asked: Mapping[str, Plain]) -> list[str]:
    return ["## Request", "", *_nested(asked, 0), ""] if asked else []


def _details(details: Mapping[str, Plain]) -> list[str]:
    tables = {key: value for key, value in details.items() if wording.columns(value)}
    rest = {key: value for key, value in details.items() if key not in tables}
    lines = ["## Details", ""] if details else []
    for key, rows in tables.items():
        heads = [(column, *label(column)) for column in wording.columns(rows)]
        cells = [[_cell(row.get(column), unit) for column, _words, unit in heads] for row in rows]
        numbers = [place for place, (column, _words, _unit) in enumerate(heads) if wording.is_numeric(rows, column)]
        lines += [f"### {_text(label(key)[0].capitalize())}", ""]
        lines += _table([_text(words) for _column, words, _unit in heads], cells, numbers)
    lines += ["### More", ""] if rest and tables else []
    return lines + ([*_nested(rest, 0), ""] if rest else [])


def _cell(value: Plain, unit: str) -> str:
    """A value inside a table, where a pipe is special in code as well."""
    if isinstance(value, (dict, list)):
        return _code(json.dumps(value, ensure_ascii=False), table=True, limit=600) if value else NOTHING
    return _code(value, table=True, limit=600) if isinstance(value, str) else _text(amount(value, unit))


def _nested(value: Plain, depth: int) -> list[str]:
    """Data without a fixed shape as nested bullets."""
    indent = "  " * depth
    pairs = list(value.items()) if isinstance(value, Mapping) else [("", item) for item in value]
    lines = []
    for key, item in pairs[:MAX_ITEMS]:
        words, unit = label(key)
        head = f"{_text(words)}:" if key else ""
        if isinstance(item, (dict, list)) and item and depth < _MAX_DEPTH and not _flat(item):
            lines += [f"{indent}- {head}".rstrip(), *_nested(item, depth + 1)]
        else:
            lines.append(f"{indent}- {head} {_value(item, unit)}".replace("-  ", "- "))
    return lines + ([f"{indent}- and {len(pairs) - MAX_ITEMS:,} more in the JSON"] if len(pairs) > MAX_ITEMS else [])


def _flat(value: Plain) -> bool:
    return isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value)


def _value(value: Plain, unit: str) -> str:
    if isinstance(value, list):
        return ", ".join(_value(item, unit) for item in value[:MAX_ITEMS]) or NOTHING
    if isinstance(value, dict):
        return _code(json.dumps(value, ensure_ascii=False), limit=600) if value else NOTHING
    return _code(value, limit=600) if isinstance(value, str) else _text(amount(value, unit))
