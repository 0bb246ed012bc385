# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An ephemeral container in the pod itself, beside the container that is looked at. PRIVATE to the collection.

It needs no right to execute anything: its own command collects, and what it prints is read from its log. The API
server keeps it in the pod's specification for ever, so that its name is used once.
"""

from __future__ import annotations

import re

from .._errors import as_clause
from .._k8s.client import STRATEGIC_PATCH, ApiError, Object, Right
from .._run import RUN_ID, run_began
from .._time import parse_time, span
from .._wait import wait_until
from .collector import EXPIRES, REQUEST, SESSION
from .security import Profile, profiles
from .session import EPHEMERAL, NotPossible, PodGone, SessionContext
from .statuses import CANNOT_START, ENDED_PHASES, NOT_STARTED, WRONG_IMAGE, has_sandbox, is_running, terminated, waiting

_NAME = re.compile(rf"({RUN_ID.pattern})-\d+-\d+")


def entries(pod: Object) -> list[tuple[Object, Object]]:
    """Return the ephemeral containers of a pod that are ours, each with its status."""
    status = {each["name"]: each for each in (pod.get("status") or {}).get("ephemeralContainerStatuses") or []}
    return [
        (each, status.get(each["name"], {}))
        for each in pod["spec"].get("ephemeralContainers") or []
        if _NAME.fullmatch(each["name"]) and variable(each, SESSION) == each["name"]
    ]


def run_of(name: str) -> str:
    """Return the id of the run that an ephemeral container is of."""
    found = _NAME.fullmatch(name)
    return found[1] if found else ""


def variable(container: Object, name: str) -> str:
    return next((each.get("value", "") for each in container.get("env") or [] if each["name"] == name), "")


def is_over(status: Object) -> bool:
    return "terminated" in (status.get("state") or {})


def start_ephemeral(context: SessionContext) -> None:
    """Collect from inside the pod, or leave a container there for a shell; raise NotPossible where there is no way."""
    pod, request, session = context.pod, context.request, context.session
    _refuse_hopeless(context)
    if not request.force and _reuse(context):
        return
    for container, status in entries(pod):
        _refuse_another(context, container, status)
    rights = [Right("patch", "pods/ephemeralcontainers", request.namespace)]
    if not request.collection.interactive:
        rights.append(Right("get", "pods/log", request.namespace))
    context.need(*rights)
    taken = len(pod["spec"].get("ephemeralContainers") or [])
    if taken >= request.max_ephemeral:
        raise NotPossible(
            f"the pod has {taken} ephemeral containers already, which nothing but its deletion removes, and at most "
            f"{request.max_ephemeral} are allowed"
        )
    ladder = profiles(pod, session.container, privileged=request.privileged)
    ladder = context.first_accepted(
        ladder, lambda profile: _patch(context, _container(context, profile, 1), dry_run=True)
    )
    session.mode, session.place = EPHEMERAL, request.namespace
    if context.dry_run:
        session.profile, session.limits, session.state = ladder[0].name, ladder[0].limits, "planned"
        session.changed = True
        return
    for number, profile in enumerate(ladder[: request.max_ephemeral - taken], 1):
        container = _container(context, profile, number)
        try:
            _patch(context, container, dry_run=False)
        except ApiError as exc:
            if exc.status != 404:
                raise
            raise _gone(context) from exc
        session.kind, session.name, session.changed = "ephemeral container", container["name"], True
        session.beside = "targetContainerName" in container
        session.profile, session.limits = profile.name, profile.limits
        session.expires_at = variable(container, EXPIRES)
        failure = _follow(context, container["name"])
        if not failure:
            return
        session.rejected.append((profile.name, failure))
    raise NotPossible("no ephemeral container would start: " + "; ".join(": ".join(each) for each in session.rejected))


def _refuse_hopeless(context: SessionContext) -> None:
    """Raise NotPossible where the state of the pod, or of its node, tells that nothing would start in it."""
    pod = context.pod
    status = pod.get("status") or {}
    if "kubernetes.io/config.mirror" in (pod["metadata"].get("annotations") or {}):
        raise NotPossible("it is a static pod, whose specification only its node's kubelet changes")
    if pod["metadata"].get("deletionTimestamp"):
        raise NotPossible("the pod is being deleted")
    if status.get("phase") in ENDED_PHASES:
        raise NotPossible(f"the pod has ended ({status['phase'].lower()}), and nothing starts in it any more")
    context.need_node()
    if not has_sandbox(pod):
        created = parse_time(pod["metadata"].get("creationTimestamp"))
        since = f" {span((context.login.now() - created).total_seconds())} after it was created" if created else ""
        raise NotPossible(f"the pod has no network or volumes yet{since}, without which nothing starts in it")


def _refuse_another(context: SessionContext, container: Object, status: Object) -> None:
    """Raise NotPossible where one of our containers shows that another one would only wait beside it."""
    name, reason = container["name"], waiting(status).get("reason")
    if reason in WRONG_IMAGE and container.get("image") == context.request.image:
        raise NotPossible(f"{name} waits for the same image already ({reason}); name another image")
    # Another image, or another profile, may do where this one does not.
    if reason in CANNOT_START:
        return
    began = run_began(name)
    age = (context.login.now() - began).total_seconds() if began else 0.0
    if not is_running(status) and not is_over(status) and age > context.request.timeout:
        why = reason or "the kubelet has not taken it up"
        raise NotPossible(f"{name} was added {span(age)} ago and has not started yet ({why})")


def _container(context: SessionContext, profile: Profile, number: int) -> Object:
    request = context.request
    name = f"{request.run_id}-{context.number}-{number}"
    container: Object = {
        "name": name,
        "image": request.image,
        "imagePullPolicy": request.image_pull_policy,
        "command": request.collection.command(request.ttl),
        "env": context.variables(name),
        "securityContext": dict(profile.context),
    }
    if request.collection.interactive:
        container.update(stdin=True, tty=True)
    else:
        container["securityContext"]["readOnlyRootFilesystem"] = True
    statuses = {each["name"]: each for each in (context.pod.get("status") or {}).get("containerStatuses") or []}
    if is_running(statuses.get(context.session.container, {})):
        container["targetContainerName"] = context.session.container
    return container


def _patch(context: SessionContext, container: Object, *, dry_run: bool) -> None:
    context.login.request(
        "add an ephemeral container",
        "PATCH",
        f"{context.pod_path}/ephemeralcontainers",
        query={"dryRun": "All"} if dry_run else None,
        body={"spec": {"ephemeralContainers": [container]}},
        content_type=STRATEGIC_PATCH,
    )


def _reuse(context: SessionContext) -> bool:
    """Take a live session or a young collection of the same request, if there is one."""
    session, request = context.session, context.request
    for container, status in reversed(entries(context.pod)):
        if variable(container, REQUEST) != context.digest:
            continue
        finished = parse_time(terminated(status).get("finishedAt"))
        ended_well = terminated(status).get("exitCode") == 0
        young = ended_well and finished and (context.login.now() - finished).total_seconds() < request.reuse_age
        if not is_running(status) and not (young and not request.collection.interactive):
            continue
        session.mode, session.place, session.reused = EPHEMERAL, request.namespace, True
        session.kind, session.name = "ephemeral container", container["name"]
        session.expires_at = variable(container, EXPIRES)
        session.beside = "targetContainerName" in container
        session.profile, session.limits = _profile_of(context, container)
        if context.dry_run and not finished:
            session.state = "live"
        else:
            _follow(context, container["name"])
        return True
    return False


def _profile_of(context: SessionContext, container: Object) -> tuple[str, str]:
    given = {key: value for key, value in container["securityContext"].items() if key != "readOnlyRootFilesystem"}
    ladder = profiles(context.pod, context.session.container, privileged=True)
    return next(((each.name, each.limits) for each in ladder if dict(each.context) == given), ("another", ""))


def _gone(context: SessionContext) -> PodGone:
    return PodGone(f"the pod {context.chosen.name} was deleted meanwhile, so that this is a part of the report only")


def _follow(context: SessionContext, name: str) -> str:
    """Wait until an ephemeral container has ended, or runs for a shell; return why it never started, if so."""
    session, request = context.session, context.request
    interactive = request.collection.interactive
    status: Object = {}

    def look() -> tuple[str, str] | None:
        nonlocal status
        try:
            pod = context.login.get("look at the ephemeral container", context.pod_path)
        except ApiError as exc:
            if exc.status != 404:
                raise
            return "gone", ""
        if pod["metadata"]["uid"] != session.uid:
            return "gone", ""
        status = next((one for each, one in entries(pod) if each["name"] == name), {})
        waits = waiting(status)
        if waits.get("reason") in CANNOT_START:
            return "wrong", f"{waits['reason']}: {as_clause(waits.get('message', ''))}"
        ended = terminated(status)
        if ended:
            if ended.get("reason") in NOT_STARTED:
                return "wrong", f"{ended['reason']}: {as_clause(ended.get('message', ''))}"
            return "ended", ""
        if is_running(status) and interactive:
            return "live", ""
        return ("ended", "") if pod["status"].get("phase") in ENDED_PHASES else None

    found = wait_until(look, context.patience, interval=0.15, max_interval=0.3, before_sleep=context.check)
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
        session.commands = context.shell_lines(request.namespace, context.chosen.name, name)
        return ""
    if outcome == "late" and not is_running(status):
        why = ": ".join(filter(None, (waiting(status).get("reason"), as_clause(waiting(status).get("message", "")))))
        raise NotPossible(
            f"the ephemeral container did not start within {context.patience:.0f} s{f' ({why})' if why else ''}"
        )
    late = f"the collector was not done after {context.patience:.0f} s, so that its figures may be incomplete"
    _read(context, name, {"late": f"{late}; it ends by itself", "gone": str(_gone(context))}.get(outcome, ""))
    return ""


def _read(context: SessionContext, name: str, cut: str) -> None:
    text = ""
    try:
        text = context.login.text("read what was collected", f"{context.pod_path}/log", container=name)
    except ApiError as exc:
        if exc.status == 403:
            cut = "what was collected cannot be read: this login may not get pods/log"
        elif exc.status not in (400, 404):
            raise
    context.take_in(text, cut)
