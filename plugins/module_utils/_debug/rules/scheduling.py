# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps a pod from a node: claims without a volume, and nodes that do not fit. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator

from ..._k8s.client import Object
from ..._k8s.quantity import quantity
from ..._severity import CRITICAL, WARNING
from ..collector_output import Sections
from ..finding import Finding
from ..observed import Facts
from .common import condition, events_about, last_message, shorten

_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_MOST_NAMES = 5


def claims(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    found = {each["metadata"]["name"]: each for each in facts.claims or []}
    for volume in facts.pod["spec"].get("volumes") or []:
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if volume.get("ephemeral"):
            name = f"{facts.chosen.name}-{volume['name']}"
        claim = found.get(name or "")
        phase = ((claim or {}).get("status") or {}).get("phase")
        if not name or facts.claims is None or phase == "Bound":
            continue
        if claim is None:
            yield Finding(
                "claim",
                CRITICAL,
                f"the volume claim {name} is missing",
                f"volume {volume['name']}; the namespace {facts.namespace} has {_names(list(found)) or 'no claim'}",
                "create the claim, or correct claimName in the pod's template",
            )
            continue
        told = why_unbound(facts, claim)
        if told:
            why, evidence, step = told
            yield Finding(
                "claim", CRITICAL, f"the volume claim {name} is {(phase or 'pending').lower()}{why}", evidence, step
            )


def why_unbound(facts: Facts, claim: Object) -> tuple[str, str, str] | None:
    """Return why a claim has no volume, the evidence and what to do; None if it waits for the pod's node."""
    name, wanted = claim["metadata"]["name"], claim["spec"].get("storageClassName")
    classes = {each["metadata"]["name"]: each for each in facts.classes or []}
    default = [
        key
        for key, each in classes.items()
        if (each["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
    ]
    there = ", ".join(f"{key} (default)" if key in default else key for key in sorted(classes)) or "none"
    events = events_about(facts, claim["metadata"]["uid"])
    message = last_message([each for each in events if each.get("type") == "Warning"] or events)
    look = f"look at its events (kubectl describe pvc {name} -n {facts.namespace})"
    if (claim.get("status") or {}).get("phase") == "Lost":
        return ", its volume is gone", message or f"volume {claim['spec'].get('volumeName')}", look
    missing = wanted and facts.classes is not None and wanted not in classes
    if missing or re.search(r"storageclass\S* \"[^\"]+\" not found", message):
        return (
            f": its storage class {wanted} does not exist",
            "; ".join(filter(None, [f"storage classes: {there}" if facts.classes is not None else "", message])),
            f"make the claim again with a class that exists ({there}), or create the class",
        )
    if wanted is None and facts.classes is not None and not default:
        return (
            ": it names no storage class, and there is no default one",
            "; ".join(filter(None, [f"storage classes: {there}", message])),
            f"make the claim again with storageClassName ({there}), or make one of them the default",
        )
    if wanted == "":
        return (
            ": no volume fits it, and its empty storage class makes none",
            message or f"it asks for {_asked(claim)}",
            "create a PersistentVolume with its size and access modes, or name a storage class",
        )
    mode = classes.get(wanted or next(iter(default), ""), {}).get("volumeBindingMode")
    failed = [each for each in events if each.get("reason") in ("ProvisioningFailed", "FailedBinding")]
    if failed:
        return ": no volume is made for it", f"{last_message(failed)}; it asks for {_asked(claim)}", look
    if mode == "WaitForFirstConsumer" and not facts.pod["spec"].get("nodeName"):
        return None
    waits = "; nothing answers for its class: is its provisioner there?" if not events else ""
    return "", (message or f"it asks for {_asked(claim)}") + waits, look


def _asked(claim: Object) -> str:
    size = ((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage", "no size")
    return f"{size}, {', '.join(claim['spec'].get('accessModes') or [])}, class {claim['spec'].get('storageClassName')}"


def _names(names: list[str]) -> str:
    return ", ".join(sorted(names)[:_MOST_NAMES])


# What the scheduler says of nodes that do not fit, as a part of a sentence, and what to do.
_REASONS = (
    (
        r"didn't match (?:pod )?anti-affinity|didn't satisfy existing pods anti-affinity|anti-affinity rules",
        "its anti-affinity allows no further pod on any node",
        "add a node, lower the replicas, or make the anti-affinity preferred instead of required",
    ),
    (
        r"didn't match pod affinity",
        "no node runs the pods that its affinity asks for",
        "start those pods first, or correct podAffinity",
    ),
    (
        r"topology spread",
        "its topology spread allows no further pod",
        "add nodes in the zones that lack pods, or let whenUnsatisfiable be ScheduleAnyway",
    ),
    (
        r"didn't have free ports",
        "its host port is taken on every node",
        "take another hostPort, or fewer replicas than nodes",
    ),
    (
        r"volume node affinity conflict|volume zone",
        "its volume is in another zone or on another node than those that have room",
        "make room where the volume is, or restore the data into a volume elsewhere",
    ),
    (
        r"ReadWriteOncePod",
        "its volume may be used by one pod only (ReadWriteOncePod), and another one has it",
        "end the pod that mounts the claim; a Deployment with such a volume needs the strategy Recreate",
    ),
    (
        r"unbound immediate PersistentVolumeClaims",
        "its volume claim has no volume yet",
        "look at its claims (kubectl get pvc): their class, size and access modes, and whether a provisioner runs",
    ),
    (
        r"cannot allocate all claims|ResourceClaim|resourceclaim",
        "no node has the devices that its resource claims ask for",
        "look at its ResourceClaims, at the DeviceClass, and whether the driver of the devices runs on the nodes",
    ),
    (
        r"^no nodes available",
        "the cluster has no node",
        "look why no node has joined (kubectl get nodes), or let the autoscaler add one",
    ),
    (
        r"max volume count|maximum volume",
        "no node can attach a further volume",
        "add a node, or use fewer volumes",
    ),
    (
        r"Too many pods",
        "the nodes run as many pods as they may",
        "add a node, end pods that nobody needs, or raise maxPods of the kubelets",
    ),
    (
        r"were unschedulable|node\.kubernetes\.io/unschedulable",
        "its nodes are cordoned",
        "ask who maintains them; kubectl uncordon NODE lets pods in again",
    ),
    (
        r"untolerated taint",
        "the nodes have a taint that it does not tolerate: {taint}",
        "add a toleration for {taint}, or remove the taint",
    ),
)
_TAINT = re.compile(r"untolerated taints?(?:\(s\))? \{([^}]+)\}")
_RESOURCE = re.compile(r"Insufficient ([\w./-]+)")


def unschedulable(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    found = condition(facts.pod, "PodScheduled")
    spec = facts.pod["spec"]
    if not found:
        scheduler = spec.get("schedulerName") or "default-scheduler"
        if _pending(facts) and scheduler != "default-scheduler":
            yield Finding(
                "unschedulable",
                CRITICAL,
                f"no scheduler takes the pod: it asks for {scheduler}",
                "the condition PodScheduled is missing",
                f"check whether {scheduler} runs, or remove schedulerName from the pod's template",
            )
        return
    if found.get("status") != "False":
        return
    if found.get("reason") == "SchedulingGated":
        gates = ", ".join(each["name"] for each in spec.get("schedulingGates") or [])
        what = f"the pod waits for its scheduling gates: {gates}"
        yield Finding("gated", WARNING, what, found.get("message", ""), "look at the controller that removes them")
        return
    message = found.get("message") or found.get("reason") or ""
    if "PersistentVolumeClaim" in message and list(claims(facts, {})):
        # The claim tells why.
        return
    why, evidence, step = _why_no_node(facts, message.partition("preemption:")[0])
    yield Finding(
        "unschedulable",
        CRITICAL,
        f"no node takes the pod{f': {why}' if why else ''}",
        "; ".join(filter(None, [evidence, shorten(message)])),
        step,
    )


def _pending(facts: Facts) -> bool:
    return (facts.pod.get("status") or {}).get("phase") == "Pending" and not facts.pod["spec"].get("nodeName")


def _why_no_node(facts: Facts, message: str) -> tuple[str, str, str]:
    """Return why no node fits, the evidence beside the scheduler's message, and what to do."""
    fitting = _with_labels(facts)
    if ("node affinity/selector" in message or "node selector" in message) and not fitting:
        return _by_labels(facts)
    if "missing required label" in message:
        keys = ", ".join(each["topologyKey"] for each in facts.pod["spec"].get("topologySpreadConstraints") or [])
        return (
            f"no node has the label {keys} that its topology spread asks for",
            "",
            f"label the nodes with {keys}, or let whenUnsatisfiable be ScheduleAnyway",
        )
    lacking = list(dict.fromkeys(each.rstrip(".") for each in _RESOURCE.findall(message)))
    if lacking:
        # What few nodes offer at all tells more than what all have some of.
        lacking.sort(key=lambda each: "/" not in each)
        why, evidence, step = _by_room(facts, lacking[0], fitting)
        return why + (f"; nor enough {' and '.join(lacking[1:])}" if lacking[1:] else ""), evidence, step
    taint = _telling_taint(message)
    if taint and taint[1].startswith(_OF_NODES) and "unschedulable" not in taint[1]:
        return _by_trouble(taint[1].partition(":")[0])
    for pattern, why, step in _REASONS:
        if re.search(pattern, message):
            name = taint[1].replace(": }", "").strip(": ") if taint else "one"
            return why.format(taint=name), "", step.format(taint=name)
    step = "compare its requests, node selector, affinity and tolerations with the nodes (kubectl describe nodes)"
    return "", "", step


_OF_NODES = "node.kubernetes.io/"


def _telling_taint(message: str) -> re.Match[str] | None:
    """Return a taint of nodes that pods are meant for; the control plane has one of its own."""
    taints = list(_TAINT.finditer(message))
    return next((each for each in taints if "control-plane" not in each[1]), taints[0] if taints else None)


def _by_trouble(taint: str) -> tuple[str, str, str]:
    """Return what nodes lack that Kubernetes itself has tainted."""
    trouble = taint.removeprefix(_OF_NODES).replace("-", " ")
    return (
        f"the nodes that it may go to are in trouble: {trouble} (taint {taint})",
        "",
        "look at those nodes (kubectl describe nodes): the taint goes with their trouble; a toleration would hide it",
    )


def _by_labels(facts: Facts) -> tuple[str, str, str]:
    wanted = _terms(facts.pod["spec"])
    names = " and ".join(text for text, _holds in wanted[0]) if wanted else "what its node selector asks for"
    if len(wanted) > 1:
        names = " or ".join(f"({' and '.join(text for text, _holds in term)})" for term in wanted)
    best, lacks, has = "", None, ""
    for node in facts.nodes or []:
        labels = node["metadata"].get("labels") or {}
        for term in wanted:
            missing = [text for text, holds in term if not holds(labels)]
            if lacks is None or len(missing) < len(lacks):
                keys = {re.split(r"[=! ]", text)[0] for text in missing}
                has = ", ".join(f"{key}={labels[key]}" for key in sorted(keys) if key in labels)
                best, lacks = node["metadata"]["name"], missing
    if lacks is not None:
        close = f"closest is node {best}, which lacks {' and '.join(lacks)}{f' (it has {has})' if has else ''}"
        names = " and ".join(lacks) or names
    else:
        close = "the nodes could not be read" if facts.nodes is None else "there is no node"
    step = f"label a node with {names} (kubectl label node NODE KEY=VALUE), or correct nodeSelector or nodeAffinity"
    return f"none has {names}", close, step


def _with_labels(facts: Facts) -> list[Object]:
    """Return the nodes whose labels are those that the pod asks for; all of them if it asks for none."""
    wanted = _terms(facts.pod["spec"])

    def fits(node: Object) -> bool:
        labels = node["metadata"].get("labels") or {}
        return any(all(holds(labels) for _text, holds in term) for term in wanted)

    return [each for each in facts.nodes or [] if not wanted or fits(each)]


_Term = list[tuple[str, t.Callable[[t.Mapping[str, str]], bool]]]


def _terms(spec: Object) -> list[_Term]:
    """Return the ways to satisfy a node selector and a required affinity, each as its texts and tests of labels."""
    pairs: _Term = [_pair(key, value) for key, value in sorted((spec.get("nodeSelector") or {}).items())]
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = [
        pairs + [_expression(each) for each in term.get("matchExpressions") or []]
        for term in required.get("nodeSelectorTerms") or []
    ]
    return terms or ([pairs] if pairs else [])


def _pair(key: str, value: str) -> tuple[str, t.Callable[[t.Mapping[str, str]], bool]]:
    return f"{key}={value}", lambda labels: labels.get(key) == value


def _expression(each: Object) -> tuple[str, t.Callable[[t.Mapping[str, str]], bool]]:
    key, operator, values = each["key"], each["operator"], each.get("values") or []
    if operator in ("Exists", "DoesNotExist"):
        return (key if operator == "Exists" else f"!{key}"), lambda labels: (key in labels) == (operator == "Exists")
    if operator in ("Gt", "Lt"):
        sign = ">" if operator == "Gt" else "<"

        def compares(labels: t.Mapping[str, str]) -> bool:
            number, limit = quantity(labels.get(key)), quantity(values[0])
            return key in labels and (number > limit if operator == "Gt" else number < limit)

        return f"{key} {sign} {values[0]}", compares
    text = f"{key} {operator.lower()} ({', '.join(values)})"
    if len(values) == 1 and operator == "In":
        text = f"{key}={values[0]}"
    return text, lambda labels: (labels.get(key) in values) == (operator == "In")


def _asked_of_node(spec: Object, resource: str) -> tuple[float, str]:
    """Return how much of a resource a pod asks its node for, and how it says so: init containers run one by one."""

    def request(container: Object) -> t.Any:
        return ((container.get("resources") or {}).get("requests") or {}).get(resource)

    inits = spec.get("initContainers") or []
    beside = [*(each for each in inits if each.get("restartPolicy") == "Always"), *spec["containers"]]
    together = [request(each) for each in beside if request(each)]
    first = [request(each) for each in inits if each not in beside and request(each)]
    largest = max(first, key=quantity, default=None)
    if largest is not None and quantity(largest) > sum(map(quantity, together)):
        return quantity(largest), f"{largest} (an init container)"
    return sum(map(quantity, together)), " + ".join(map(str, together))


def _by_room(facts: Facts, resource: str, nodes: t.Sequence[Object]) -> tuple[str, str, str]:
    asked, said = _asked_of_node(facts.pod["spec"], resource)
    sizes = {
        each["metadata"]["name"]: ((each.get("status") or {}).get("allocatable") or {}).get(resource) for each in nodes
    }
    largest = max(sizes, key=lambda name: quantity(sizes[name]), default="")
    evidence = f"it asks for {said or 'none'} of {resource}"
    if len(nodes) < len(facts.nodes or []):
        evidence += f", and for labels that {len(nodes)} of {len(facts.nodes or [])} nodes have"
    if not largest:
        return f"too little {resource} is free", evidence, f"add a node, or lower its request for {resource}"
    room = sizes[largest]
    evidence += f"; the largest node, {largest}, has {room or 'none'} for pods"
    if not quantity(room):
        step = f"add a node that offers {resource}" + (" (its device plugin runs?)" if "/" in resource else "")
        return f"no node offers {resource}", evidence, step
    if asked > quantity(room):
        step = f"lower its request for {resource} to what a node has, or add a larger node"
        return f"it asks for more {resource} than any node has", evidence, step
    step = f"add a node, or lower the requests for {resource} of this pod or of others (kubectl describe nodes)"
    return f"too little {resource} is free", evidence, step
