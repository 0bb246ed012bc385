# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks from inside at several targets, each by the way that is asked for. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timezone

from .._errors import InvalidInput, RunbookError
from .._k8s.client import ApiLogin, ApiRefused, Object
from .._k8s.objects import container_named
from .collector import dependencies_of, tls_ports_of
from .ephemeral import visit_ephemeral
from .jobs import visit_copy, visit_node
from .session import AUTO, COPY, EPHEMERAL, NODE, REPORT, DebugRequest, NotPossible, Session, Visit
from .target import Chosen, NoTarget, Target, choose

_MOST_AT_ONCE = 10
_WAYS = {AUTO: visit_ephemeral, EPHEMERAL: visit_ephemeral, COPY: visit_copy, NODE: visit_node}


def visit_all(
    login: ApiLogin,
    request: DebugRequest,
    targets: Sequence[Target],
    check: Callable[[], None],
    *,
    dry_run: bool,
) -> list[Session]:
    """Go to all targets side by side. One that is wrong or gone stops none of the others, unless it is the only one."""
    chosen: list[Chosen | RunbookError] = []
    for target in targets:
        try:
            chosen.append(choose(login, request.namespace, target, login.now()))
        except NoTarget as exc:
            if len(targets) == 1:
                raise
            chosen.append(exc)
    for each in chosen:
        if isinstance(each, Chosen):
            pick_container(each.pod, request.container)
    with ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
        tasks = [
            pool.submit(_visit, login, request, each, target, number, check, dry_run)
            for number, (target, each) in enumerate(zip(targets, chosen, strict=True), 1)
        ]
        return [task.result() for task in tasks]


def _visit(
    login: ApiLogin,
    request: DebugRequest,
    chosen: Chosen | RunbookError,
    target: Target,
    number: int,
    check: Callable[[], None],
    dry_run: bool,
) -> Session:
    session = Session(target.asked)
    if isinstance(chosen, RunbookError):
        session.degraded.append(str(chosen))
        return session
    started = datetime.now(timezone.utc)
    session.pod, session.why = chosen.name, chosen.why
    session.uid = chosen.pod["metadata"]["uid"]
    session.container = pick_container(chosen.pod, request.container)
    spec = container_named(chosen.pod, session.container)
    found = request.collection.dependencies or dependencies_of(spec)
    collection = replace(request.collection, dependencies=found, own_tls=tls_ports_of(spec))
    request = replace(request, collection=collection)
    visit = Visit(login, request, chosen, session, check, number, dry_run)
    try:
        if request.mode in _WAYS:
            _WAYS[request.mode](visit)
    except (NotPossible, ApiRefused) as exc:
        session.mode = REPORT
        session.degraded.append(f"no look from inside ({EPHEMERAL if request.mode == AUTO else request.mode}): {exc}")
    except RunbookError as exc:
        # Others are to be told of, also if this one failed.
        session.degraded.append(str(exc))
    session.seconds = round((datetime.now(timezone.utc) - started).total_seconds(), 3)
    return session


def pick_container(pod: Object, wanted: str) -> str:
    """Return the container that is meant: the one that was named, the one in trouble, or the pod's own default."""
    names = [each["name"] for each in pod["spec"]["containers"]]
    if wanted:
        if wanted not in names:
            raise InvalidInput(
                f"The pod {pod['metadata']['name']} has no container {wanted[:80]!r}; it has {', '.join(names)}."
            )
        return wanted
    for each in (pod.get("status") or {}).get("containerStatuses") or []:
        if not each.get("ready", False):
            return str(each["name"])
    annotations = pod["metadata"].get("annotations") or {}
    default = annotations.get("kubectl.kubernetes.io/default-container")
    return str(default) if default in names else str(names[0])
