# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which pod is meant: one by its name, or the least healthy one of a workload or of a label selector. PRIVATE."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from .._errors import InvalidInput, RunbookError
from .._k8s.client import ApiLogin, ApiRefused, Object
from .._k8s.objects import KINDS, collection, is_ready, require_namespace, selector_text
from .moments import ago, moment
from .statuses import container_statuses, waiting

_KINDS = {kind.lower(): KINDS[kind] for kind in ("Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")}
_SHORT = {"po": "pod", "deploy": "deployment", "sts": "statefulset", "ds": "daemonset", "rs": "replicaset"}
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]{0,252}[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
_TERM = rf"(?:!?{_LABEL}|{_LABEL}(?:=|==|!=){_VALUE}|{_LABEL} (?:in|notin) \({_VALUE}(?:, ?{_VALUE})*\))"
_SELECTOR = re.compile(rf"(?=.*[=!(]){_TERM}(?:, ?{_TERM})*")
_ALLOWED = (
    "the name of a pod, deployment/NAME, statefulset/NAME, daemonset/NAME, replicaset/NAME, job/NAME, or a label "
    "selector such as app=web"
)


class NoTarget(RunbookError):
    """Nothing is there that is meant."""


@dataclass(frozen=True)
class Target:
    """What was asked for: the pod or workload of a kind and name, or a label selector."""

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
    """Return what a target means; raise InvalidInput for anything that is no name and no selector."""
    kind, slash, name = text.partition("/")
    kind = _SHORT.get(kind.lower(), kind.lower())
    if slash and kind in _KINDS and _NAME.fullmatch(name):
        return Target(text, kind, name)
    if _NAME.fullmatch(text):
        return Target(text, "pod", text)
    if len(text) <= 1000 and _SELECTOR.fullmatch(text):
        return Target(text, selector=text)
    raise InvalidInput(f"{text[:80]!r} is not a valid target; allowed is {_ALLOWED}.")


def choose(login: ApiLogin, namespace: str, target: Target, now: datetime) -> Chosen:
    """Return the pod that is meant; raise NoTarget."""
    pods = collection(KINDS["Pod"], namespace)
    if target.kind == "pod":
        found = login.find(f"get the pod {target.name} in {namespace}", f"{pods}/{target.name}")
        if found is None:
            require_namespace(login, namespace)
            raise NoTarget(
                f"There is no pod {target.name} in the namespace {namespace} at {login.name}; look which there are "
                f"(kubectl get pods -n {namespace}), or name its workload, as in deployment/NAME."
            )
        return Chosen(target.asked, found, "it was named")
    selector = target.selector or _selector_of(login, namespace, target)
    try:
        group = login.items(f"list pods in {namespace}", pods, labelSelector=selector)
    except ApiRefused as exc:
        if exc.status == 400:
            raise InvalidInput(
                f"The API server takes {target.asked!r} for no label selector; name {_ALLOWED}."
            ) from exc
        raise
    if not group:
        require_namespace(login, namespace)
        raise NoTarget(
            f"No pod of {target.asked} is in the namespace {namespace} at {login.name}; look which there are (kubectl "
            f"get pods -n {namespace} --show-labels), and how many replicas are wanted."
        )
    ranked = sorted(group, key=lambda pod: (-trouble(pod, now)[0], pod["metadata"]["name"]))
    score, words = trouble(ranked[0], now)
    healthy = sum(1 for pod in group if is_ready(pod))
    if score:
        why = f"the least healthy of {len(group)}: {words}" if len(group) > 1 else f"the only one: {words}"
    else:
        why = f"all {len(group)} are healthy, so the first one" if len(group) > 1 else "the only one"
    return Chosen(target.asked, ranked[0], f"{why} ({healthy} of {len(group)} ready)")


def _selector_of(login: ApiLogin, namespace: str, target: Target) -> str:
    place = _KINDS[target.kind]
    what = f"get the {target.kind} {target.name} in {namespace}"
    found = login.find(what, f"{collection(place, namespace)}/{target.name}")
    if found is None:
        require_namespace(login, namespace)
        raise NoTarget(
            f"There is no {target.kind} {target.name} in the namespace {namespace} at {login.name}; look which there "
            f"are (kubectl get {place[1]} -n {namespace})."
        )
    return selector_text(found["spec"].get("selector") or {})


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
    if status.get("phase") == "Pending":
        return 70, "it is pending"
    for each in container_statuses(pod):
        ended = (each.get("lastState") or {}).get("terminated") or {}
        finished = moment(ended.get("finishedAt"))
        if finished and (now - finished).total_seconds() < 3600:
            return 60, f"container {each['name']} was restarted {ago(finished, now)}"
    if status.get("phase") == "Running" and not is_ready(pod):
        return 50, "it is not ready"
    restarts = sum(each.get("restartCount", 0) for each in container_statuses(pod))
    return (min(restarts, 9), f"{restarts} restarts") if restarts else (0, "")
