# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kubelet says of the containers of a pod. PRIVATE to the collection."""

from __future__ import annotations

from .._k8s.client import Object

# Why a container waits: what another image fixes, what another specification fixes.
WRONG_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
WRONG_CONFIG = ("CreateContainerConfigError", "CreateContainerError")
CANNOT_START = (*WRONG_IMAGE, *WRONG_CONFIG, "RunContainerError")
# Why a container waits or has ended that has never run.
NOT_STARTED = ("StartError", "ContainerCannotRun")
ENDED_PHASES = ("Succeeded", "Failed")


def container_statuses(pod: Object) -> list[Object]:
    """Return the states of init containers, then those of the others."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def waiting(status: Object) -> Object:
    """Return what a container waits for, nothing if it does not wait."""
    return (status.get("state") or {}).get("waiting") or {}


def terminated(status: Object) -> Object:
    """Return how a container has ended, nothing if it runs or waits."""
    return (status.get("state") or {}).get("terminated") or {}


def last_end(status: Object) -> Object:
    """Return how a container has ended, or its run before; nothing if it never did."""
    return terminated(status) or (status.get("lastState") or {}).get("terminated") or {}


def has_sandbox(pod: Object) -> bool:
    """Tell whether a pod has its network and its volumes, without which the kubelet starts nothing in it."""
    status = pod.get("status") or {}
    for each in status.get("conditions") or []:
        if each["type"] == "PodReadyToStartContainers":
            return bool(each["status"] == "True")
    # Kubernetes before 1.29 does not tell. A pod in the host's network has its address from the beginning.
    if status.get("podIP") and not pod["spec"].get("hostNetwork"):
        return True
    states = [(waiting(each).get("reason"), each.get("state") or {}) for each in container_statuses(pod)]
    return any(state and reason not in ("ContainerCreating", "PodInitializing") for reason, state in states)


def is_running(status: Object) -> bool:
    return "running" in (status.get("state") or {})
