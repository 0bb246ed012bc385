# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a rollout is, by the rules of ``kubectl rollout status``, and what it may take away. PRIVATE."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass

from .client import Object

ON_DELETE = "OnDelete"
DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"


@dataclass(frozen=True)
class RolloutStatus:
    """``says`` is a part of a sentence, empty when it is done; what has failed does not get better by waiting."""

    done: bool
    says: str = ""
    failed: bool = False


_DONE = RolloutStatus(True)


def rollout_status(kind: str, found: Object, known_failure: str = "") -> RolloutStatus:
    """Return how far the rollout of a Deployment, StatefulSet or DaemonSet is.

    ``known_failure`` is what ``failure_time`` said before the restart: the Deployment keeps a failure until the next
    rollout makes progress.
    """
    spec, status = found["spec"], found.get("status") or {}
    if update_type(kind, found) == ON_DELETE:
        return RolloutStatus(False, "its strategy is OnDelete, which restarts nothing by itself", failed=True)
    observed = status.get("observedGeneration", 0)
    if observed == 0 or found["metadata"].get("generation", 0) > observed:
        return _waiting("the change has not been noticed by its controller yet")
    return _RULES[kind](spec, status, known_failure)


def failure_time(found: Object) -> str:
    """Return when a Deployment was found to make no progress any more, or an empty text."""
    progressing = _progressing(found.get("status") or {})
    return str(progressing.get("lastUpdateTime", "")) if progressing.get("reason") == DEADLINE_EXCEEDED else ""


def update_type(kind: str, found: Object) -> str:
    """Return RollingUpdate, Recreate or OnDelete."""
    strategy = found["spec"].get("strategy" if kind == "Deployment" else "updateStrategy") or {}
    return str(strategy.get("type") or "RollingUpdate")


def wanted_pods(kind: str, found: Object) -> int:
    """Return how many pods there are to be."""
    if kind == "DaemonSet":
        return int((found.get("status") or {}).get("desiredNumberScheduled", 0))
    replicas = found["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def kept_pods(kind: str, found: Object) -> int:
    """Return how many pods at least stay available during a rolling update, as its controller rounds."""
    wanted = wanted_pods(kind, found)
    strategy = found["spec"].get("strategy" if kind == "Deployment" else "updateStrategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    if kind == "Deployment":
        surge = scaled(rolling.get("maxSurge", "25%"), wanted, up=True)
        unavailable = scaled(rolling.get("maxUnavailable", "25%"), wanted, up=False)
        if surge == 0 and unavailable == 0:
            unavailable = 1
    elif kind == "DaemonSet":
        unavailable = scaled(rolling.get("maxUnavailable", 1), wanted, up=True)
    else:
        unavailable = max(scaled(rolling.get("maxUnavailable", 1), wanted, up=False), 1)
    return max(wanted - unavailable, 0)


def scaled(value: int | str, total: int, *, up: bool) -> int:
    """Return a number, or a percentage of ``total``, rounded up or down."""
    if isinstance(value, int):
        return value
    share = total * int(value.rstrip("%")) / 100
    return math.ceil(share) if up else math.floor(share)


def _deployment(spec: Object, status: Object, known_failure: str) -> RolloutStatus:
    progressing = _progressing(status)
    if progressing.get("reason") == DEADLINE_EXCEEDED and progressing.get("lastUpdateTime", "") != known_failure:
        message = progressing.get("message") or "it makes no progress"
        return RolloutStatus(False, f"{DEADLINE_EXCEEDED}: {message}", failed=True)
    wanted, all_pods = spec.get("replicas"), status.get("replicas", 0)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if wanted is not None and updated < wanted:
        return _waiting(f"{updated} of {wanted} pods are new")
    if all_pods > updated:
        return _waiting(f"{all_pods - updated} old pods are still to end")
    if available < updated:
        return _waiting(f"{available} of {updated} new pods are available")
    return _DONE


def _stateful_set(spec: Object, status: Object, _known_failure: str) -> RolloutStatus:
    wanted, ready = spec.get("replicas"), status.get("readyReplicas", 0)
    if wanted is not None and ready < wanted:
        return _waiting(f"{ready} of {wanted} pods are ready")
    rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate")
    if rolling is not None:
        partition, updated = rolling.get("partition"), status.get("updatedReplicas", 0)
        if wanted is not None and partition is not None and updated < wanted - partition:
            return _waiting(f"{updated} of {wanted - partition} pods are new")
        return _DONE
    if status.get("updateRevision") != status.get("currentRevision"):
        return _waiting(f"{status.get('updatedReplicas', 0)} pods are new")
    return _DONE


def _daemon_set(_spec: Object, status: Object, _known_failure: str) -> RolloutStatus:
    wanted = status.get("desiredNumberScheduled", 0)
    updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    if updated < wanted:
        return _waiting(f"{updated} of {wanted} pods are new")
    if available < wanted:
        return _waiting(f"{available} of {wanted} new pods are available")
    return _DONE


_RULES: dict[str, t.Callable[[Object, Object, str], RolloutStatus]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
}


def _waiting(says: str) -> RolloutStatus:
    return RolloutStatus(False, says)


def _progressing(status: Object) -> Object:
    conditions = status.get("conditions") or []
    return next((each for each in conditions if each["type"] == "Progressing"), {})
