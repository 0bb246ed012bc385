# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leftover debug sessions, and their removal. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from .._errors import InvalidInput, RunbookError
from .._k8s.client import ApiError, ApiLogin, Object
from .._k8s.execute import execute
from .._run import run_began
from .._time import parse_time, span
from .._wait import wait_until
from .collector import EXPIRES, SESSION
from .ephemeral import entries, is_over, run_of, variable
from .jobs import EXPIRES_AT, MANAGED_BY, OURS, TARGET, TARGET_UID, delete_job, run_of_job
from .session import CleanupRequest
from .statuses import ENDED_PHASES, is_running

_END_SECONDS = 10.0
# States of a leftover session; "ended" is an outcome, too.
LIVE, EXPIRED, ORPHANED, ENDED, WAITING, UNDATED = "live", "expired", "orphaned", "ended", "waiting", "undated"
STAYS, REMOVED, FAILED = "stays", "removed", "failed"

# Its processes know whose they are; those of the container that is looked at do not.
_END = rf"""
for p in /proc/[0-9]*; do
  [ "$p" != "/proc/$$" ] || continue
  tr '\0' '\n' <"$p/environ" 2>/dev/null | grep -q "^{SESSION}=$1$" && kill -KILL "${{p#/proc/}}" 2>/dev/null
done
exit 0
"""


@dataclass(frozen=True)
class Leftover:
    """Something of ours.

    ``state`` is live, expired, orphaned (its pod is gone), ended, waiting or undated (nothing says when it expires).
    """

    kind: str
    namespace: str
    name: str
    target: str
    run_id: str
    state: str
    expires_at: str
    age: float


@dataclass(frozen=True)
class Settled:
    """What became of something of ours, or would, and why."""

    leftover: Leftover
    outcome: str
    why: str

    @property
    def line(self) -> str:
        found = self.leftover
        where = f"{found.namespace}/{found.name} for {found.target}"
        return f"{self.outcome}: {found.kind} {where} ({found.state}), {self.why}"

    def to_plain(self) -> dict[str, t.Any]:
        own = {"outcome": self.outcome, "why": self.why, "line": self.line}
        return {**self.leftover.__dict__, "age": span(self.leftover.age), **own}


@dataclass(frozen=True)
class Cleanup:
    """All that was found; ``unknown`` is what could not be looked at."""

    found: tuple[Settled, ...]
    unknown: tuple[str, ...]

    def of_outcome(self, *outcomes: str) -> list[Settled]:
        return [each for each in self.found if each.outcome in outcomes]

    def of_state(self, *states: str) -> list[Settled]:
        return [each for each in self.found if each.leftover.state in states]

    @property
    def changed(self) -> bool:
        return len(self.of_outcome(STAYS, FAILED)) < len(self.found)

    def to_plain(self) -> dict[str, t.Any]:
        return {
            "changed": self.changed,
            "found": [each.to_plain() for each in self.found],
            "notices": list(self.unknown),
            "stats": {
                "found": len(self.found),
                "live": len(self.of_state(LIVE)),
                "removed": len(self.of_outcome(REMOVED, ENDED)),
                "leaked": len(self.of_state(EXPIRED, ORPHANED)),
            },
        }


def find_leftovers(login: ApiLogin, request: CleanupRequest, unknown: list[str]) -> list[Leftover]:
    """Return what is there of ours; ``unknown`` gets what may not be read."""
    namespaces = request.namespaces
    # A Job that was made before the pods are listed has lost its pod if that is not among them.
    jobs = _in_scope(login, namespaces, "/apis/batch/v1", "jobs", unknown, {"labelSelector": f"{MANAGED_BY}={OURS}"})
    pods = _in_scope(login, namespaces, "/api/v1", "pods", unknown, {})
    now = login.now()
    alive = {pod["metadata"]["uid"] for pod in pods}
    readable = not unknown
    found = [_of_container(pod, container, status, now) for pod in pods for container, status in entries(pod)]
    found += [_of_job(job, alive if readable and not namespaces else None, now) for job in jobs if run_of_job(job)]
    found = [each for each in found if not request.runs or each.run_id in request.runs]
    return sorted(found, key=lambda each: (each.namespace, each.kind, each.name))


def _in_scope(
    login: ApiLogin, namespaces: Sequence[str], base: str, plural: str, unknown: list[str], query: dict[str, str]
) -> list[Object]:
    found = []
    for where in namespaces or [""]:
        path = f"{base}/namespaces/{where}/{plural}" if where else f"{base}/{plural}"
        try:
            found += login.items(f"list {plural} {f'in {where}' if where else 'of all namespaces'}", path, **query)
        except ApiError as exc:
            if exc.status != 403:
                raise
            unknown.append(f"{plural} {f'in {where}' if where else 'of all namespaces'}: this login may not list them")
    return found


def _of_container(pod: Object, container: Object, status: Object, now: datetime) -> Leftover:
    about = pod["metadata"]
    expires = variable(container, EXPIRES)
    created = run_began(container["name"])
    if is_over(status) or (pod.get("status") or {}).get("phase") in ENDED_PHASES:
        state = ENDED
    else:
        state = _by_time(expires, now) if is_running(status) else WAITING
    return Leftover(
        "ephemeral container",
        about["namespace"],
        container["name"],
        about["name"],
        run_of(container["name"]),
        state,
        expires,
        (now - created).total_seconds() if created else 0.0,
    )


def _by_time(expires: str, now: datetime) -> str:
    end = parse_time(expires)
    if end is None:
        return UNDATED
    return EXPIRED if end <= now else LIVE


def _of_job(job: Object, alive: set[str] | None, now: datetime) -> Leftover:
    about = job["metadata"]
    labels, notes = about.get("labels") or {}, about.get("annotations") or {}
    expires = notes.get(EXPIRES_AT, "")
    state, target_uid = _by_time(expires, now), labels.get(TARGET_UID)
    if state in (LIVE, UNDATED) and alive is not None and target_uid and target_uid not in alive:
        state = ORPHANED
    created = parse_time(about.get("creationTimestamp"))
    return Leftover(
        "job",
        about["namespace"],
        about["name"],
        notes.get(TARGET, ""),
        run_of_job(job),
        state,
        expires,
        (now - created).total_seconds() if created else 0.0,
    )


def clean_up(login: ApiLogin, request: CleanupRequest, check: Callable[[], None], *, dry_run: bool) -> Cleanup:
    """End and remove what has expired or lost its pod, and with force what is live; return what was found."""
    unknown: list[str] = []
    found = find_leftovers(login, request, unknown)
    # Of each namespace, two lists were asked for.
    if len(unknown) == 2 * max(1, len(request.namespaces)):
        raise InvalidInput(
            f"Nothing may be looked at ({'; '.join(unknown)}); name O(namespaces) that this login may list."
        )
    rows = []
    for each in found:
        check()
        rows.append(_settle(login, each, force=request.force, dry_run=dry_run))
    return Cleanup(tuple(rows), tuple(unknown))


def _settle(login: ApiLogin, each: Leftover, *, force: bool, dry_run: bool) -> Settled:
    due = each.state in (EXPIRED, ORPHANED) or (force and each.state in (LIVE, UNDATED))
    if each.kind == "ephemeral container" and each.state == ENDED:
        return Settled(each, STAYS, "it has ended; only the deletion of its pod removes the entry")
    if each.state == WAITING:
        return Settled(each, STAYS, "it has not started; if it ever does, it ends by itself")
    if not due and each.state == UNDATED:
        return Settled(each, STAYS, f"nothing says when it expires; end it by its run, {each.run_id}, with force")
    if not due:
        return Settled(each, STAYS, f"it is in use until {each.expires_at}, and then ends by itself")
    reason = {EXPIRED: "it has expired", ORPHANED: "its pod is gone"}.get(each.state, "live ones were to be ended, too")
    if dry_run:
        return Settled(each, "would be removed" if each.kind == "job" else "would be ended", reason)
    try:
        if each.kind == "job":
            delete_job(login, each.namespace, each.name)
            return Settled(each, REMOVED, reason)
        _end(login, each)
    except RunbookError as exc:
        return Settled(each, FAILED, str(exc))
    return Settled(each, ENDED, reason)


def _end(login: ApiLogin, each: Leftover) -> None:
    """Kill the processes of an ephemeral container, and check whether it has ended; raise RunbookError if not."""
    path = f"/api/v1/namespaces/{each.namespace}/pods/{each.target}"

    def is_gone() -> bool | None:
        pod = login.find("look at the ephemeral container", path)
        found = entries(pod) if pod else []
        return all(is_over(status) for container, status in found if container["name"] == each.name) or None

    failure: RunbookError | None = None
    try:
        execute(login, each.namespace, each.target, each.name, ["sh", "-c", _END, "end", each.name], timeout=10.0)
    except RunbookError as exc:
        # The command dies with the container that it ends.
        failure = exc
    if not wait_until(is_gone, _END_SECONDS):
        raise failure or RunbookError(
            f"The ephemeral container {each.name} does not end; delete its pod {each.target}."
        )
