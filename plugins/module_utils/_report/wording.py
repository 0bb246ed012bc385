# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""What every rendering of a report says in the same words."""

from __future__ import annotations

import re
import typing as t
from collections import Counter

from .._time import clock
from .index import Entry, Index
from .model import READ_ONLY, Figure, Plain, Plan, Report
from .text import Scalar, amount, change, duration, label, plural, shorten, visible

SYMBOLS = {
    "planned": "◌",
    "unchanged": "=",
    "done": "✓",
    "attention": "⚠",
    "refused": "⊘",
    "interrupted": "‖",
    "rolled_back": "↩",
    "failed": "✗",
    "critical": "✗",
    "unknown": "?",
}
MARKS = {"proven": "✓", "failed": "✗", "unknown": "?"}
SEVERITY_MARKS = {"ok": "✓", "info": "·", "warning": "⚠", "critical": "✗", "unknown": "?"}
# Longer lists and texts stay whole in the JSON.
MAX_ITEMS = 200
MAX_NAME = 200
MAX_PROSE = 4000
_MAX_COLUMNS = 9
_MAX_LINES = 6
_WORD = re.compile(r"[a-z]+(?: |$)")

_SENTENCES = {
    "planned": "nothing was changed; this is what a run would do",
    "unchanged": "there was nothing to change",
    "done": "everything that was planned was done",
    "refused": "it stopped before anything was changed",
    "interrupted": "it was stopped before its end; run the same command again",
    "rolled_back": "a step failed, and everything is as it was before",
    "failed": "it ended with an error",
}
# What brings back what another run has changed: nobody asks how to undo an undo.
_BRING_BACK = ("restore_redis", "rollback_certs", "cleanup_debug_pods")
_ENDED_WELL = ("planned", "unchanged", "done")
NEEDS_ATTENTION = "needs attention"
_WORST_FIRST = (
    *("unreadable", "failed", "rolled back", "interrupted", "refused", "critical", "unknown", "warning"),
    *(NEEDS_ATTENTION, "planned", "done", "unchanged", "ok"),
)


def ended_well(report: Report) -> bool:
    """Whether a run came to its end; else, why it did not is what matters first."""
    return report.state in _ENDED_WELL


def tone(report: Report | Index | Entry) -> str:
    """What decides symbol and colour: the state or, where that sounds better than it is, what was found."""
    if report.state not in _ENDED_WELL:
        return report.state
    if report.severity:
        return {"ok": "done", "warning": "attention"}.get(report.severity, report.severity)
    return "attention" if report.attention else report.state


def word(report: Report | Index | Entry) -> str:
    """How the run ended, in words; a run that judges is named after the worst that it found."""
    if report.state not in _ENDED_WELL:
        return report.state.replace("_", " ")
    if report.severity:
        return report.severity
    state = "done" if report.runbook in READ_ONLY else report.state
    return f"{state}, {NEEDS_ATTENTION}" if report.attention else state


def sentence(report: Report | Index) -> str:
    """What follows the word."""
    if isinstance(report, Index):
        return _of_hosts(report)
    if report.state == "rolled_back" and report.attention and not report.headline:
        return "; ".join(["a step failed, and its changes were put back", *report.attention])
    if report.state not in _ENDED_WELL:
        return report.headline or _SENTENCES[report.state]
    parts = report.attention
    if report.headline or not parts:
        parts = [report.headline or _usual_sentence(report), *parts]
    if report.not_verified:
        parts = [*parts, f"{plural(len(report.not_verified), 'thing')} could not be verified"]
    return "; ".join(parts)


def _usual_sentence(report: Report) -> str:
    if report.runbook in READ_ONLY and report.state == "unchanged":
        return "this runbook only reads"
    if report.mode == "check" and report.state == "unchanged":
        return "a run would change nothing"
    return _SENTENCES[report.state]


def _of_hosts(index: Index) -> str:
    counts = Counter(NEEDS_ATTENTION if word(entry).endswith(NEEDS_ATTENTION) else word(entry) for entry in index.hosts)
    counts["unreadable"] = len(index.unreadable)
    return ", ".join(
        f"{counts[words]} {'need attention' if words == NEEDS_ATTENTION and counts[words] > 1 else words}"
        for words in _WORST_FIRST
        if counts[words]
    )


def entry_lines(entry: Entry) -> list[str]:
    """What an index tells of a host."""
    return [*([entry.headline] if entry.headline else []), *entry.summary[:3], *entry.attention]


def facts(report: Report | Index) -> list[tuple[str, str]]:
    """Who, when and how long, each as one visible line."""
    rows = [
        ("Run", report.run_id),
        ("Started", clock(report.started)),
        ("Took", took(report.seconds)),
    ]
    if isinstance(report, Report):
        rows.insert(0, ("Cluster", one_line(report.cluster.name, 300)))
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
    """A name that begins like a sentence; one that is not a word, such as market:data:*, stays as it is."""
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


def leading_figures(figures: t.Sequence[Figure]) -> list[Figure]:
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
    values = [row[column] for row in rows if row.get(column) is not None]
    return bool(values) and all(map(is_number, values))


def no_way_back(report: Report) -> bool:
    """Whether something was changed, and still is, that this report cannot say how to undo."""
    undone = report.state == "rolled_back" or report.runbook in _BRING_BACK
    return report.changed and report.undo is None and not undone


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
    lines = [f"{word(report).upper()}: {report.title} on {report.host} ({took(report.seconds)}): {sentence(report)}"]
    if report.cluster.name:
        lines.append(f"cluster: {report.cluster.name}")
    problems = _problem_lines(report)
    lines += [*problems, *report.summary] if ended_well(report) else [*report.summary, *problems]
    for figure in leading_figures(report.figures):
        before, after = figure_value(figure, figure.before), figure_value(figure, figure.after)
        values = [text for text, value in ((before, figure.before), (after, figure.after)) if value is not None]
        if values:
            lines.append(f"{heading(figure.name)}: {' -> '.join(values)}")
    if report.proofs:
        lines.append(f"proofs: {proofs_line(report)}")
    lines.extend(f"not so: {proof.claim} ({proof.evidence})" for proof in report.proofs if proof.result == "failed")
    # Of a check, nothing could be proven yet.
    unknown = [proof for proof in report.proofs if proof.result == "unknown" and report.mode != "check"]
    claims = [each.claim + (f" ({each.evidence})" if each.evidence else "") for each in unknown]
    lines += _first_lines("unknown", claims, "more proof")
    lines.extend(f"not verified: {text}" for text in report.not_verified[:_MAX_LINES])
    lines += _first_lines("degraded", report.degraded, "more line")
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
    if path:
        lines.append(f"report: {path}")
    # A command must stay whole to be of use.
    return [visible(line) if line.startswith(("undo: ", "report: ")) else one_line(line, 500) for line in lines]


def _first_lines(word: str, texts: t.Sequence[str], more: str) -> list[str]:
    """Return a line for each of the first texts, and one that counts the others."""
    lines = [f"{word}: {text}" for text in texts[:_MAX_LINES]]
    rest = len(texts) - _MAX_LINES
    return lines if rest <= 0 else [*lines, f"{word}: {plural(rest, more)} in the report"]


def _problem_lines(report: Report) -> list[str]:
    problems = report.problems
    lines = []
    for each in problems[:_MAX_LINES]:
        where = f"{each.where}: " if each.where else ""
        evidence = f" ({each.evidence})" if each.evidence else ""
        lines.append(f"{each.severity}: {where}{each.what}{evidence}")
        lines += [f"next: {each.next_step}"] if each.next_step else []
    if len(problems) > _MAX_LINES:
        lines.append(f"and {plural(len(problems) - _MAX_LINES, 'more finding')} in the report")
    return lines
