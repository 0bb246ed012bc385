# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a run may act on a target now, by rules that are the same for people and machines. PRIVATE."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from .._time import clock, rfc3339_exact, span

ALLOWED = "allowed"
# In the order in which they are asked: what a person has said comes first.
RULES = ("stopped", "maintenance", "namespace", "late", "busy", "cooldown", "rate", "targets", "share")


@dataclass(frozen=True)
class Policy:
    """How much may be done; spans are seconds, and 0 sets no limit.

    ``namespaces`` are those in which anything may be done at all. Without a ``cooldown``, a target is left alone for
    as long as the runs that were there have asked for.
    """

    namespaces: tuple[str, ...]
    cooldown: float | None = 0.0
    window: float = 3600.0
    max_runs: int = 0
    max_targets: int = 0
    max_percent: float = 0.0


@dataclass(frozen=True)
class Request:
    """Which run is to act on what; ``total`` is how many such targets there are, ``deadline`` until when it may begin.

    ``until`` is when the run has ended by itself.
    """

    run_id: str
    runbook: str
    target: str
    namespace: str
    until: datetime
    total: int = 0
    deadline: datetime | None = None
    requester: str = ""


@dataclass(frozen=True)
class Window:
    start: datetime
    end: datetime
    reason: str = ""


@dataclass(frozen=True)
class Control:
    """What people have said: ``stop`` is why nothing may be done, empty where it may."""

    stop: str = ""
    maintenance: tuple[Window, ...] = ()

    def against(self, now: datetime) -> tuple[str, str]:
        """Return the rule by which nothing may be done now, and why; two empty texts where it may."""
        if self.stop:
            return "stopped", f"all runbooks are stopped: {self.stop}"
        for window in self.maintenance:
            if window.start <= now < window.end:
                reason = f"maintenance lasts until {clock(window.end)}"
                return "maintenance", f"{reason}: {window.reason}" if window.reason else reason
        return "", ""


@dataclass(frozen=True)
class Run:
    """A run that was allowed; ``outcome`` is how it ended, empty until then.

    ``cooldown`` is for how many seconds it wants its target left alone afterwards.
    """

    run_id: str
    runbook: str
    target: str
    started: datetime
    until: datetime
    finished: datetime | None = None
    outcome: str = ""
    cooldown: float = 0.0

    def is_of(self, request: Request) -> bool:
        return (self.run_id, self.target) == (request.run_id, request.target)

    def is_open(self, now: datetime) -> bool:
        return self.finished is None and now <= self.until

    @property
    def ended(self) -> datetime:
        """When it ended; one that was lost may have done all of it at once."""
        return self.finished or self.started

    def rests(self, cooldown: float | None = None) -> datetime:
        """Return until when its target is left alone: for so many seconds, or for as long as it has asked for."""
        return self.ended + timedelta(seconds=self.cooldown if cooldown is None else cooldown)


@dataclass(frozen=True)
class Decision:
    """Whether a run may act, by which rule, and why; ``hand_over`` is whether a person has to look now."""

    rule: str
    reason: str
    at: datetime
    hand_over: bool = False

    @property
    def allowed(self) -> bool:
        return self.rule == ALLOWED

    def to_plain(self) -> dict[str, t.Any]:
        return {
            "allowed": self.allowed,
            "rule": self.rule,
            "reason": self.reason,
            "at": rfc3339_exact(self.at),
            "hand_over": self.hand_over,
        }


@dataclass(frozen=True)
class Entry:
    """A decision on record; the same one again only adds to ``times``. A refusal is nobody's run."""

    runbook: str
    target: str
    rule: str
    reason: str
    first: datetime
    last: datetime
    run_id: str = ""
    requester: str = ""
    times: int = 1


def decide(
    policy: Policy, request: Request, control: Control, runs: Sequence[Run], now: datetime, busy: str = ""
) -> Decision:
    """Return the decision of the first rule that refuses; ``busy`` says who is at work on the target."""
    refused = _standing(policy, request, control, now)
    if refused is None and busy:
        refused = Decision("busy", busy, now)
    mine = [each for each in runs if each.is_of(request)]
    # A run that is under way was counted when it began.
    if refused is None and not any(each.is_open(now) for each in mine):
        refused = _late(request, now) or _counted(policy, request, runs, now)
    return refused or Decision(ALLOWED, f"nothing speaks against {request.runbook} of {request.target}", now)


def _standing(policy: Policy, request: Request, control: Control, now: datetime) -> Decision | None:
    """Judge what may change at any moment of a run."""
    rule, reason = control.against(now)
    if rule:
        return Decision(rule, reason, now, hand_over=rule == "stopped")
    if request.namespace not in policy.namespaces:
        allowed = ", ".join(policy.namespaces) or "none"
        return Decision("namespace", f"the namespace {request.namespace} is not allowed (allowed: {allowed})", now)
    return None


def _late(request: Request, now: datetime) -> Decision | None:
    if request.deadline is None or now <= request.deadline:
        return None
    late = span((now - request.deadline).total_seconds())
    return Decision("late", f"the time to respond ended {late} ago", now, hand_over=True)


def _counted(policy: Policy, request: Request, runs: Sequence[Run], now: datetime) -> Decision | None:
    same = [each for each in runs if each.target == request.target and each.run_id != request.run_id]
    last = max(same, key=lambda each: each.rests(policy.cooldown), default=None)
    if last and now < last.rests(policy.cooldown):
        left = span((last.rests(policy.cooldown) - now).total_seconds())
        return Decision("cooldown", f"the run {last.run_id} was there; another may begin in {left}", now)
    since = now - timedelta(seconds=policy.window)
    recent = [each for each in runs if each.started > since and each.run_id != request.run_id]
    there = [each for each in recent if each.target == request.target and each.runbook == request.runbook]
    words = f"within {span(policy.window)}"
    if policy.max_runs and len(there) >= policy.max_runs:
        reason = f"{len(there)} runs {words} did not help (allowed: {policy.max_runs})"
        return Decision("rate", f"{reason}; a person has to look", now, hand_over=True)
    targets = {each.target for each in recent if each.runbook == request.runbook} | {request.target}
    if policy.max_targets and len(targets) > policy.max_targets:
        reason = f"this would be target number {len(targets)} {words} (allowed: {policy.max_targets})"
        return Decision("targets", reason, now, hand_over=True)
    if policy.max_percent and 100 * len(targets) > policy.max_percent * request.total:
        reason = f"this would be {len(targets)} of {request.total} targets {words} (allowed: {policy.max_percent:g} %)"
        return Decision("share", reason, now, hand_over=True)
    return None


def begin(runs: Sequence[Run], request: Request, now: datetime, cooldown: float) -> tuple[Run, ...]:
    """Return the runs with this one, which counts once, and wants its target left alone for so many seconds."""
    mine = Run(request.run_id, request.runbook, request.target, now, request.until, cooldown=cooldown)
    for at, each in enumerate(runs):
        if each.is_of(request):
            again = replace(each, until=request.until, finished=None, outcome="")
            return (*runs[:at], again, *runs[at + 1 :])
    return (*runs, mine)


def finish(runs: Sequence[Run], run_id: str, target: str, outcome: str, now: datetime) -> tuple[Run, ...]:
    """Return the runs where this one has ended."""
    return tuple(
        replace(each, finished=now, outcome=outcome)
        if each.run_id == run_id and each.target == target and each.finished is None
        else each
        for each in runs
    )


def record(entries: Sequence[Entry], request: Request, decision: Decision, most: int) -> tuple[Entry, ...]:
    """Return the record with a decision; that of the same rule on the same target is one entry."""
    run_id = request.run_id if decision.allowed else ""
    for at, each in enumerate(entries):
        if (each.runbook, each.target, each.rule) == (request.runbook, request.target, decision.rule) and (
            each.run_id in ("", run_id)
        ):
            again = replace(each, reason=decision.reason, last=decision.at, times=each.times + 1)
            return (*entries[:at], *entries[at + 1 :], again)
    new = Entry(
        request.runbook,
        request.target,
        decision.rule,
        decision.reason,
        decision.at,
        decision.at,
        run_id,
        request.requester,
    )
    return (*entries, new)[-most:]


def plain(value: Run | Entry) -> dict[str, t.Any]:
    """Return what JSON can hold, without what says nothing."""
    pairs = asdict(value).items()
    return {name: rfc3339_exact(each) if isinstance(each, datetime) else each for name, each in pairs if each}
