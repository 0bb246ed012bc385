# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts the sessions at several targets, each by the way that is asked for. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from .._confirm import make_confirmation, plan_content
from .._errors import InvalidInput, RunbookError
from .._k8s.client import ApiError, ApiLogin, Object
from .._k8s.objects import container_named
from .._time import utc_now
from .dependencies import dependencies_of, settings_of, tls_ports_of
from .ephemeral import start_ephemeral
from .jobs import start_copy, start_node
from .reads import SharedReads
from .session import AUTO, COPY, EPHEMERAL, NODE, REPORT, DebugRequest, NotPossible, Session, SessionContext
from .target import ALL, Chosen, NoPods, NoTarget, Target, choose

_MOST_AT_ONCE = 10
_WAYS = {AUTO: start_ephemeral, EPHEMERAL: start_ephemeral, COPY: start_copy, NODE: start_node}


def start_sessions(
    login: ApiLogin,
    request: DebugRequest,
    targets: Sequence[Target],
    check: Callable[[], None],
    meanwhile: Callable[[Sequence[Chosen]], None] | None = None,
    *,
    dry_run: bool,
) -> list[Session]:
    """Go to all targets side by side. One that is wrong or gone stops none of the others; the only one is an error if
    nothing else is to be said of it.

    Those that are one pod have one session. ``meanwhile`` is called with the pods while the sessions are at work.
    """
    reads = SharedReads(login, len(targets))
    chosen: list[Chosen | RunbookError] = []
    for target in targets:
        if target.kind == ALL:
            _refuse_inspection_of_all(request)
            chosen.append(NoPods("all workloads of a namespace are not inspected from inside", {}, expected=True))
            continue
        try:
            chosen.append(choose(reads, request.namespace, target, reads.now()))
        except NoPods as exc:
            # There is still something to be said of it.
            chosen.append(exc)
        except NoTarget as exc:
            # Where it is diagnosed besides, its last events may tell what became of it.
            if len(targets) == 1 and (meanwhile is None or request.collection.interactive):
                raise
            chosen.append(exc)
    for each in chosen:
        if isinstance(each, Chosen):
            pick_container(each.pod, request.container)
    with ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
        tasks: dict[str, Future[Session]] = {}
        places: list[str] = []
        for number, (target, each) in enumerate(zip(targets, chosen, strict=True), 1):
            place = each.pod["metadata"]["uid"] if isinstance(each, Chosen) else target.asked
            places.append(place)
            if place not in tasks:
                tasks[place] = pool.submit(_start_session, login, reads, request, each, target, number, check, dry_run)
        if meanwhile:
            meanwhile([each for each in chosen if isinstance(each, Chosen)])
        started = {place: task.result() for place, task in tasks.items()}
    return [_for_target(started[place], target, each) for place, target, each in zip(places, targets, chosen)]


def _refuse_inspection_of_all(request: DebugRequest) -> None:
    """Raise InvalidInput for more than a report of a whole namespace: it would leave something in each of its pods."""
    if request.mode not in (AUTO, REPORT) or request.collection.interactive or request.collection.capture:
        raise InvalidInput(
            "O(targets) has all, of which only a report is made; name the workloads that are to be inspected from "
            "inside, as in deployment/NAME."
        )


def _for_target(session: Session, target: Target, chosen: Chosen | RunbookError) -> Session:
    """Return the session of a target, which may be that of an earlier one."""
    if session.asked == target.asked or not isinstance(chosen, Chosen):
        return session
    return replace(session, asked=target.asked, why=chosen.why, same_as=session.asked, changed=False, reused=True)


def unopened(request: DebugRequest, sessions: Sequence[Session]) -> list[str]:
    """Return why a shell could not be opened, of those targets of which that is so."""
    if not request.collection.interactive:
        return []
    return [line for each in sessions if not each.has_shell and not each.same_as for line in each.degraded]


def confirmation(
    login: ApiLogin, request: DebugRequest, targets: Sequence[Target], sessions: Sequence[Session]
) -> dict[str, t.Any]:
    """Return the hash of a plan, and what the module runbook_confirm takes."""
    planned = [each for each in sessions if each.changed]
    content = plan_content(
        [login.server, login.cluster],
        request.namespace,
        sorted(target.asked for target in targets),
        [request.mode, request.privileged, request.image, request.ttl, request.container, request.node_namespace],
        [request.collection.interactive, str(request.collection.capture), list(request.copy_command)],
    )
    with_rights = " with all privileges" if request.privileged else ""
    lines = [f"{each.asked}: {each.mode}, profile {each.profile or 'none'}{with_rights}" for each in planned]
    return {
        "confirm": make_confirmation(content, len(planned)),
        "confirmation": {
            "content": content,
            "count": len(planned),
            "what": f"{len(planned)} of {len(sessions)} targets in {request.namespace}, {request.mode}{with_rights}",
            "growth": 1.0,
            "lines": [*lines, *(line for each in sessions for line in each.degraded)],
        },
    }


def _start_session(
    login: ApiLogin,
    reads: SharedReads,
    request: DebugRequest,
    chosen: Chosen | RunbookError,
    target: Target,
    number: int,
    check: Callable[[], None],
    dry_run: bool,
) -> Session:
    session = Session(target.asked)
    if isinstance(chosen, RunbookError):
        wanted = request.mode != AUTO or request.collection.interactive
        if wanted or not (isinstance(chosen, NoPods) and chosen.expected):
            session.degraded.append(str(chosen))
        return session
    started = utc_now()
    session.pod, session.why = chosen.name, chosen.why
    session.uid = chosen.pod["metadata"]["uid"]
    session.container = pick_container(chosen.pod, request.container)
    spec = container_named(chosen.pod, session.container)
    found = request.collection.dependencies or dependencies_of(spec, _settings(reads, request, chosen, session))
    collection = replace(request.collection, dependencies=found, own_tls=tls_ports_of(spec))
    request = replace(request, collection=collection)
    context = SessionContext(login, reads, request, chosen, session, check, number, dry_run)
    try:
        if request.mode in _WAYS:
            _WAYS[request.mode](context)
    except (NotPossible, ApiError) as exc:
        session.mode = REPORT
        tried = EPHEMERAL if request.mode == AUTO else request.mode
        session.degraded.append(f"no inspection from inside ({tried}): {exc}")
    except RunbookError as exc:
        # Others are to be told of, also if this one failed.
        session.degraded.append(str(exc))
    session.seconds = round((utc_now() - started).total_seconds(), 3)
    return session


def _settings(reads: SharedReads, request: DebugRequest, chosen: Chosen, session: Session) -> dict[str, str]:
    """Return what the container has from ConfigMaps, as far as this login may read them."""

    def read(name: str) -> Object | None:
        try:
            return reads.get("read a ConfigMap", f"/api/v1/namespaces/{request.namespace}/configmaps/{name}")
        except ApiError:
            return None

    return settings_of(chosen.pod["spec"], session.container, read)


def pick_container(pod: Object, wanted: str) -> str:
    """Return the container that is meant: the one that was named, the one in trouble, or the pod's own default."""
    names = [each["name"] for each in pod["spec"]["containers"]]
    if wanted:
        if wanted not in names:
            raise InvalidInput(
                f"The pod {pod['metadata']['name']} has no container {wanted[:80]!r}; it has {', '.join(names)}: "
                "name one of them in O(container)."
            )
        return wanted
    for each in (pod.get("status") or {}).get("containerStatuses") or []:
        if not each.get("ready", False):
            return str(each["name"])
    annotations = pod["metadata"].get("annotations") or {}
    default = annotations.get("kubectl.kubernetes.io/default-container")
    return str(default) if default in names else str(names[0])
