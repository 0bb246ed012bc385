# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A debug container in the pod itself, beside the container that is looked at. PRIVATE to the collection.

It needs no right to execute anything: its own command collects, and what it prints is read from its log. The API
server keeps it in the pod's specification for ever, so that its name is used once.
"""

from __future__ import annotations

import re
import typing as t

from .._errors import phrase
from .._k8s.client import STRATEGIC_PATCH, ApiRefused, Object, Right
from .._run import RUN_ID
from .._wait import wait_until
from .collector import EXPIRES, REQUEST
from .moments import moment
from .security import Profile, profiles
from .session import EPHEMERAL, NotPossible, PodGone, Visit
from .statuses import CANNOT_START, ENDED_PHASES, NOT_STARTED, WRONG_IMAGE, is_running, waiting

_NAME = re.compile(rf"({RUN_ID.pattern})-\d+-\d+")


def entries(pod: Object) -> list[tuple[Object, Object]]:
    """Return the debug containers of a pod that are ours, each with its status."""
    status = {each["name"]: each for each in (pod.get("status") or {}).get("ephemeralContainerStatuses") or []}
    ours = [each for each in pod["spec"].get("ephemeralContainers") or [] if _NAME.fullmatch(each["name"])]
    return [(each, status.get(each["name"], {})) for each in ours]


def run_of(name: str) -> str:
    """Return the id of the run that a debug container is of."""
    found = _NAME.fullmatch(name)
    return found[1] if found else ""


def variable(container: Object, name: str) -> str:
    return next((each.get("value", "") for each in container.get("env") or [] if each["name"] == name), "")


def is_over(status: Object) -> bool:
    return "terminated" in (status.get("state") or {})


def visit_ephemeral(visit: Visit) -> None:
    """Collect from inside the pod, or leave a container there for a shell; raise NotPossible where there is no way."""
    pod, request, session = visit.pod, visit.request, visit.session
    _refuse_hopeless(pod)
    if not request.force and _reuse(visit):
        return
    for container, status in entries(pod):
        reason = waiting(status).get("reason")
        if container.get("image") == request.image and reason in WRONG_IMAGE:
            raise NotPossible(f"{container['name']} waits for the same image already ({reason}); name another image")
    rights = [Right("patch", "pods/ephemeralcontainers", request.namespace)]
    if not request.collection.interactive:
        rights.append(Right("get", "pods/log", request.namespace))
    visit.need(*rights)
    taken = len(pod["spec"].get("ephemeralContainers") or [])
    if taken >= request.max_ephemeral:
        raise NotPossible(
            f"the pod has {taken} debug containers already, which nothing but its deletion removes, and at most "
            f"{request.max_ephemeral} are allowed"
        )
    ladder = profiles(pod, session.container, privileged=request.privileged)
    ladder = visit.first_accepted(ladder, lambda profile: _patch(visit, _container(visit, profile, 1), dry_run=True))
    session.mode, session.place = EPHEMERAL, request.namespace
    if visit.dry_run:
        session.profile, session.limits, session.state = ladder[0].name, ladder[0].limits, "planned"
        session.changed = True
        return
    for number, profile in enumerate(ladder[: request.max_ephemeral - taken], 1):
        container = _container(visit, profile, number)
        try:
            _patch(visit, container, dry_run=False)
        except ApiRefused as exc:
            if exc.status != 404:
                raise
            raise _gone(visit) from exc
        session.kind, session.name, session.changed = "debug container", container["name"], True
        session.beside = "targetContainerName" in container
        session.profile, session.limits = profile.name, profile.limits
        session.expires_at = variable(container, EXPIRES)
        failure = _follow(visit, container["name"])
        if not failure:
            return
        session.rejected.append((profile.name, failure))
    raise NotPossible("no debug container would start: " + "; ".join(": ".join(each) for each in session.rejected))


def _refuse_hopeless(pod: Object) -> None:
    status = pod.get("status") or {}
    if "kubernetes.io/config.mirror" in (pod["metadata"].get("annotations") or {}):
        raise NotPossible("it is a static pod, whose specification only its node's kubelet changes")
    if pod["metadata"].get("deletionTimestamp"):
        raise NotPossible("the pod is being deleted")
    if status.get("phase") in ENDED_PHASES:
        raise NotPossible(f"the pod has ended ({status['phase'].lower()}), and nothing starts in it any more")
    if not pod["spec"].get("nodeName"):
        raise NotPossible("the pod is on no node yet")


def _container(visit: Visit, profile: Profile, number: int) -> Object:
    request = visit.request
    name = f"{request.run_id}-{visit.number}-{number}"
    container: Object = {
        "name": name,
        "image": request.image,
        "imagePullPolicy": request.image_pull_policy,
        "command": request.collection.command(request.ttl),
        "env": visit.variables(name),
        "securityContext": dict(profile.context),
    }
    if request.collection.interactive:
        container.update(stdin=True, tty=True)
    else:
        container["securityContext"]["readOnlyRootFilesystem"] = True
    statuses = {each["name"]: each for each in (visit.pod.get("status") or {}).get("containerStatuses") or []}
    if is_running(statuses.get(visit.session.container, {})):
        container["targetContainerName"] = visit.session.container
    return container


def _patch(visit: Visit, container: Object, *, dry_run: bool) -> None:
    visit.login.request(
        "add a debug container",
        "PATCH",
        f"{visit.pod_path}/ephemeralcontainers",
        query={"dryRun": "All"} if dry_run else None,
        body={"spec": {"ephemeralContainers": [container]}},
        content_type=STRATEGIC_PATCH,
    )


def _reuse(visit: Visit) -> bool:
    """Take a live session or a young collection of the same request, if there is one."""
    session, request = visit.session, visit.request
    for container, status in reversed(entries(visit.pod)):
        if variable(container, REQUEST) != visit.digest:
            continue
        state = status.get("state") or {}
        finished = moment((state.get("terminated") or {}).get("finishedAt"))
        ended_well = (state.get("terminated") or {}).get("exitCode") == 0
        young = ended_well and finished and (visit.login.now() - finished).total_seconds() < request.reuse_age
        if "running" not in state and not (young and not request.collection.interactive):
            continue
        session.mode, session.place, session.reused = EPHEMERAL, request.namespace, True
        session.kind, session.name = "debug container", container["name"]
        session.expires_at = variable(container, EXPIRES)
        session.beside = "targetContainerName" in container
        session.profile, session.limits = _profile_of(visit, container)
        if visit.dry_run and not finished:
            session.state = "live"
        else:
            _follow(visit, container["name"])
        return True
    return False


def _profile_of(visit: Visit, container: Object) -> tuple[str, str]:
    given = {key: value for key, value in container["securityContext"].items() if key != "readOnlyRootFilesystem"}
    ladder = profiles(visit.pod, visit.session.container, privileged=True)
    return next(((each.name, each.limits) for each in ladder if dict(each.context) == given), ("another", ""))


def _gone(visit: Visit) -> PodGone:
    return PodGone(f"the pod {visit.chosen.name} was deleted meanwhile, so that this is a part of the report only")


def _follow(visit: Visit, name: str) -> str:
    """Wait until a debug container has ended, or runs for a shell; return why it never started, if so."""
    session, request = visit.session, visit.request
    interactive = request.collection.interactive

    def look() -> tuple[str, str] | None:
        try:
            pod = visit.login.get("look at the debug container", visit.pod_path)
        except ApiRefused as exc:
            if exc.status != 404:
                raise
            return "gone", ""
        if pod["metadata"]["uid"] != session.uid:
            return "gone", ""
        status: dict[str, t.Any] = next((one for each, one in entries(pod) if each["name"] == name), {})
        state = status.get("state") or {}
        waits = waiting(status)
        if waits.get("reason") in CANNOT_START:
            return "wrong", f"{waits['reason']}: {phrase(waits.get('message', ''))}"
        terminated = state.get("terminated") or {}
        if terminated:
            if terminated.get("reason") in NOT_STARTED:
                return "wrong", f"{terminated['reason']}: {phrase(terminated.get('message', ''))}"
            return "ended", ""
        if "running" in state and interactive:
            return "live", ""
        return ("ended", "") if pod["status"].get("phase") in ENDED_PHASES else None

    found = wait_until(look, visit.patience, interval=0.15, max_interval=0.3, before_sleep=visit.check)
    outcome, words = found or ("late", "")
    if outcome == "wrong":
        # Another profile has the same image.
        if words.startswith(WRONG_IMAGE):
            raise NotPossible(
                f"the image {request.image} cannot be had ({words}); name one in image that its node can pull"
            )
        return words
    if outcome == "live":
        session.state = "live"
        session.commands = visit.shell_lines(request.namespace, visit.chosen.name, name)
        return ""
    if outcome == "late" and interactive:
        raise NotPossible(f"the debug container did not start within {request.timeout:.0f} s")
    _read(visit, name)
    if outcome == "gone":
        session.degraded.append(str(_gone(visit)))
    if outcome == "late":
        session.degraded.append(f"the collector was not done after {visit.patience:.0f} s; it ends by itself")
    return ""


def _read(visit: Visit, name: str) -> None:
    text = ""
    try:
        text = visit.login.text("read what was collected", f"{visit.pod_path}/log", container=name)
    except ApiRefused as exc:
        if exc.status == 403:
            visit.session.degraded.append("what was collected cannot be read: this login may not get pods/log")
        elif exc.status not in (400, 404):
            raise
    visit.take_in(text)
