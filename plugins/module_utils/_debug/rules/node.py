# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node that a pod is on. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Iterator

from ..._severity import CRITICAL, WARNING
from ..collector_output import Sections
from ..finding import Finding
from ..observed import Facts
from .common import shorten

# Of the kubelet, and of the node problem detector; others are good if they are true.
BAD_CONDITIONS = (
    "MemoryPressure",
    "DiskPressure",
    "PIDPressure",
    "NetworkUnavailable",
    "KernelDeadlock",
    "ReadonlyFilesystem",
)


def not_ready(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    for name, condition in _conditions(facts):
        if condition["type"] == "Ready" and condition["status"] != "True":
            yield Finding(
                "node_not_ready",
                CRITICAL,
                f"its node {name} is not ready",
                shorten(condition.get("message", "")),
                "look at the node's kubelet; the pod is moved only after its tolerations have run out",
            )


def missing(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """A pod that is bound to a node which does not exist."""
    name = facts.pod["spec"].get("nodeName")
    started = (facts.pod.get("status") or {}).get("containerStatuses")
    # Where its pods could be listed and the node is not there, it was asked for in vain.
    refused = any(each.startswith("the node") for each in facts.unknown)
    if name and facts.node is None and facts.node_pods is not None and not refused and not started:
        yield Finding(
            "node_missing",
            CRITICAL,
            f"the node {name} that the pod is bound to does not exist",
            f"spec.nodeName is {name}; no scheduler is asked where it is given",
            "remove nodeName from the pod's template, or correct it (kubectl get nodes); a nodeSelector is meant "
            "for that",
        )


def pressure(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    for name, condition in _conditions(facts):
        if condition["type"] in BAD_CONDITIONS and condition["status"] == "True":
            yield Finding(
                "node_pressure",
                WARNING,
                f"its node {name} has {condition['type']}",
                shorten(condition.get("message", "")),
                "free what the node lacks, before the kubelet evicts pods",
            )


def cordoned(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    if facts.node and facts.node["spec"].get("unschedulable"):
        name = facts.node["metadata"]["name"]
        yield Finding(
            "cordoned",
            WARNING,
            f"its node {name} is cordoned: what is deleted there comes back on another node",
            "spec.unschedulable",
            f"ask who maintains it; kubectl uncordon {name} lets pods in again",
        )


def _conditions(facts: Facts) -> list[tuple[str, dict[str, str]]]:
    if not facts.node:
        return []
    conditions = (facts.node.get("status") or {}).get("conditions") or []
    return [(facts.node["metadata"]["name"], each) for each in conditions]
