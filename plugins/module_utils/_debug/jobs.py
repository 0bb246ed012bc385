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

from .._errors import phrase
from .._k8s.client import ApiLogin, ApiRefused, Object, Right
from .._k8s.objects import KINDS, collection, container_named, containers
from .._run import rfc3339
from .._wait import wait_until
from .security import Profile, profiles
from .session import COPY, NODE, NotPossible, Visit, refusal
from .statuses import CANNOT_START, ENDED_PHASES, waiting

MANAGED_BY = "app.kubernetes.io/managed-by"
OURS = "market-intel.runbooks"
RUN = "market-intel.runbooks/run-id"
TARGET = "market-intel.runbooks/target"
TARGET_UID = "market-intel.runbooks/target-uid"
EXPIRES_AT = "market-intel.runbooks/expires-at"
_DIGEST = "market-intel.runbooks/request"
_MODE = "market-intel.runbooks/mode"
_KEPT_SECONDS = 60
_LATER = 30
# Of a pod that runs: what its copy gets from the API server anew.
_ASSIGNED = ("nodeName", "ephemeralContainers", "priority", "preemptionPolicy", "hostname", "subdomain")
_OF_LIFE = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle")


def visit_copy(visit: Visit) -> None:
    """Look around in a copy of the pod: its volumes and rights, but none of its traffic."""
    where = visit.request.namespace
    _need(visit, where)
    if _is_privileged(visit.pod) and not visit.request.privileged:
        raise NotPossible("the pod is privileged or in the host's namespaces; allow a copy of it with privileged")
    ladder = profiles(visit.pod, visit.session.container, privileged=visit.request.privileged)
    own = container_named(visit.pod, visit.session.container).get("securityContext") or {}
    ladder.insert(1 if visit.request.privileged else 0, Profile("as the container", own))
    _run(visit, COPY, where, ladder, _copied)


def _need(visit: Visit, where: str) -> None:
    visit.need(
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


def visit_node(visit: Visit) -> None:
    """Look at the pod from its node; a namespace of its own keeps that apart from everything else."""
    where = visit.request.node_namespace
    if not visit.pod["spec"].get("nodeName"):
        raise NotPossible("the pod is on no node yet")
    _need(visit, where)
    root = {"runAsUser": 0, "runAsNonRoot": False}
    capabilities = {"add": ["NET_ADMIN", "NET_RAW", "SYS_PTRACE", "DAC_READ_SEARCH"]}
    ladder = [Profile("host", {**root, "capabilities": capabilities}, "the pod's own network cannot be entered")]
    if visit.request.privileged:
        ladder.insert(0, Profile("privileged", {**root, "privileged": True}))
    _run(visit, NODE, where, ladder, _on_node)


def _run(
    visit: Visit, mode: str, where: str, ladder: list[Profile], template: t.Callable[[Visit, str, Profile], Object]
) -> None:
    session, request, login = visit.session, visit.request, visit.login
    if not request.force and _reuse(visit, mode, where):
        return
    name = f"{request.run_id}-{visit.number}"

    def attempt(profile: Profile) -> None:
        pod = {"apiVersion": "v1", "kind": "Pod", **template(visit, name, profile)}
        pod["metadata"] = {**pod["metadata"], "name": name}
        login.request("try a pod", "POST", collection(KINDS["Pod"], where), query={"dryRun": "All"}, body=pod)

    try:
        profile = visit.first_accepted(ladder, attempt)[0]
    except ApiRefused as exc:
        if exc.status == 404:
            raise NotPossible(f"there is no namespace {where}; make it first, as the guide to debugging says") from exc
        raise
    session.mode, session.place, session.profile, session.limits = mode, where, profile.name, profile.limits
    session.changed = True
    if visit.dry_run:
        session.state = "planned"
        return
    about = _about(visit, mode)
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, **about},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": request.ttl + _LATER,
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "template": template(visit, name, profile),
        },
    }
    login.request("create a debug job", "POST", collection(KINDS["Job"], where), body=job)
    session.kind, session.name, session.expires_at = "debug job", name, about["annotations"][EXPIRES_AT]
    _follow(visit, name, where)


def _about(visit: Visit, mode: str) -> dict[str, dict[str, str]]:
    return {
        "labels": {
            MANAGED_BY: OURS,
            RUN: visit.request.run_id,
            TARGET_UID: visit.session.uid,
            _DIGEST: visit.digest,
            _MODE: mode,
        },
        "annotations": {
            EXPIRES_AT: rfc3339(visit.expires),
            TARGET: f"{visit.request.namespace}/{visit.chosen.name}",
        },
    }


def _common(visit: Visit, name: str, container: Object) -> None:
    request = visit.request
    command = list(request.copy_command) or request.collection.command(request.ttl)
    container.update(command=command, env=[*(container.get("env") or []), *visit.variables(name)])
    container.pop("args", None)
    if request.collection.interactive:
        container.update(stdin=True, tty=True)
    elif not request.copy_command:
        # Nothing is written, so that the node's disk needs no limit.
        container["securityContext"]["readOnlyRootFilesystem"] = True


def _copied(visit: Visit, name: str, profile: Profile) -> Object:
    request = visit.request
    spec = {key: value for key, value in copy.deepcopy(visit.pod["spec"]).items() if key not in _ASSIGNED}
    for container in containers({"spec": spec}):
        for key in _OF_LIFE:
            container.pop(key, None)
        for port in container.get("ports") or []:
            port.pop("hostPort", None)
        if container["name"] == visit.session.container:
            if not request.copy_command:
                container.update(image=request.image, imagePullPolicy=request.image_pull_policy)
            container["securityContext"] = dict(profile.context)
            _common(visit, name, container)
    spec.update(
        restartPolicy="Never",
        activeDeadlineSeconds=request.ttl,
        terminationGracePeriodSeconds=1,
        shareProcessNamespace=not spec.get("hostPID", False),
    )
    return {"metadata": _about(visit, COPY), "spec": spec}


def _on_node(visit: Visit, name: str, profile: Profile) -> Object:
    request = visit.request
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
    _common(visit, name, container)
    if profile.name == "privileged":
        container["env"].append({"name": "ENTER", "value": "yes"})
    return {
        "metadata": _about(visit, NODE),
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": request.ttl,
            "terminationGracePeriodSeconds": 1,
            "nodeName": visit.pod["spec"]["nodeName"],
            "tolerations": [{"operator": "Exists"}],
            "hostPID": True,
            "hostNetwork": True,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "containers": [container],
            "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
        },
    }


def _reuse(visit: Visit, mode: str, where: str) -> bool:
    """Take a Job of the same request for the same pod that is still running."""
    session = visit.session
    selector = f"{MANAGED_BY}={OURS},{TARGET_UID}={session.uid},{_DIGEST}={visit.digest},{_MODE}={mode}"
    try:
        found = visit.login.items("list jobs", collection(KINDS["Job"], where), labelSelector=selector)
    except ApiRefused:
        return False
    live = [each for each in found if (each.get("status") or {}).get("active")]
    if not live:
        return False
    session.mode, session.place, session.reused = mode, where, True
    session.kind, session.name = "debug job", live[0]["metadata"]["name"]
    session.expires_at = live[0]["metadata"]["annotations"][EXPIRES_AT]
    if visit.dry_run:
        session.state = "live"
    else:
        _follow(visit, session.name, where)
    return True


def _follow(visit: Visit, name: str, where: str) -> None:
    session, request, login = visit.session, visit.request, visit.login
    container = "debug" if session.mode == NODE else session.container
    stays = request.collection.interactive or bool(request.copy_command)

    def look() -> tuple[str, str, str] | None:
        pods = login.items("find the debug pod", collection(KINDS["Pod"], where), labelSelector=f"job-name={name}")
        if not pods:
            return None
        pod = pods[0]
        status = pod.get("status") or {}
        one: Object = next((each for each in status.get("containerStatuses") or [] if each["name"] == container), {})
        state, of_pod = one.get("state") or {}, pod["metadata"]["name"]
        waits = waiting(one)
        if waits.get("reason") in CANNOT_START:
            return "wrong", of_pod, f"{waits['reason']}: {phrase(waits.get('message', ''))}"
        if "terminated" in state:
            return "ended", of_pod, ""
        if status.get("phase") in ENDED_PHASES:
            return "wrong", of_pod, phrase(f"{status.get('reason', '')}: {status.get('message', '')}")
        return ("live", of_pod, "") if stays and "running" in state else None

    try:
        found = wait_until(look, visit.patience, interval=0.2, max_interval=0.3, before_sleep=visit.check)
        outcome, pod, words = found or ("late", "", "")
        if outcome == "live":
            session.state = "live"
            session.commands = visit.shell_lines(where, pod, container)
            return
        if outcome == "ended":
            visit.take_in(
                login.text(
                    "read what was collected", f"{collection(KINDS['Pod'], where)}/{pod}/log", container=container
                )
            )
        elif outcome == "late":
            session.degraded.append(f"the debug pod was not done after {visit.patience:.0f} s")
        else:
            session.degraded.append(f"the debug pod did not start ({words})")
    except ApiRefused as exc:
        session.degraded.append(f"what was collected cannot be read: {refusal(exc)}")
    if not session.reused:
        delete_job(visit.login, where, name)


def delete_job(login: ApiLogin, where: str, name: str) -> None:
    """Delete a Job with its pods; one that is gone already is none."""
    try:
        login.request(
            "delete a debug job",
            "DELETE",
            f"{collection(KINDS['Job'], where)}/{name}",
            body={"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"},
        )
    except ApiRefused as exc:
        if exc.status != 404:
            raise
