# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""What every rendering of a report says in the same words."""

from __future__ import annotations

import re
import typing as t

from .index import Entry, Index
from .model import Figure, Plain, Plan, Report
from .text import Scalar, amount, change, clock, duration, label, plural, shorten, visible

SYMBOLS = {
    "planned": "◌",
    "unchanged": "=",
    "done": "✓",
    "attention": "⚠",
    "refused": "⊘",
    "interrupted": "‖",
    "rolled_back": "↩",
    "failed": "✗",
}
MARKS = {"proven": "✓", "failed": "✗", "unknown": "?"}
SEVERITY_MARKS = {"ok": "✓", "warning": "⚠", "critical": "✗", "unknown": "?"}
# Longer lists and texts stay whole in the JSON.
MAX_ITEMS = 200
MAX_NAME = 200
MAX_PROSE = 4000
_MAX_COLUMNS = 9
_WORD = re.compile(r"[a-z]+(?: |$)")

_SENTENCES = {
    "planned": "nothing was changed; this is what a run would do",
    "unchanged": "there was nothing to change",
    "done": "everything that was planned was done",
    "refused": "a guard stopped it before anything was changed",
    "interrupted": "stopped at a safe point; the same command finishes it",
    "rolled_back": "a step failed, and everything is as it was before",
    "failed": "it ended with an error",
}
_READ_ONLY = ("redis_stats", "check_certs")
_ATTENTION_STATES = ("planned", "unchanged", "done")


def tone(report: Report | Index | Entry) -> str:
    """The state, or attention where the state alone sounds better than it is."""
    return "attention" if report.state in _ATTENTION_STATES and report.attention else report.state


def sentence(report: Report | Index) -> str:
    """What follows the state's word."""
    if report.attention:
        return ", ".join(report.attention)
    if report.runbook in _READ_ONLY and report.state in ("unchanged", "done"):
        return "this runbook only reads"
    if report.mode == "check" and report.state == "unchanged":
        return "a run would change nothing"
    return _SENTENCES[report.state]


def facts(report: Report | Index) -> list[tuple[str, str]]:
    """Who, when and how long, each as one visible line."""
    rows = [
        ("Run", report.run_id),
        ("Started", clock(report.started)),
        ("Took", took(report.seconds)),
    ]
    if isinstance(report, Report):
        rows += [("By", one_line(report.operator.user)), ("AWX job", one_line(report.operator.awx_job_id))]
    return [(name, text) for name, text in rows if text]


def took(seconds: float) -> str:
    # A clock that was set back during the run must not look like a fast run.
    return duration(seconds) if seconds >= 0 else "unknown"


def one_line(text: str, limit: int = MAX_NAME) -> str:
    return visible(shorten(text, limit))


def lines_of(text: str) -> list[str]:
    """The lines of a message, bounded in length; other control characters are left to visible()."""
    return shorten(text.strip(" \t\r\n"), MAX_PROSE).replace("\r\n", "\n").split("\n")


def mark_word(result: str, mode: str) -> str:
    return "not verified" if result == "unknown" and mode == "check" else result


def heading(text: str) -> str:
    """A name that begins like a sentence; one that is no word, such as market:data:*, stays as it is."""
    return text[:1].upper() + text[1:] if _WORD.match(text) else text


def figure_value(figure: Figure, value: Scalar) -> str:
    return one_line(amount(value, figure.unit))


def figure_table(figures: t.Sequence[Figure]) -> tuple[str, tuple[str, ...], list[tuple[str, ...]]]:
    """Heading, column heads and rows: before, after and change where there are both, else one value."""
    names = [one_line(heading(figure.name)) for figure in figures]
    before = [figure_value(figure, figure.before) for figure in figures]
    after = [figure_value(figure, figure.after) for figure in figures]
    if all(figure.before is None for figure in figures):
        return "Figures", ("Figure", "Value"), list(zip(names, after))
    if all(figure.after is None for figure in figures):
        return "Figures", ("Figure", "Now"), list(zip(names, before))
    changes = [one_line(change(figure.before, figure.after, figure.unit)) for figure in figures]
    return "Before and after", ("Figure", "Before", "After", "Change"), list(zip(names, before, after, changes))


def headline(figures: t.Sequence[Figure]) -> list[Figure]:
    """The few figures to show first: those that changed, or could not be compared, before those that did not."""
    return sorted(figures, key=lambda figure: figure.after is not None and figure.before == figure.after)[:4]


def plan_figures(plan: Plan) -> list[tuple[str, str]]:
    rows = []
    for key, value in plan.figures.items():
        words, unit = label(key)
        text = amount(value, unit) if not isinstance(value, (list, dict)) else ", ".join(str(item) for item in value)
        rows.append((one_line(words), one_line(text)))
    return rows


def columns(rows: Plain) -> list[str]:
    """The keys of a list of mappings if it reads well as a table, else nothing."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return []
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return keys if len(keys) <= _MAX_COLUMNS else []


def is_number(value: Plain) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_numeric(rows: Plain, column: str) -> bool:
    return all(row.get(column) is None or is_number(row[column]) for row in rows)


def no_way_back(report: Report) -> bool:
    """Whether something was changed that this report cannot say how to undo."""
    return report.undo is None and report.mode == "run" and any(action.changed for action in report.actions)


def backup_facts(report: Report) -> list[tuple[str, str]]:
    backup = report.backup
    if backup is None:
        return []
    return [
        ("Records", "" if backup.records is None else amount(backup.records)),
        ("Size", "" if backup.bytes is None else amount(backup.bytes, "B")),
        ("Format", one_line(backup.format)),
    ]


def proofs_line(report: Report) -> str:
    """3 of 4 proven, 1 unknown."""
    total = len(report.proofs)
    proven = sum(1 for proof in report.proofs if proof.result == "proven")
    rest = []
    for result in ("failed", "unknown"):
        number = sum(1 for proof in report.proofs if proof.result == result)
        if number:
            rest.append(f"{number} {mark_word(result, report.mode)}")
    return ", ".join([f"{proven} of {total} proven", *rest])


def summary_lines(report: Report, path: str) -> list[str]:
    """The few lines with which a run ends in a terminal; plain ASCII apart from what the runbook itself wrote."""
    state = report.state.upper().replace("_", " ")
    lines = [
        f"{state}: {report.title} on {report.host} ({took(report.seconds)}): {sentence(report)}",
        *report.summary,
    ]
    for figure in headline(report.figures):
        before, after = figure_value(figure, figure.before), figure_value(figure, figure.after)
        values = [text for text, value in ((before, figure.before), (after, figure.after)) if value is not None]
        if values:
            lines.append(f"{heading(figure.name)}: {' -> '.join(values)}")
    if report.proofs:
        lines.append(f"proofs: {proofs_line(report)}")
    lines.extend(f"{proof.result.upper()}: {proof.claim}" for proof in report.proofs if proof.result == "failed")
    lines.extend(f"degraded: {text}" for text in report.degraded[:6])
    if len(report.degraded) > 6:
        lines.append(f"degraded: {plural(len(report.degraded) - 6, 'more line')} in the report")
    if report.backup and report.backup.path:
        known = ", ".join(
            text
            for text in (
                "" if report.backup.records is None else plural(int(report.backup.records), "record"),
                "" if report.backup.bytes is None else amount(report.backup.bytes, "B"),
            )
            if text
        )
        lines.append(f"backup: {report.backup.path}" + (f" ({known})" if known else ""))
    if report.undo and report.undo.command:
        lines.append(f"undo: {report.undo.command}")
    elif no_way_back(report):
        lines.append("undo: none is recorded for this run")
    lines.append(f"report: {path}")
    # A command must stay whole to be of use.
    return [visible(line) if line.startswith(("undo: ", "report: ")) else one_line(line, 500) for line in lines]
