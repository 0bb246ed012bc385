# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is left of debugging, and its removal. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from .._errors import InvalidInput, RunbookError
from .._k8s.client import ApiLogin, ApiRefused, Object
from .._k8s.execute import execute
from .._wait import wait_until
from .collector import EXPIRES, SESSION
from .ephemeral import entries, is_over, run_of, variable
from .jobs import EXPIRES_AT, MANAGED_BY, OURS, RUN, TARGET, TARGET_UID, delete_job
from .moments import moment, span
from .statuses import ENDED_PHASES, is_running

_END_SECONDS = 10.0
LIVE, EXPIRED, ORPHANED, ENDED, WAITING = "live", "expired", "orphaned", "ended", "waiting"

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
    """Something of ours; ``state`` is live, expired, orphaned (its pod is gone), ended or waiting."""

    kind: str
    namespace: str
    name: str
    target: str
    run_id: str
    state: str
    expires_at: str
    age: float

    def to_plain(self, outcome: str, why: str) -> dict[str, t.Any]:
        line = f"{outcome}: {self.kind} {self.namespace}/{self.name} for {self.target} ({self.state}), {why}"
        return {**self.__dict__, "age": span(self.age), "outcome": outcome, "why": why, "line": line}


def find_leftovers(login: ApiLogin, namespaces: Sequence[str], unknown: list[str]) -> list[Leftover]:
    """Return what is there of ours, in all namespaces if none is named; ``unknown`` gets what may not be read."""
    pods = _in_scope(login, namespaces, "/api/v1", "pods", unknown, {})
    jobs = _in_scope(login, namespaces, "/apis/batch/v1", "jobs", unknown, {"labelSelector": f"{MANAGED_BY}={OURS}"})
    now = login.now()
    alive = {pod["metadata"]["uid"] for pod in pods}
    readable = not unknown
    found = [_of_container(pod, container, status, now) for pod in pods for container, status in entries(pod)]
    found += [_of_job(job, alive if readable and not namespaces else None, now) for job in jobs]
    return sorted(found, key=lambda each: (each.namespace, each.kind, each.name))


def _in_scope(
    login: ApiLogin, namespaces: Sequence[str], base: str, plural: str, unknown: list[str], query: dict[str, str]
) -> list[Object]:
    found = []
    for where in namespaces or [""]:
        path = f"{base}/namespaces/{where}/{plural}" if where else f"{base}/{plural}"
        try:
            found += login.items(f"list {plural} {f'in {where}' if where else 'of all namespaces'}", path, **query)
        except ApiRefused as exc:
            if exc.status != 403:
                raise
            unknown.append(f"{plural} {f'in {where}' if where else 'of all namespaces'}: this login may not list them")
    return found


def _of_container(pod: Object, container: Object, status: Object, now: datetime) -> Leftover:
    about = pod["metadata"]
    expires = variable(container, EXPIRES)
    created = moment(_stamp(container["name"]))
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


def _stamp(name: str) -> str:
    """Return the time that the id of a run begins with, as the API server writes times."""
    day, time = name[:8], name[9:15]
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}Z"


def _by_time(expires: str, now: datetime) -> str:
    end = moment(expires)
    return EXPIRED if end is None or end <= now else LIVE


def _of_job(job: Object, alive: set[str] | None, now: datetime) -> Leftover:
    about = job["metadata"]
    labels, notes = about.get("labels") or {}, about.get("annotations") or {}
    expires = notes.get(EXPIRES_AT, "")
    state = _by_time(expires, now)
    if state == LIVE and alive is not None and labels.get(TARGET_UID) not in alive:
        state = ORPHANED
    created = moment(about.get("creationTimestamp"))
    return Leftover(
        "job",
        about["namespace"],
        about["name"],
        notes.get(TARGET, ""),
        labels.get(RUN, ""),
        state,
        expires,
        (now - created).total_seconds() if created else 0.0,
    )


def clean_up(
    login: ApiLogin,
    namespaces: Sequence[str],
    check: Callable[[], None],
    *,
    everything: bool,
    dry_run: bool,
) -> tuple[list[dict[str, t.Any]], list[str]]:
    """End and remove what has expired or lost its pod, or ``everything``; return what was found, and notices."""
    unknown: list[str] = []
    found = find_leftovers(login, namespaces, unknown)
    # Of each namespace, two lists were asked for.
    if len(unknown) == 2 * max(1, len(namespaces)):
        raise InvalidInput(
            f"Nothing may be looked at ({'; '.join(unknown)}); name namespaces that this login may list."
        )
    rows = []
    for each in found:
        check()
        rows.append(_settle(login, each, everything=everything, dry_run=dry_run))
    return rows, unknown


def _settle(login: ApiLogin, each: Leftover, *, everything: bool, dry_run: bool) -> dict[str, t.Any]:
    due = each.state in (EXPIRED, ORPHANED) or (everything and each.state == LIVE)
    if each.kind == "ephemeral container" and each.state == ENDED:
        return each.to_plain("stays", "it has ended; only the deletion of its pod removes the entry")
    if each.state == WAITING:
        return each.to_plain("stays", "it has not started; if it ever does, it ends by itself")
    if not due:
        return each.to_plain("stays", f"it is in use until {each.expires_at}, and then ends by itself")
    reason = {EXPIRED: "it has expired", ORPHANED: "its pod is gone"}.get(each.state, "everything was asked for")
    if dry_run:
        return each.to_plain("would be removed" if each.kind == "job" else "would be ended", reason)
    try:
        if each.kind == "job":
            delete_job(login, each.namespace, each.name)
            return each.to_plain("removed", reason)
        _end(login, each)
    except RunbookError as exc:
        return each.to_plain("failed", str(exc))
    return each.to_plain("ended", reason)


def _end(login: ApiLogin, each: Leftover) -> None:
    """Kill the processes of a debug container, and look whether it has ended; raise RunbookError if not."""
    path = f"/api/v1/namespaces/{each.namespace}/pods/{each.target}"

    def is_gone() -> bool | None:
        pod = login.find("look at the debug container", path)
        found = entries(pod) if pod else []
        return all(is_over(status) for container, status in found if container["name"] == each.name) or None

    failure: RunbookError | None = None
    try:
        execute(login, each.namespace, each.target, each.name, ["sh", "-c", _END, "end", each.name], timeout=10.0)
    except RunbookError as exc:
        # The command dies with the container that it ends.
        failure = exc
    if not wait_until(is_gone, _END_SECONDS):
        raise failure or RunbookError(f"The debug container {each.name} does not end; delete its pod {each.target}.")
