# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every workload of a namespace, by how unhealthy its status is. PRIVATE to the collection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from .._errors import InvalidInput
from .._k8s.client import ApiError, ApiLogin, Object
from .._k8s.objects import collection, require_namespace
from .target import PLACES, WORKLOADS, Target, trouble

# How bad it is what a workload itself says, beside the trouble of its pods.
_NO_POD, _REFUSED, _JOB_FAILED, _TOO_FEW = 85, 86, 75, 55
_SCALED = ("Deployment", "StatefulSet", "ReplicaSet")


@dataclass(frozen=True)
class Workloads:
    """``targets`` are the least healthy ones, the worst first; those for which there was no room are ``healthy`` by
    their status, or ``troubled``.

    ``idle`` are those that are meant to do nothing; ``unknown`` says what could not be listed.
    """

    targets: Sequence[Target]
    healthy: Sequence[str]
    troubled: Sequence[str]
    idle: Sequence[str]
    unknown: Sequence[str]


def find_workloads(login: ApiLogin, namespace: str, now: datetime, most: int) -> Workloads:
    """Return all workloads of a namespace, of which at most so many are to be looked at closely."""
    unknown: list[str] = []
    pods = login.items(f"list pods in {namespace}", collection(PLACES["Pod"], namespace))
    owned: dict[str, list[Object]] = defaultdict(list)
    for each in pods:
        owned[_controller(each)].append(each)
    found = [each for kind in WORKLOADS for each in _list(login, namespace, kind, unknown)]
    known = {each["metadata"]["uid"] for each in found}
    for each in found:
        if each["kind"] in ("ReplicaSet", "Job"):
            owned[_controller(each)].append(each)
    scored: list[tuple[int, str]] = []
    idle = []
    for each in found:
        name = f"{each['kind'].lower()}/{each['metadata']['name']}"
        if _controller(each) in known or _is_old(each):
            continue
        if _is_idle(each):
            idle.append(name)
        else:
            scored.append((_score(each, owned, now), name))
    # Of what something else controls, such as a custom resource, the worst pod stands for all.
    for controller, group in owned.items():
        own = [] if controller in known else _only_pods(group)
        for some in [own] if own and controller else [[each] for each in own]:
            score, worst = max((trouble(each, now)[0], each["metadata"]["name"]) for each in some)
            scored.append((score, f"pod/{worst}"))
    if not scored and not idle:
        require_namespace(login, namespace)
        raise InvalidInput(
            f"The namespace {namespace} at {login.name} has no workload"
            f"{f' that this login may list ({unknown[0]})' if unknown else ''}; name another in O(namespace)."
        )
    scored.sort(key=lambda each: (-each[0], each[1]))
    targets = [Target(name, *name.split("/")) for _score, name in scored[:most]]
    healthy = [name for score, name in scored[most:] if not score]
    troubled = [name for score, name in scored[most:] if score]
    return Workloads(targets, healthy, troubled, sorted(idle), unknown)


def _list(login: ApiLogin, namespace: str, kind: str, unknown: list[str]) -> list[Object]:
    plural = PLACES[kind][1]
    try:
        found = login.items(f"list {plural} in {namespace}", collection(PLACES[kind], namespace))
    except ApiError as exc:
        if exc.status != 403:
            raise
        unknown.append(f"{plural}: this login may not list them")
        return []
    return [{**each, "kind": kind} for each in found]


def _controller(found: Object) -> str:
    owners = found["metadata"].get("ownerReferences") or []
    return next((str(each["uid"]) for each in owners if each.get("controller")), "")


def _only_pods(found: Sequence[Object]) -> list[Object]:
    return [each for each in found if "containers" in each["spec"]]


def _is_old(found: Object) -> bool:
    """Tell whether something is the revision before of what controls it."""
    return found["kind"] == "ReplicaSet" and bool(_controller(found)) and found["spec"].get("replicas") == 0


def _is_idle(found: Object) -> bool:
    """Tell whether something is meant to do nothing, as a person has set it."""
    spec = found["spec"]
    return bool(spec.get("suspend")) or (found["kind"] in _SCALED and spec.get("replicas") == 0)


def _score(found: Object, owned: dict[str, list[Object]], now: datetime) -> int:
    """Return how unhealthy a workload is, from 0."""
    below = owned[found["metadata"]["uid"]]
    if found["kind"] == "CronJob":
        newest = max(below, key=lambda each: str(each["metadata"].get("creationTimestamp")), default=None)
        return _score(newest, owned, now) if newest else 0
    conditions = {each["type"]: each["status"] for each in (found.get("status") or {}).get("conditions") or []}
    if found["kind"] == "Job":
        if conditions.get("Complete") == "True":
            return 0
        own = _JOB_FAILED if conditions.get("Failed") == "True" else 0
        return max([own, *(trouble(each, now)[0] for each in below)])
    pods = _only_pods(below)
    pods += [pod for each in below if each.get("kind") == "ReplicaSet" for pod in owned[each["metadata"]["uid"]]]
    scores = [trouble(each, now)[0] for each in pods]
    if conditions.get("ReplicaFailure") == "True" or conditions.get("Progressing") == "False":
        scores.append(_REFUSED)
    status = found.get("status") or {}
    wanted, ready = found["spec"].get("replicas", 1), status.get("readyReplicas", 0)
    if found["kind"] == "DaemonSet":
        wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
    if ready < wanted:
        scores.append(_TOO_FEW if pods else _NO_POD)
    return max(scores, default=0)
