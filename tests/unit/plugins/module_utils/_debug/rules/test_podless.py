# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why something has no pod, and that it is meant to have none."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.diagnosis import Diagnosis, judge_workload
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.observed import NO_POD, Facts
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.target import Chosen

from .objects import (
    NOW,
    Object,
    at,
    claim,
    condition,
    event,
    ingress,
    node,
    owner,
    peer,
    pod,
    service,
    storage_class,
    waiting,
)


def judged(*owners: Object, **facts: Any) -> Diagnosis:
    name = f"{owners[0]['kind'].lower()}/{owners[0]['metadata']['name']}"
    chosen = Chosen(name, NO_POD, "it has no pod")
    return judge_workload(Facts("shop", NOW, chosen, owners=list(owners), **facts))


def of(kind: str, found: Object, uid: str = "") -> Object:
    found["metadata"].setdefault("uid", uid or f"{kind.lower()}-uid")
    return {**found, "kind": kind}


def cronjob(**parts: Any) -> Object:
    status = {key: parts.pop(key) for key in ("lastScheduleTime", "lastSuccessfulTime", "active") if key in parts}
    return owner("CronJob", "nightly", spec={"schedule": "0 3 * * *", **parts}, **status)


@pytest.mark.parametrize(
    ("found", "what", "severity"),
    [
        (cronjob(), "cronjob/nightly waits for its next run", "ok"),
        (
            cronjob(lastScheduleTime=at(600), lastSuccessfulTime=at(500)),
            "cronjob/nightly waits for its next run: the last one succeeded",
            "ok",
        ),
        (
            cronjob(lastScheduleTime=at(600), lastSuccessfulTime=at(90_000)),
            "the last run of cronjob/nightly did not succeed, and its Job is not kept",
            "warning",
        ),
        (cronjob(suspend=True), "cronjob/nightly is suspended: it starts no Job", "warning"),
    ],
    ids=["new", "succeeded", "failed", "suspended"],
)
def test_a_cronjob_without_a_job(found: Object, what: str, severity: str) -> None:
    diagnosis = judged(found)
    assert (diagnosis.findings[0].what, diagnosis.severity) == (what, severity)
    assert "0 3 * * *" in diagnosis.findings[0].evidence or severity == "warning"


def test_a_cronjob_that_cannot_start_a_job() -> None:
    bad = event("UnparseableSchedule", "unparseable schedule: 99 * * * *", uid="cronjob-uid")
    first = judged(cronjob(), events=[bad]).findings[0]
    assert first.what == "cronjob/nightly starts no Job: its schedule cannot be read"
    assert "99 * * * *" in first.evidence


def job(**status: Any) -> Object:
    return owner("Job", "nightly-1", spec={"completions": 5, "backoffLimit": 2}, **status)


def test_a_job_that_gave_up_and_whose_pods_are_gone() -> None:
    failed = condition("Failed", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    diagnosis = judged(job(failed=3, conditions=[failed]), cronjob(lastScheduleTime=at(600)))
    assert "has given up: its pods have failed more often than backoffLimit (2) allows" in diagnosis.findings[0].what
    assert diagnosis.severity == "critical"


def test_a_job_that_has_completed_is_no_trouble() -> None:
    complete = condition("Complete", "True", ago=1200)
    diagnosis = judged(job(succeeded=5, conditions=[complete]))
    assert diagnosis.findings[0].what == "job/nightly-1 has completed, and its pods are removed"
    assert (diagnosis.findings[0].evidence, diagnosis.severity) == ("5 of 5 completed, 20 min ago", "ok")


def test_a_replicaset_of_an_old_revision_is_meant_to_have_no_pod() -> None:
    deployment = owner("Deployment", spec={"replicas": 3})
    diagnosis = judged(owner("ReplicaSet", "web-1", spec={"replicas": 0}), deployment)
    assert "is of an old revision of deployment/web" in diagnosis.findings[0].what
    assert diagnosis.severity == "ok"


def test_a_service_that_selects_nothing_tells_the_closest_pod() -> None:
    found = of("Service", service(selector={"app": "web", "version": "v2"}))
    first = judged(found, pods=[peer("web-1", app="web", version="v1")]).findings[0]
    assert "nothing answers at the Service web, which selects no pod: its selector asks for app=web, version=v2" in (
        first.what
    )
    assert "closest is the pod web-1, which has version=v1" in first.evidence


def test_a_service_whose_workload_is_scaled_to_nothing() -> None:
    template = {"metadata": {"labels": {"app": "web"}}}
    deployment = owner("Deployment", spec={"replicas": 0, "template": template})
    first = judged(of("Service", service()), pods=[], workloads=[deployment]).findings[0]
    assert first.what == "nothing answers at the Service web, whose deployment/web is scaled to 0"
    assert "kubectl scale deployment/web --replicas=1" in first.next_step


def endpoints(*addresses: str) -> Object:
    labels = {"kubernetes.io/service-name": "web"}
    return {"metadata": {"name": "web-x", "labels": labels}, "endpoints": [{"addresses": list(addresses)}]}


@pytest.mark.parametrize(
    ("found", "slices", "what", "severity"),
    [
        (service(type="ExternalName", externalName="db.example.com"), [], "is another name of db.example.com", "ok"),
        (service(selector={}), [endpoints("10.0.0.9")], "its endpoints are made by hand", "ok"),
        (service(selector={}), [], "it has neither a selector nor endpoints", "critical"),
    ],
    ids=["another name", "by hand", "empty"],
)
def test_a_service_without_a_selector(found: Object, slices: list[Object], what: str, severity: str) -> None:
    diagnosis = judged(of("Service", found), slices=slices, pods=[])
    assert what in diagnosis.findings[0].what
    assert diagnosis.severity == severity


CLASSES = [storage_class("fast", default=True), storage_class("late", mode="WaitForFirstConsumer")]


@pytest.mark.parametrize(
    ("found", "what", "severity"),
    [
        (claim(phase="Bound", volumeName="pv-1"), "pvc/data is bound to pv-1, and no pod mounts it", "ok"),
        (claim(storageClassName="late"), "its volume is made only when a pod mounts it, and none does", "warning"),
        (claim(storageClassName="slow"), "pvc/data is pending: its storage class slow does not exist", "critical"),
    ],
    ids=["bound", "waits", "no class"],
)
def test_a_claim_that_no_pod_mounts(found: Object, what: str, severity: str) -> None:
    diagnosis = judged(of("PersistentVolumeClaim", found), claims=[found], classes=CLASSES, events=[])
    assert what in diagnosis.findings[0].what
    assert diagnosis.severity == severity


def test_an_ingress_whose_service_is_not_there() -> None:
    found = of("Ingress", ingress("web", ("wbe", 80)))
    first = judged(found, services=[service()], pods=[]).findings[0]
    assert first.what == "the Ingress web sends to the Service wbe, which does not exist"
    assert "Services: web" in first.next_step


def test_an_ingress_whose_service_selects_nothing() -> None:
    found = of("Ingress", ingress("web", ("web", 80)))
    first = judged(found, services=[service()], pods=[peer("db-1", app="db")]).findings[0]
    assert "the Ingress web sends to the Service web, which selects no pod" in first.what


def ready(status: str = "True", **more: Any) -> Object:
    found = of("Node", node("n1"))
    found["status"] |= {"conditions": [condition("Ready", status, "", "kubelet says", ago=300)]}
    found["spec"] |= more
    return found


def test_a_node_that_is_well_is_said_to_be() -> None:
    diagnosis = judged(ready(), node_pods=[pod()], events=[])
    assert diagnosis.findings[0].what == "node/n1 is ready, and no pod on it is in trouble"
    assert diagnosis.severity == "ok"


def test_what_is_on_a_node_is_not_claimed_to_be_well_if_it_is_not_known() -> None:
    diagnosis = judged(ready(), node_pods=None, events=[])
    assert diagnosis.findings[0].what == "node/n1 is ready"
    assert "which pods are on it is not known" in diagnosis.findings[0].evidence


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (ready("Unknown"), "node/n1 does not answer"),
        (ready("False"), "node/n1 is not ready"),
        (ready(unschedulable=True), "node/n1 is cordoned: it takes no new pod"),
    ],
    ids=["silent", "not ready", "cordoned"],
)
def test_a_node_in_trouble(found: Object, what: str) -> None:
    assert judged(found, node_pods=[pod()], events=[]).findings[0].what == what


def test_the_pods_of_a_node_that_are_in_trouble_are_named() -> None:
    bad = pod(waiting(reason="CrashLoopBackOff"))
    first = judged(ready(), node_pods=[bad, pod()], events=[]).findings[0]
    assert first.what == "1 of 2 pods on node/n1 are in trouble"
    assert "shop/web: container main waits: CrashLoopBackOff" in first.evidence
    assert "debug_pod_namespace=shop, debug_pod_targets=web" in first.next_step


@pytest.mark.parametrize(("reason", "told"), [("SystemOOM", True), ("InvalidDiskCapacity", False)])
def test_only_events_of_trouble_are_told_of_a_node(reason: str, told: bool) -> None:
    about = {"kind": "Node", "name": "n1", "uid": "n1"}
    happened = event(reason, "it happened", involvedObject=about)
    assert (judged(ready(), node_pods=[], events=[happened]).findings[0].kind == "node_event") == told


def test_a_workload_of_which_nothing_tells_is_said_to_be_that() -> None:
    diagnosis = judged(owner("StatefulSet", spec={"replicas": 3}), events=[])
    assert diagnosis.findings[0].what == "statefulset/web has no pod, and nothing tells why"
    assert diagnosis.severity == "warning"
