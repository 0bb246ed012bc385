# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""What a report is: typed, the same for every runbook and on both sides, and as plain data.

Steps write a ``StepReport`` each, ``merge.py`` makes the ``Report`` of a run of them, and ``read.py`` reads both from
plain data. Must be kept in sync with docs/report.schema.json.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from .._addresses import canonical_server
from .._severity import INFO, rank
from .._time import rfc3339_exact
from .text import Scalar, plural

SCHEMA_VERSION = "1"
MODES = ("check", "run")
# From the best to the worst: a run over several hosts is as bad as its worst host.
STATES = ("unchanged", "planned", "done", "refused", "interrupted", "rolled_back", "failed")
# Runbooks that change nothing, whatever they find.
READ_ONLY = ("redis_stats", "check_certs", "list_debug_pods", "assess_alerts")
# Those whose details are what was read, to be looked into at a screen: a printed page is enough without them.
DIAGNOSES = ("debug_pod",)
RESULTS = ("proven", "failed", "unknown")
# Of a timeline, how many events are shown.
MAX_EVENTS = 60

Plain = t.Any  # what JSON can hold


@dataclass(frozen=True)
class Operator:
    awx_job_id: str = ""
    user: str = ""


@dataclass(frozen=True)
class Cluster:
    """Which Kubernetes cluster a run is about; ``uid`` is that of the namespace kube-system. Empty without one.

    ``note`` says why there is no uid.
    """

    context: str = ""
    server: str = ""
    uid: str = ""
    note: str = ""

    def is_same(self, other: Cluster) -> bool:
        """Whether two are one: by the uid, and by the server where one of the uids is not known."""
        if self.uid and other.uid:
            return self.uid == other.uid
        return canonical_server(self.server) == canonical_server(other.server)

    @property
    def name(self) -> str:
        """The cluster in one line, empty if there is none."""
        names = [text for text in (self.context, self.server) if text]
        words = f"{names[0]} ({names[1]})" if len(names) > 1 else "".join(names)
        return " ".join(text for text in (words, f"uid {self.uid}" if self.uid else "") if text)


@dataclass(frozen=True)
class Plan:
    """What a run is to do; ``not_verified`` is what nobody could find out without doing it."""

    summary: tuple[str, ...] = ()
    figures: Mapping[str, Plain] = field(default_factory=dict)
    hash: str = ""
    sample: tuple[str, ...] = ()
    not_verified: tuple[str, ...] = ()


@dataclass(frozen=True)
class Action:
    what: str
    changed: bool = False
    detail: str = ""
    at: datetime | None = None

    def to_plain(self) -> dict[str, Plain]:
        return asdict(self, dict_factory=_plain_dict)


@dataclass(frozen=True)
class Proof:
    claim: str
    result: str
    evidence: str = ""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or good to know, at ``where``; ``next_step`` is what to do about it."""

    severity: str
    what: str
    where: str = ""
    evidence: str = ""
    next_step: str = ""


@dataclass(frozen=True)
class Undo:
    """The command that brings back what was; without one, ``note`` says why there is none, or that none is needed."""

    command: str
    note: str = ""


@dataclass(frozen=True)
class Backup:
    path: str
    records: int | float | None = None
    bytes: int | float | None = None
    sha256: str = ""
    format: str = ""
    note: str = ""


@dataclass(frozen=True)
class Figure:
    name: str
    before: Scalar = None
    after: Scalar = None
    unit: str = ""


@dataclass(frozen=True)
class Series:
    """Points are (seconds since the start, value); a value that could not be measured is None."""

    name: str
    unit: str = ""
    points: tuple[tuple[float, float | None], ...] = ()


@dataclass(frozen=True)
class Event:
    """Something on the timeline: a moment, or a span where it has an end."""

    name: str
    start: datetime
    end: datetime | None = None
    severity: str = "ok"
    note: str = ""

    def to_plain(self) -> dict[str, Plain]:
        return asdict(self, dict_factory=_plain_dict)


@dataclass(frozen=True)
class StepReport:
    """What one step of a run has to say; what is empty says nothing.

    ``headline`` is the sentence after the state, such as "10 critical, 3 warnings". ``severity`` is that of the worst
    finding of a step that judges, and empty for one that does not.
    """

    run_id: str = ""
    runbook: str = ""
    title: str = ""
    state: str = ""
    headline: str = ""
    severity: str = ""
    started: datetime | None = None
    asked: Mapping[str, Plain] = field(default_factory=dict)
    plan: Plan | None = None
    findings: tuple[Finding, ...] = ()
    actions: tuple[Action, ...] = ()
    proofs: tuple[Proof, ...] = ()
    degraded: tuple[str, ...] = ()
    undo: Undo | None = None
    backup: Backup | None = None
    figures: tuple[Figure, ...] = ()
    series: tuple[Series, ...] = ()
    timeline: tuple[Event, ...] = ()
    details: Mapping[str, Plain] = field(default_factory=dict)
    summary: tuple[str, ...] = ()

    @property
    def plan_lines(self) -> list[str]:
        """What an operator looks at before an answer to the plan."""
        plan = self.plan or Plan()
        not_verified = (f"not verified: {what}" for what in plan.not_verified)
        return [*self.summary, *plan.summary, *plan.sample, *not_verified, *self.degraded]

    def to_plain(self) -> dict[str, Plain]:
        """Only what says something."""
        plain = asdict(self, dict_factory=_plain_dict)
        return {key: value for key, value in plain.items() if value not in ("", None, (), {})}


@dataclass(frozen=True)
class Report:
    """The report of a run on one host; for its parts see ``StepReport``."""

    schema_version: str
    run_id: str
    runbook: str
    title: str
    host: str
    mode: str
    state: str
    headline: str
    severity: str
    started: datetime
    finished: datetime
    operator: Operator
    cluster: Cluster
    asked: Mapping[str, Plain]
    plan: Plan | None
    findings: tuple[Finding, ...]
    actions: tuple[Action, ...]
    proofs: tuple[Proof, ...]
    degraded: tuple[str, ...]
    undo: Undo | None
    backup: Backup | None
    figures: tuple[Figure, ...]
    series: tuple[Series, ...]
    timeline: tuple[Event, ...]
    details: Mapping[str, Plain]
    summary: tuple[str, ...]

    def to_plain(self) -> dict[str, Plain]:
        return asdict(self, dict_factory=_plain_dict)

    @property
    def seconds(self) -> float:
        return (self.finished - self.started).total_seconds()

    @property
    def changed(self) -> bool:
        """Whether something was changed; what a dry run would have changed was not."""
        return self.mode == "run" and any(action.changed for action in self.actions)

    @property
    def worst_findings(self) -> list[Finding]:
        """The findings, the worst first; what is only good to know last."""
        return sorted(self.findings, key=lambda finding: -rank(finding.severity))

    @property
    def problems(self) -> list[Finding]:
        return [finding for finding in self.worst_findings if rank(finding.severity) > rank(INFO)]

    @property
    def attention(self) -> list[str]:
        """Why a run that reached its end still needs attention."""
        found = []
        for result, words in (("failed", "failed"), ("unknown", "unknown")):
            number = sum(1 for proof in self.proofs if proof.result == result)
            # What a dry run did not do, it cannot have proven.
            if number and not (result == "unknown" and self.mode == "check"):
                found.append(f"{number} of {plural(len(self.proofs), 'proof')} {words}")
        if self.degraded:
            found.append(plural(len(self.degraded), "degradation"))
        return found

    @property
    def not_verified(self) -> tuple[str, ...]:
        """What is not known before a run; afterwards, its proofs tell."""
        return self.plan.not_verified if self.plan and self.mode == "check" else ()


def _plain_dict(pairs: list[tuple[str, t.Any]]) -> dict[str, Plain]:
    return {key: rfc3339_exact(value) if isinstance(value, datetime) else value for key, value in pairs}
