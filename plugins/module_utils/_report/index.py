# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""The index of a run: one line for each of its hosts."""

from __future__ import annotations

import typing as t
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from .._severity import worst
from .._time import rfc3339_exact
from .files import SUFFIXES
from .model import RESULTS, SCHEMA_VERSION, STATES, Report


@dataclass(frozen=True)
class Entry:
    host: str
    runbook: str
    state: str
    headline: str
    severity: str
    started: datetime
    finished: datetime
    summary: tuple[str, ...]
    attention: tuple[str, ...]
    proofs: Mapping[str, int]
    degraded: int
    undo: str
    backup: str
    files: Mapping[str, str]

    @property
    def seconds(self) -> float:
        return (self.finished - self.started).total_seconds()


@dataclass(frozen=True)
class Index:
    schema_version: str
    run_id: str
    runbook: str
    title: str
    mode: str
    state: str
    severity: str
    started: datetime
    finished: datetime
    hosts: tuple[Entry, ...]
    unreadable: tuple[str, ...]

    def to_plain(self) -> dict[str, t.Any]:
        return asdict(self, dict_factory=_plain_dict)

    @property
    def seconds(self) -> float:
        return (self.finished - self.started).total_seconds()

    @property
    def attention(self) -> bool:
        return bool(self.unreadable) or any(entry.attention for entry in self.hosts)


def _plain_dict(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    return {key: rfc3339_exact(value) if isinstance(value, datetime) else value for key, value in pairs}


def build(reports: Mapping[str, Report], unreadable: Collection[str], files: Collection[str]) -> Index:
    """The index over the reports by base name of their files, of which at least one is given."""
    severities = [report.severity for report in reports.values() if report.severity]
    newest = max(reports.values(), key=lambda report: report.finished)
    return Index(
        schema_version=SCHEMA_VERSION,
        run_id=newest.run_id,
        runbook=newest.runbook,
        title=newest.title,
        mode=newest.mode,
        state=max((report.state for report in reports.values()), key=STATES.index),
        severity=worst(severities) if severities else "",
        started=min(report.started for report in reports.values()),
        finished=newest.finished,
        hosts=tuple(
            _entry(report, base, files) for base, report in sorted(reports.items(), key=lambda item: item[1].host)
        ),
        unreadable=tuple(sorted(unreadable)),
    )


def _entry(report: Report, base: str, files: Collection[str]) -> Entry:
    return Entry(
        host=report.host,
        runbook=report.runbook,
        state=report.state,
        headline=report.headline,
        severity=report.severity,
        started=report.started,
        finished=report.finished,
        summary=report.summary,
        attention=tuple(report.attention),
        proofs={result: sum(1 for proof in report.proofs if proof.result == result) for result in RESULTS},
        degraded=len(report.degraded),
        undo=report.undo.command if report.undo else "",
        backup=report.backup.path if report.backup else "",
        files={name: base + suffix for name, suffix in SUFFIXES.items() if base + suffix in files},
    )
