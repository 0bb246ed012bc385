# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A copy of a pod, or a pod on its node, in a Job that goes away by itself. PRIVATE to the collection.

Its end is enforced by the process, by the kubelet and by the controller of Jobs, each without the others, and the
controller then removes it.
"""

from __future__ import annotations

import copy
import typing as t

from .._errors import as_clause
from .._k8s.client import ApiError, ApiLogin, Object, Right
from .._k8s.objects import KINDS, collection, container_named, containers
from .._run import RUN_ID
from .._time import parse_time, rfc3339
from .._wait import wait_until
from .security import Profile, profiles
from .session import COPY, MOST_LINES, NODE, NotPossible, SessionContext, refusal
from .statuses import CANNOT_START, ENDED_PHASES, NOT_STARTED, container_statuses, terminated, waiting

MANAGED_BY = "app.kubernetes.io/managed-by"
OURS = "market-intel.runbooks"
RUN = "market-intel.runbooks/run-id"
TARGET = "market-intel.runbooks/target"
TARGET_UID = "market-intel.runbooks/target-uid"
EXPIRES_AT = "market-intel.runbooks/expires-at"
_DIGEST = "market-intel.runbooks/request"
_MODE = "market-intel.runbooks/mode"
_KEPT_SECONDS = 60
# A command that runs for so long is not waited for any more.
_SHORT_SECONDS = 3.0
_LATER = 30
# Of a pod that runs: what its copy gets from the API server anew.
_ASSIGNED = ("nodeName", "ephemeralContainers", "priority", "preemptionPolicy", "hostname", "subdomain")
_OF_LIFE = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle")


def start_copy(context: SessionContext) -> None:
    """Look around in a copy of the pod: its volumes and rights, but none of its traffic."""
    where = context.request.namespace
    _need(context, where)
    if _is_privileged(context.pod) and not context.request.privileged:
        raise NotPossible(
            "the pod is privileged or in the host's namespaces; allow a copy of it with O(privileged)=true"
        )
    ladder = profiles(context.pod, context.session.container, privileged=context.request.privileged)
    own = container_named(context.pod, context.session.container).get("securityContext") or {}
    ladder.insert(1 if context.request.privileged else 0, Profile("as the container", own))
    _run(context, COPY, where, ladder, _copied)


def _need(context: SessionContext, where: str) -> None:
    context.need(
        Right("create", "jobs", where, group="batch"),
        Right("delete", "jobs", where, group="batch"),
        Right("create", "pods", where),
        Right("list", "pods", where),
        Right("get", "pods/log", where),
    )


def _is_privileged(pod: Object) -> bool:
    """Tell whether a pod, and so its copy, can leave its own namespaces."""
    return any(pod["spec"].get(name) for name in ("hostNetwork", "hostPID", "hostIPC")) or any(
        (each.get("securityContext") or {}).get("privileged") for each in containers(pod)
    )


def start_node(context: SessionContext) -> None:
    """Look at the pod from its node; a namespace of its own keeps that apart from everything else."""
    where = context.request.node_namespace
    context.need_node()
    _need(context, where)
    root = {"runAsUser": 0, "runAsNonRoot": False}
    capabilities = {"add": ["NET_ADMIN", "NET_RAW", "SYS_PTRACE", "DAC_READ_SEARCH"]}
    ladder = [Profile("host", {**root, "capabilities": capabilities}, "the pod's own network cannot be entered")]
    if context.request.privileged:
        ladder.insert(0, Profile("privileged", {**root, "privileged": True}))
    _run(context, NODE, where, ladder, _on_node)


def _run(
    context: SessionContext,
    mode: str,
    where: str,
    ladder: list[Profile],
    template: t.Callable[[SessionContext, str, Profile], Object],
) -> None:
    session, request, login = context.session, context.request, context.login
    session.own_command = bool(request.copy_command)
    if not request.force and _reuse(context, mode, where):
        return
    name = f"{request.run_id}-{context.number}"

    def attempt(profile: Profile) -> None:
        pod = {"apiVersion": "v1", "kind": "Pod", **template(context, name, profile)}
        pod["metadata"] = {**pod["metadata"], "name": name}
        login.request("try a pod", "POST", collection(KINDS["Pod"], where), query={"dryRun": "All"}, body=pod)

    try:
        profile = context.first_accepted(ladder, attempt)[0]
    except ApiError as exc:
        if exc.status == 404:
            raise NotPossible(f"there is no namespace {where}; make it first, as the guide to debugging says") from exc
        raise
    session.mode, session.place, session.profile, session.limits = mode, where, profile.name, profile.limits
    session.changed = True
    if context.dry_run:
        session.state = "planned"
        return
    about = _about(context, mode)
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, **about},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": request.ttl + _LATER,
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "template": template(context, name, profile),
        },
    }
    login.request("create a debug job", "POST", collection(KINDS["Job"], where), body=job)
    session.kind, session.name, session.expires_at = "debug job", name, about["annotations"][EXPIRES_AT]
    _follow(context, name, where)


def _about(context: SessionContext, mode: str) -> dict[str, dict[str, str]]:
    return {
        "labels": {
            MANAGED_BY: OURS,
            TARGET_UID: context.session.uid,
            _DIGEST: context.digest,
            _MODE: mode,
        },
        "annotations": {
            RUN: context.request.run_id,
            EXPIRES_AT: rfc3339(context.expires),
            TARGET: f"{context.request.namespace}/{context.chosen.name}",
        },
    }


def _common(context: SessionContext, name: str, container: Object) -> None:
    request = context.request
    command = list(request.copy_command) or request.collection.command(request.ttl)
    container.update(command=command, env=[*(container.get("env") or []), *context.variables(name)])
    container.pop("args", None)
    if request.collection.interactive:
        container.update(stdin=True, tty=True)
    elif not request.copy_command:
        # Nothing is written, so that the node's disk needs no limit.
        container["securityContext"]["readOnlyRootFilesystem"] = True


def _copied(context: SessionContext, name: str, profile: Profile) -> Object:
    request = context.request
    spec = {key: value for key, value in copy.deepcopy(context.pod["spec"]).items() if key not in _ASSIGNED}
    for container in containers({"spec": spec}):
        for key in _OF_LIFE:
            container.pop(key, None)
        for port in container.get("ports") or []:
            port.pop("hostPort", None)
        if container["name"] == context.session.container:
            if not request.copy_command:
                container.update(image=request.image, imagePullPolicy=request.image_pull_policy)
            container["securityContext"] = dict(profile.context)
            _common(context, name, container)
    spec.update(
        restartPolicy="Never",
        activeDeadlineSeconds=request.ttl,
        terminationGracePeriodSeconds=1,
        shareProcessNamespace=not spec.get("hostPID", False),
    )
    return {"metadata": _about(context, COPY), "spec": spec}


def _on_node(context: SessionContext, name: str, profile: Profile) -> Object:
    request = context.request
    container: Object = {
        "name": "debug",
        "image": request.image,
        "imagePullPolicy": request.image_pull_policy,
        "securityContext": dict(profile.context),
        "volumeMounts": [{"name": "host", "mountPath": "/host", "readOnly": True}],
        "resources": {
            "requests": {"cpu": "10m", "memory": "32Mi"},
            "limits": {"cpu": "500m", "memory": "256Mi"},
        },
    }
    _common(context, name, container)
    if profile.name == "privileged":
        container["env"].append({"name": "ENTER", "value": "yes"})
    return {
        "metadata": _about(context, NODE),
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": request.ttl,
            "terminationGracePeriodSeconds": 1,
            "nodeName": context.pod["spec"]["nodeName"],
            "tolerations": [{"operator": "Exists"}],
            "hostPID": True,
            "hostNetwork": True,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "containers": [container],
            "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
        },
    }


def _reuse(context: SessionContext, mode: str, where: str) -> bool:
    """Take a Job of the same request for the same pod that is still running."""
    session = context.session
    selector = f"{MANAGED_BY}={OURS},{TARGET_UID}={session.uid},{_DIGEST}={context.digest},{_MODE}={mode}"
    try:
        found = context.login.items("list jobs", collection(KINDS["Job"], where), labelSelector=selector)
    except ApiError:
        return False
    live = [each for each in found if (each.get("status") or {}).get("active") and run_of_job(each)]
    if not live:
        return False
    session.mode, session.place, session.reused = mode, where, True
    session.kind, session.name = "debug job", live[0]["metadata"]["name"]
    session.expires_at = live[0]["metadata"]["annotations"].get(EXPIRES_AT, "")
    if context.dry_run:
        session.state = "live"
    else:
        _follow(context, session.name, where)
    return True


def _follow(context: SessionContext, name: str, where: str) -> None:
    session, request, login = context.session, context.request, context.login
    container = "debug" if session.mode == NODE else session.container
    stays = request.collection.interactive or session.own_command
    pod: Object = {}

    def look() -> tuple[str, str, str, Object] | None:
        nonlocal pod
        pods = login.items("find the debug pod", collection(KINDS["Pod"], where), labelSelector=f"job-name={name}")
        if not pods:
            return None
        pod = pods[0]
        status = pod.get("status") or {}
        one: Object = next((each for each in status.get("containerStatuses") or [] if each["name"] == container), {})
        state, of_pod = one.get("state") or {}, pod["metadata"]["name"]
        waits, ended = waiting(one), terminated(one)
        wrong = waits if waits.get("reason") in CANNOT_START else ended if ended.get("reason") in NOT_STARTED else {}
        if wrong:
            return "wrong", of_pod, f"{wrong['reason']}: {as_clause(wrong.get('message', ''))}", {}
        if ended:
            return "ended", of_pod, "", ended
        if status.get("phase") in ENDED_PHASES:
            return "wrong", of_pod, as_clause(f"{status.get('reason', '')}: {status.get('message', '')}"), {}
        running = state.get("running")
        if running is None or not stays:
            return None
        started = parse_time(running.get("startedAt")) or login.now()
        # What ends at once has an exit code, which is worth more than a line that leads to it.
        young = (login.now() - started).total_seconds() < _SHORT_SECONDS and not request.collection.interactive
        return None if young else ("live", of_pod, "", {})

    try:
        found = wait_until(look, context.patience, interval=0.2, max_interval=0.3, before_sleep=context.check)
        outcome, of_pod, words, ended = found or ("late", "", "", {})
        if outcome == "live":
            session.state = "live"
            session.commands = context.shell_lines(where, of_pod, container)
            return
        path = f"{collection(KINDS['Pod'], where)}/{of_pod}/log"
        if outcome == "ended" and session.own_command:
            text = login.text("read its output", path, container=container, tailLines=str(MOST_LINES))
            context.take_output(text, ended.get("exitCode", 0))
        elif outcome == "ended":
            context.take_in(login.text("read what was collected", path, container=container))
        elif outcome == "late":
            session.degraded.append(f"the debug pod was not done after {context.patience:.0f} s ({_waits_for(pod)})")
        else:
            session.degraded.append(f"the debug pod did not start ({words})")
    except ApiError as exc:
        session.degraded.append(f"what was collected cannot be read: {refusal(exc)}")
    if not session.reused:
        delete_job(context.login, where, name)


def run_of_job(job: Object) -> str:
    """Return the id of the run that a Job is of, empty if it is not ours: anybody may have set our label."""
    run_id = (job["metadata"].get("annotations") or {}).get(RUN, "")
    return run_id if RUN_ID.fullmatch(run_id) else ""


def _waits_for(pod: Object) -> str:
    """Return what a pod that has not ended waits for."""
    if not pod:
        return "no pod was made for its Job"
    status = pod.get("status") or {}
    told = [waiting(each) for each in container_statuses(pod)]
    told += [each for each in status.get("conditions") or [] if each["status"] == "False"]
    words = [
        ": ".join(filter(None, (each.get("reason"), as_clause(" ".join(str(each.get("message") or "").split())[:200]))))
        for each in told
    ]
    return next(filter(None, words), f"it is {str(status.get('phase') or 'not known to its node').lower()}")


def delete_job(login: ApiLogin, where: str, name: str) -> None:
    """Delete a Job with its pods; one that is gone already is none."""
    try:
        login.request(
            "delete a debug job",
            "DELETE",
            f"{collection(KINDS['Job'], where)}/{name}",
            body={"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"},
        )
    except ApiError as exc:
        if exc.status != 404:
            raise
