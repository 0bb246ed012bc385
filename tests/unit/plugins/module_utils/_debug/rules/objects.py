# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects as the API server returns them, small: pods and their containers, events, owners, nodes and services."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.diagnosis import judge
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.finding import Finding
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.logs import Log, digest
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.observed import Facts
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.session import Session
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.target import Chosen

NOW = datetime(2026, 11, 23, 10, 15, tzinfo=timezone.utc)
Object = dict[str, Any]


def at(seconds: float) -> str:
    """Return the time so many seconds ago, as the API server writes it."""
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def container(name: str = "main", **parts: Any) -> Object:
    return {"name": name, "image": "registry.example.com/shop/web:1.4", "resources": {}, **parts}


def running(name: str = "main", since: float = 900, **parts: Any) -> Object:
    state = {"running": {"startedAt": at(since)}}
    return {"name": name, "ready": True, "started": True, "restartCount": 0, "state": state, **parts}


def waiting(name: str = "main", reason: str = "ContainerCreating", message: str = "", **parts: Any) -> Object:
    state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    return {"name": name, "ready": False, "started": False, "restartCount": 0, "state": state, **parts}


def end(code: int, reason: str = "Error", ago: float = 30, lived: float = 10, message: str = "") -> Object:
    return {
        "exitCode": code,
        "reason": reason,
        "startedAt": at(ago + lived),
        "finishedAt": at(ago),
        "containerID": "containerd://0123",
        **({"message": message} if message else {}),
    }


def looping(code: int, name: str = "main", *, restarts: int = 4, **parts: Any) -> Object:
    """Return a container between two of its runs."""
    message = f"back-off 1m20s restarting failed container={name} pod=web_shop(1)"
    last = {"lastState": {"terminated": end(code, **parts)}}
    return waiting(name, "CrashLoopBackOff", message, restartCount=restarts, **last)


def restarted(code: int, name: str = "main", *, restarts: int = 2, since: float = 20, **parts: Any) -> Object:
    """Return a container that runs again after an end."""
    return running(name, since, restartCount=restarts, lastState={"terminated": end(code, **parts)})


def over(code: int, name: str = "main", **parts: Any) -> Object:
    """Return a container that has ended."""
    return {"name": name, "ready": False, "restartCount": 0, "state": {"terminated": end(code, **parts)}}


def pod(*statuses: Object, spec: Object | None = None, **status: Any) -> Object:
    """Return a pod with the states of its containers; its specification has them too, unless it is given."""
    states = list(statuses) or [running()]
    ready = all(each["ready"] for each in states)
    conditions = [
        {"type": "PodScheduled", "status": "True"},
        {"type": "Ready", "status": "True" if ready else "False"},
    ]
    containers = [container(each["name"]) for each in states]
    return {
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "1",
            "labels": {"app": "web"},
            "creationTimestamp": at(1000),
        },
        "spec": {
            "containers": containers,
            "nodeName": "n1",
            "restartPolicy": "Always",
            "serviceAccountName": "web",
            "terminationGracePeriodSeconds": 30,
            **(spec or {}),
        },
        "status": {"phase": "Running", "conditions": conditions, "containerStatuses": states, **status},
    }


def event(reason: str, message: str, *, container: str = "", uid: str = "1", ago: float = 30, **parts: Any) -> Object:
    about = {"kind": "Pod", "name": "web", "uid": uid}
    if container:
        about["fieldPath"] = f"spec.containers{{{container}}}"
    return {
        "metadata": {"name": f"web.{reason}", "creationTimestamp": at(ago)},
        "involvedObject": about,
        "reason": reason,
        "message": message,
        "type": "Warning",
        "lastTimestamp": at(ago),
        "count": 1,
        **parts,
    }


def log(*lines: str, every: float = 1.0, until: float = 5.0) -> Log:
    """Return a log whose last line is so many seconds old."""
    stamps = [NOW - timedelta(seconds=until + every * (len(lines) - 1 - number)) for number in range(len(lines))]
    rows = [f"{stamp:%Y-%m-%dT%H:%M:%S}.123456789Z {line}" for stamp, line in zip(stamps, lines, strict=True)]
    return digest("\n".join(rows) + "\n", stamped=True)


def facts(
    pod_: Object | None = None,
    *,
    logs: dict[str, Log] | None = None,
    before: dict[str, Log] | None = None,
    **parts: Any,
) -> Facts:
    """Return what was read; ``logs`` and ``before`` are those of the runs of now and before."""
    all_logs = {(name, False): each for name, each in (logs or {}).items()}
    all_logs |= {(name, True): each for name, each in (before or {}).items()}
    return Facts("shop", NOW, Chosen("web", pod_ or pod(), "it was named"), logs=all_logs, **parts)


def findings(found: Facts, inside: dict[str, str] | None = None, **session: Any) -> tuple[Finding, ...]:
    """Return the findings of what was read, and of what was collected inside."""
    sections = {name: text.splitlines() for name, text in (inside or {}).items()}
    if inside is None:
        return judge(found, None).findings
    return judge(
        found, Session("web", **{"mode": "ephemeral", "beside": True, "sections": sections, **session})
    ).findings


def owner(kind: str, name: str = "web", *, uid: str = "", spec: Object | None = None, **status: Any) -> Object:
    """Return a workload; its conditions are given as a list."""
    found = {"name": name, "namespace": "shop", "uid": uid or f"{kind.lower()}-uid", "creationTimestamp": at(5000)}
    return {"kind": kind, "metadata": found, "spec": spec or {}, "status": status}


def condition(kind: str, status: str, reason: str = "", message: str = "", ago: float = 60) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": at(ago)}


def node(name: str, labels: dict[str, str] | None = None, **allocatable: str) -> Object:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110", **allocatable}},
    }


def unplaced(message: str, reason: str = "Unschedulable", **spec: Any) -> Object:
    """Return a pod that no node takes."""
    found = pod(spec={"containers": [container()], **spec}, phase="Pending", containerStatuses=[])
    found["spec"].pop("nodeName")
    found["status"]["conditions"] = [condition("PodScheduled", "False", reason, message)]
    return found


def claim(name: str = "data", *, phase: str = "Pending", **spec: Any) -> Object:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    return {"metadata": {"name": name, "uid": f"{name}-uid"}, "spec": spec, "status": {"phase": phase}}


def storage_class(name: str, *, default: bool = False, mode: str = "Immediate") -> Object:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"metadata": {"name": name, "annotations": annotations}, "volumeBindingMode": mode}


def service(name: str = "web", selector: dict[str, str] | None = None, *ports: Any, **spec: Any) -> Object:
    """Return a service; its ports are numbers, pairs of a port and its targetPort, or whole."""
    found = []
    for each in ports or (80,):
        if isinstance(each, dict):
            found.append(each)
        else:
            number, target = each if isinstance(each, tuple) else (each, each)
            found.append({"port": number, "targetPort": target, "protocol": "TCP"})
    selector = {"app": name} if selector is None else selector
    return {
        "metadata": {"name": name},
        "spec": {"selector": selector, "ports": found, "clusterIP": "10.96.0.7", **spec},
    }


def peer(name: str, *, ready: bool = True, **labels: str) -> Object:
    """Return another pod of the namespace."""
    found = pod(running(ready=ready))
    found["metadata"] = {"name": name, "namespace": "shop", "uid": name, "labels": labels}
    return found


def ingress(name: str = "web", *backends: tuple[str, int], **spec: Any) -> Object:
    paths = [{"path": "/", "backend": {"service": {"name": to, "port": {"number": port}}}} for to, port in backends]
    rules = [{"host": "shop.example.com", "http": {"paths": paths}}] if paths else []
    return {"metadata": {"name": name}, "spec": {"rules": rules, **spec}}


def policy(name: str, selector: dict[str, str], *rules: Object, kind: str = "Ingress") -> Object:
    spec = {"podSelector": {"matchLabels": selector}, "policyTypes": [kind], kind.lower(): list(rules)}
    return {"metadata": {"name": name}, "spec": spec}


def variables(**values: str) -> Object:
    return {"containers": [container(env=[{"name": name, "value": value} for name, value in values.items()])]}
