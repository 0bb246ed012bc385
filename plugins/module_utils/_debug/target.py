# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which pod is meant: one by its name, or the least healthy one of a workload, of something that leads to pods, or of a
label selector. PRIVATE.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from .._errors import InvalidInput, RunbookError
from .._k8s.client import ApiError, ApiLogin, Object
from .._k8s.objects import KINDS, collection, is_ready, require_namespace, selector_text, selects
from .._time import ago, parse_time
from .elsewhere import advice_for_labels, advice_for_name
from .statuses import container_statuses, terminated, waiting

# Every workload of the namespace.
ALL = "all"
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob")
PLACES = {
    **{kind: KINDS[kind] for kind in ("Pod", *WORKLOADS, "Ingress")},
    "Service": ("/api/v1", "services"),
    "PersistentVolumeClaim": ("/api/v1", "persistentvolumeclaims"),
    "Node": ("/api/v1", "nodes"),
}
_KINDS = {kind.lower(): kind for kind in PLACES}
_SHORT = {
    "po": "pod",
    "deploy": "deployment",
    "sts": "statefulset",
    "ds": "daemonset",
    "rs": "replicaset",
    "cj": "cronjob",
    "svc": "service",
    "ing": "ingress",
    "pvc": "persistentvolumeclaim",
    "no": "node",
}
_SHORT |= {plural: kind.lower() for kind, (_api, plural) in PLACES.items()}
# The group of a kind, with and without its version.
_GROUPS = {
    kind.lower(): (parts[1], f"{parts[2]}.{parts[1]}")
    for kind, (api, _plural) in PLACES.items()
    if (parts := api.removeprefix("/").split("/"))[0] == "apis"
}
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]{0,252}[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
_TERM = rf"(?:!?{_LABEL}|{_LABEL}(?:=|==|!=){_VALUE}|{_LABEL} (?:in|notin) \({_VALUE}(?:, ?{_VALUE})*\))"
_SELECTOR = re.compile(rf"(?=.*[=!(]){_TERM}(?:, ?{_TERM})*")
_ALLOWED = (
    "the name of a pod, KIND/NAME (deployment, statefulset, daemonset, replicaset, job, cronjob, service, ingress, "
    "pvc, node), a label selector such as app=web, or all"
)


class NoTarget(RunbookError):
    """Nothing is there that is meant; ``what`` says so as a sentence without its period, ``advice`` what to do."""

    def __init__(self, message: str, what: str, advice: str = "") -> None:
        super().__init__(message)
        self.what = what
        self.advice = advice


class NoPods(RunbookError):
    """Something is there, and has no pod; ``found`` is it, and ``expected`` says that it is not meant to have one."""

    def __init__(self, message: str, found: Object, *, expected: bool = False) -> None:
        super().__init__(message)
        self.found = found
        self.expected = expected


@dataclass(frozen=True)
class Target:
    """What was asked for: something of a kind, in lower case, and a name, a label selector, or all workloads."""

    asked: str
    kind: str = ""
    name: str = ""
    selector: str = ""


@dataclass(frozen=True)
class Chosen:
    """A pod; ``why`` says why this one, as a part of a sentence."""

    asked: str
    pod: Object = field(repr=False)
    why: str

    @property
    def name(self) -> str:
        return str(self.pod["metadata"]["name"])


def check_name(name: str, what: str) -> str:
    """Return a name that is legal in Kubernetes, or raise InvalidInput: it may come from the label of an alert."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{what} is {name[:80]!r}; allowed are lower-case letters, digits, '-' and '.'.")
    return name


def read_target(text: str) -> Target:
    """Return what a target means; raise InvalidInput for anything that is neither a name nor a selector."""
    kind, slash, name = text.partition("/")
    # With the group behind it, as kubectl prints it: deployment.apps/web.
    kind, _dot, group = kind.lower().partition(".")
    kind = _SHORT.get(kind, kind) if group in ("", *_GROUPS.get(_SHORT.get(kind, kind), ())) else ""
    if slash and kind in _KINDS and _NAME.fullmatch(name):
        return Target(text, kind, name)
    if text == ALL:
        return Target(text, ALL)
    if _NAME.fullmatch(text):
        return Target(text, "pod", text)
    if len(text) <= 1000 and _SELECTOR.fullmatch(text):
        return Target(text, selector=text)
    raise InvalidInput(f"O(targets) has {text[:80]!r}, which is not a valid target; allowed is {_ALLOWED}.")


def choose(login: ApiLogin, namespace: str, target: Target, now: datetime) -> Chosen:
    """Return the pod that is meant; raise NoTarget, or NoPods."""
    if target.kind == "pod":
        return Chosen(target.asked, _named(login, namespace, target), "it was named")
    group = _pods_with(login, namespace, target) if target.selector else _pods_of(login, namespace, target)
    ranked = sorted(group, key=lambda pod: (-trouble(pod, now)[0], pod["metadata"]["name"]))
    score, words = trouble(ranked[0], now)
    healthy = sum(1 for pod in group if is_ready(pod))
    if score:
        why = f"the least healthy of {len(group)}: {words}" if len(group) > 1 else f"the only one: {words}"
    else:
        why = f"all {len(group)} are healthy, so the first one" if len(group) > 1 else "the only one"
    return Chosen(target.asked, ranked[0], f"{why} ({healthy} of {len(group)} ready)")


def _pods_with(login: ApiLogin, namespace: str, target: Target) -> list[Object]:
    """Return the pods that a label selector takes."""
    pods = collection(PLACES["Pod"], namespace)
    try:
        group = login.items(f"list pods in {namespace}", pods, labelSelector=target.selector)
    except ApiError as exc:
        if exc.status == 400:
            raise InvalidInput(
                f"The API server does not accept {target.asked!r} as a label selector; name {_ALLOWED}."
            ) from exc
        raise
    if group:
        return group
    # Workloads mostly have the labels of their pods.
    for kind in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
        found = _list(login, namespace, kind, labelSelector=target.selector)
        if found:
            raise _no_pods(login, namespace, target, {**found[0], "kind": kind})
    require_namespace(login, namespace)
    advice = advice_for_labels(login, namespace, target.selector)
    raise NoTarget(
        f"No pod of {target.asked} is in the namespace {namespace} at {login.name}; {advice}.",
        "no pod has these labels",
        advice,
    )


def _pods_of(login: ApiLogin, namespace: str, target: Target) -> list[Object]:
    """Return the pods of a workload, or those that something else leads to; raise NoPods if there are none."""
    found = _named(login, namespace, target)
    kind = found["kind"]
    if kind == "CronJob":
        found = _newest_job(login, namespace, found) or found
    group: list[Object] = []
    if kind in _LEADS_TO:
        leads_to = _LEADS_TO[kind](login, namespace, found)
        group = [each for each in _list(login, namespace, "Pod") if leads_to(each)]
    elif found["kind"] in WORKLOADS and found["kind"] != "CronJob":
        selector = selector_text(found["spec"].get("selector") or {})
        group = login.items(f"list pods in {namespace}", collection(PLACES["Pod"], namespace), labelSelector=selector)
    if not group:
        raise _no_pods(login, namespace, target, found)
    return group


def _no_pods(login: ApiLogin, namespace: str, target: Target, found: Object) -> NoPods:
    if found["kind"] == "Node":
        return NoPods(f"{target.asked} is a node, which is not inspected from inside.", found, expected=True)
    return NoPods(f"{target.asked} has no pod in the namespace {namespace} at {login.name}.", found)


def _named(login: ApiLogin, namespace: str, target: Target) -> Object:
    """Return what has the kind and the name of a target; raise NoTarget."""
    kind = _KINDS[target.kind]
    api, plural = PLACES[kind]
    path = f"{api}/{plural}" if kind == "Node" else collection((api, plural), namespace)
    where = "" if kind == "Node" else f" in the namespace {namespace}"
    what = f"get the {target.kind} {target.name}{where}"
    if kind in _LEADS_TO:
        # The right to list them is needed anyway.
        listed = login.items(what, path, fieldSelector=f"metadata.name={target.name}")
        found = listed[0] if listed else None
    else:
        found = login.find(what, f"{path}/{target.name}")
    if found is not None:
        return {**found, "kind": kind}
    if where:
        require_namespace(login, namespace)
    advice = advice_for_name(login, namespace, target.kind, target.name, PLACES)
    raise NoTarget(
        f"There is no {target.kind} {target.name}{where} at {login.name}; {advice}.",
        f"there is no such {target.kind}",
        advice,
    )


def _list(login: ApiLogin, namespace: str, kind: str, **query: str) -> list[Object]:
    """Return the objects of a kind, none where this login may not list them."""
    try:
        return login.items(f"list {PLACES[kind][1]} in {namespace}", collection(PLACES[kind], namespace), **query)
    except ApiError:
        if kind == "Pod":
            raise
        return []


def _newest_job(login: ApiLogin, namespace: str, cronjob: Object) -> Object | None:
    jobs = [each for each in _list(login, namespace, "Job") if controlled_by(each, cronjob["metadata"]["uid"])]
    newest = max(jobs, key=lambda each: str(each["metadata"].get("creationTimestamp")), default=None)
    return {**newest, "kind": "Job"} if newest else None


def controlled_by(found: Object, uid: str) -> bool:
    return any(each["uid"] == uid for each in found["metadata"].get("ownerReferences") or [])


def _of_service(_login: ApiLogin, _namespace: str, service: Object) -> Callable[[Object], bool]:
    selector = service["spec"].get("selector")
    return lambda pod: bool(selector) and selects({"matchLabels": selector}, pod["metadata"].get("labels") or {})


def _of_ingress(login: ApiLogin, namespace: str, ingress: Object) -> Callable[[Object], bool]:
    names = {service for service, _port in backends(ingress)}
    services = [each for each in _list(login, namespace, "Service") if each["metadata"]["name"] in names]
    each_of = [_of_service(login, namespace, each) for each in services]
    return lambda pod: any(takes(pod) for takes in each_of)


def _of_claim(_login: ApiLogin, _namespace: str, claim: Object) -> Callable[[Object], bool]:
    name = claim["metadata"]["name"]

    def mounts(pod: Object) -> bool:
        for volume in pod["spec"].get("volumes") or []:
            own = f"{pod['metadata']['name']}-{volume['name']}" if "ephemeral" in volume else None
            if name in (own, (volume.get("persistentVolumeClaim") or {}).get("claimName")):
                return True
        return False

    return mounts


# What leads to pods without owning them.
_LEADS_TO = {"Service": _of_service, "Ingress": _of_ingress, "PersistentVolumeClaim": _of_claim}


def backends(ingress: Object) -> list[tuple[str, int | str | None]]:
    """Return the services that an Ingress sends to, each with the number or the name of its port."""
    spec = ingress["spec"]
    found = [spec.get("defaultBackend") or {}]
    found += [
        path.get("backend") or {}
        for rule in spec.get("rules") or []
        for path in (rule.get("http") or {}).get("paths") or []
    ]
    services = [each["service"] for each in found if each.get("service")]
    ports = [
        (each["name"], (each.get("port") or {}).get("number") or (each.get("port") or {}).get("name"))
        for each in services
    ]
    return list(dict.fromkeys(ports))


def trouble(pod: Object, now: datetime) -> tuple[int, str]:
    """Return how unhealthy a pod is, from 0, and in which way."""
    status = pod.get("status") or {}
    if status.get("phase") == "Failed":
        # What a workload has replaced already is history.
        replaced = any(each["kind"] != "Job" for each in pod["metadata"].get("ownerReferences") or [])
        return 15 if replaced else 90, f"it has failed ({status.get('reason') or 'its containers ended with errors'})"
    for each in container_statuses(pod):
        reason = waiting(each).get("reason")
        if reason not in (None, "", "ContainerCreating", "PodInitializing"):
            return 80, f"container {each['name']} waits: {reason}"
    if pod["metadata"].get("deletionTimestamp"):
        return 10, "it is being deleted"
    for each in container_statuses(pod):
        # Until the kubelet starts it again, or has it wait.
        code = terminated(each).get("exitCode")
        if code:
            return 75, f"container {each['name']} has ended with exit code {code}"
    if status.get("phase") == "Pending":
        return 70, "it is pending"
    for each in container_statuses(pod):
        ended = (each.get("lastState") or {}).get("terminated") or {}
        finished = parse_time(ended.get("finishedAt"))
        if finished and (now - finished).total_seconds() < 3600:
            return 60, f"container {each['name']} was restarted {ago(finished, now)}"
    if status.get("phase") == "Running" and not is_ready(pod):
        return 50, "it is not ready"
    restarts = sum(each.get("restartCount", 0) for each in container_statuses(pod))
    return (min(restarts, 9), f"{restarts} restarts") if restarts else (0, "")
