# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How containers have ended, and whether the kubelet has killed them. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from datetime import datetime

from ..._k8s.client import Object
from ..._time import parse_time, span
from ..observed import Facts
from ..statuses import last_end, waiting
from .common import CANNOT_RUN, container_states, event_time, events_of

RECENT = 3600.0
_SHORT_LIFE = 120.0
# The kubelet found no container any more, and does not know how it ended.
LOST = "ContainerStatusUnknown"
LIVENESS, STARTUP, HOOK = "liveness", "startup", "postStart"
# A container ends so many seconds after the event, at the latest, beside its grace period.
_TOLERANCE = 30.0
_SIGNALS = (137, 143)


class End(t.NamedTuple):
    """How the last run of a container ended, and what became of the container; ``looping`` means again and again."""

    name: str
    code: int
    restarts: int
    started: datetime | None
    finished: datetime
    for_good: bool
    looping: bool
    status: Object

    @property
    def lived(self) -> str:
        return f" after {span((self.finished - self.started).total_seconds())}" if self.started else ""


def ends(facts: Facts) -> Iterator[End]:
    """Yield the ends that are no success, of containers that had started."""
    phase, policy = (facts.pod.get("status") or {}).get("phase"), facts.pod["spec"].get("restartPolicy", "Always")
    for name, status, is_init in container_states(facts):
        end = last_end(status)
        finished, code = parse_time(end.get("finishedAt")), end.get("exitCode", 0)
        if is_init or end.get("reason") in ("OOMKilled", LOST, *CANNOT_RUN) or not finished:
            continue
        if phase == "Succeeded" or (not code and policy != "Always"):
            continue
        started, restarts = parse_time(end.get("startedAt")), status.get("restartCount", 0)
        terminated, recent = "terminated" in (status.get("state") or {}), _is_recent(facts, finished)
        for_good = bool(code and not restarts and terminated)
        looping = _is_looping(status, terminated, recent and started is not None and _is_short(started, finished))
        if for_good or looping or (recent and restarts):
            yield End(name, code, restarts, started, finished, for_good, looping, status)


def _is_recent(facts: Facts, finished: datetime) -> bool:
    return (facts.now - finished).total_seconds() < RECENT


def _is_short(started: datetime, finished: datetime) -> bool:
    return (finished - started).total_seconds() < _SHORT_LIFE


def _is_looping(status: Object, terminated: bool, recent_and_short: bool) -> bool:
    """Tell whether it ends again and again: between two runs it waits, or has just been started again."""
    restarts = status.get("restartCount", 0)
    backs_off = waiting(status).get("reason") == "CrashLoopBackOff"
    return backs_off or (bool(restarts) and (terminated or (restarts > 2 and recent_and_short)))


def killer(facts: Facts, end: End) -> str:
    """Return what made the kubelet kill a container: a probe, its postStart hook, or nothing that is known."""
    grace = float(facts.pod["spec"].get("terminationGracePeriodSeconds") or 30)
    if waiting(end.status).get("reason") == "PostStartHookError":
        return HOOK
    for event in reversed(events_of(facts, "Killing", "FailedPostStartHook", container=end.name)):
        when, message = event_time(event), str(event.get("message") or "")
        near = when is not None and abs((end.finished - when).total_seconds()) <= grace + _TOLERANCE
        # The event may be that of the next end already; an error of the program's own is not one of a signal.
        if not near and end.code not in _SIGNALS:
            continue
        if "PostStartHook" in (event.get("reason") or "") or "PostStartHook" in message:
            return HOOK
        for probe in (LIVENESS, STARTUP):
            if f"failed {probe} probe" in message:
                return probe
    return ""
