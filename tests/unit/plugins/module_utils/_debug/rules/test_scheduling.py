# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why no node takes a pod, and why a claim has no volume: the first finding of each case, and its next step."""

from __future__ import annotations

import pytest

from .objects import claim, container, event, facts, findings, node, pod, storage_class, unplaced

DATA = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}
UNBOUND = (
    "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/1 nodes are available"
)
NO_MATCH = (
    "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. preemption: 0/2 nodes are available"
)
NODES = [node("n1", {"disktype": "hdd", "zone": "a"}), node("n2", {"zone": "b"})]
CLASSES = [storage_class("standard", default=True), storage_class("slow")]


def needs(**resources: str) -> dict[str, object]:
    return {"containers": [container(resources={"requests": resources})]}


CASES = {
    "a class that does not exist": (
        facts(unplaced(UNBOUND, **DATA), claims=[claim(storageClassName="fast")], classes=CLASSES),
        *("claim", "its storage class fast does not exist", "standard (default)"),
    ),
    "a class that does not exist, as an event tells": (
        facts(
            unplaced(UNBOUND, **DATA),
            claims=[claim(storageClassName="fast")],
            events=[event("ProvisioningFailed", 'storageclass.storage.k8s.io "fast" not found', uid="data-uid")],
        ),
        *("claim", "its storage class fast does not exist", "create the class"),
    ),
    "no class and no default": (
        facts(unplaced(UNBOUND, **DATA), claims=[claim()], classes=[storage_class("slow")]),
        *("claim", "it names no storage class, and there is no default one", "slow"),
    ),
    "no volume fits": (
        facts(
            unplaced(UNBOUND, **DATA),
            claims=[claim(storageClassName="")],
            classes=CLASSES,
            events=[
                event("FailedBinding", "no persistent volumes available for this claim", uid="data-uid", type="Normal")
            ],
        ),
        *("claim", "no volume fits it", "create a PersistentVolume"),
    ),
    "a provisioner that fails": (
        facts(
            unplaced(UNBOUND, **DATA),
            claims=[claim(storageClassName="slow", accessModes=["ReadWriteMany"])],
            classes=CLASSES,
            events=[event("ProvisioningFailed", "Only support ReadWriteOnce access mode", uid="data-uid")],
        ),
        *(
            "claim",
            "Only support ReadWriteOnce access mode; it asks for 1Gi, ReadWriteMany, class slow",
            "kubectl describe pvc",
        ),
    ),
    "a claim that is missing": (
        facts(
            unplaced('0/1 nodes are available: persistentvolumeclaim "data" not found.', **DATA), claims=[claim("logs")]
        ),
        *("claim", "the volume claim data is missing", "claimName"),
    ),
    "a volume that is gone": (
        facts(unplaced(UNBOUND, **DATA), claims=[claim(phase="Lost", volumeName="pv1")]),
        *("claim", "its volume is gone", "kubectl describe pvc data"),
    ),
    "a claim that waits for the node": (
        facts(
            unplaced(NO_MATCH, nodeSelector={"disktype": "ssd"}, **DATA),
            claims=[claim(storageClassName="local")],
            classes=[storage_class("local", mode="WaitForFirstConsumer")],
            nodes=NODES,
        ),
        *("unschedulable", "none has disktype=ssd", "label a node"),
    ),
    "a node selector": (
        facts(unplaced(NO_MATCH, nodeSelector={"disktype": "ssd", "zone": "a"}), nodes=NODES),
        *("unschedulable", "closest is node n1, which lacks disktype=ssd (it has disktype=hdd)", "disktype=ssd"),
    ),
    "an affinity": (
        facts(
            unplaced(
                NO_MATCH,
                affinity={
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [
                                {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["c", "d"]}]},
                            ]
                        }
                    }
                },
            ),
            nodes=NODES,
        ),
        *("unschedulable", "none has zone in (c, d)", "nodeAffinity"),
    ),
    "more than any node has": (
        facts(unplaced("0/2 nodes are available: 2 Insufficient cpu.", **needs(cpu="100")), nodes=NODES),
        *("unschedulable", "it asks for more cpu than any node has", "lower its request for cpu"),
    ),
    "no room left": (
        facts(unplaced("0/2 nodes are available: 2 Insufficient memory.", **needs(memory="6Gi")), nodes=NODES),
        *("unschedulable", "too little memory is free", "lower the requests for memory"),
    ),
    "a GPU that no node has": (
        facts(
            unplaced("0/2 nodes are available: 2 Insufficient nvidia.com/gpu.", **needs(**{"nvidia.com/gpu": "1"})),
            nodes=NODES,
        ),
        *("unschedulable", "no node offers nvidia.com/gpu", "device plugin"),
    ),
    "a taint": (
        facts(unplaced("0/1 nodes are available: 1 node(s) had untolerated taint {dedicated: batch}.")),
        *("unschedulable", "a taint that it does not tolerate: dedicated: batch", "toleration for dedicated: batch"),
    ),
    "anti-affinity": (
        facts(unplaced("0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.")),
        *("unschedulable", "its anti-affinity allows no further pod", "preferred instead of required"),
    ),
    "a host port": (
        facts(unplaced("0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.")),
        *("unschedulable", "its host port is taken", "hostPort"),
    ),
    "cordoned": (
        facts(unplaced("0/1 nodes are available: 1 node(s) were unschedulable.")),
        *("unschedulable", "its nodes are cordoned", "uncordon"),
    ),
    "gates": (
        facts(unplaced("Scheduling is blocked", "SchedulingGated", schedulingGates=[{"name": "example.com/quota"}])),
        *("gated", "waits for its scheduling gates: example.com/quota", "controller"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_why_no_node_takes_a_pod(name: str) -> None:
    read, kind, what, step = CASES[name]
    found = findings(read)
    assert found[0].kind == kind, found
    assert what in f"{found[0].what}; {found[0].evidence}"
    assert step in found[0].next_step


def test_a_scheduler_that_is_not_there() -> None:
    read = unplaced("", schedulerName="batch-scheduler")
    read["status"]["conditions"] = []
    first = findings(facts(read))[0]
    assert first.what == "no scheduler takes the pod: it asks for batch-scheduler"


def test_a_bound_claim_is_no_finding() -> None:
    found = findings(facts(pod(spec=DATA), claims=[claim(phase="Bound")]))
    assert [each.kind for each in found] == ["healthy"]
