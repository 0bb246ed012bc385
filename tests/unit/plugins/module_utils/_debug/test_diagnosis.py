# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read for a diagnosis, over HTTP from a server that has the objects of a test and the clock of its objects."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug import reads
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.diagnosis import (
    DiagnosisRequest,
    diagnose_all,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.target import NoTarget, read_target

from .cluster import APPS, COLLECT, NAMESPACE, Cluster
from .rules.objects import condition, event, owner, pod, running


def test_a_deployment_whose_replicaset_may_make_no_pod(cluster: Cluster) -> None:
    message = 'pods "web-2-x" is forbidden: exceeded quota: compute, requested: cpu=1, used: cpu=4, limited: cpu=4'
    owned = [{"uid": "deployment-uid", "kind": "Deployment", "name": "web", "controller": True}]
    sets = [owner("ReplicaSet", f"web-{number}", uid=f"rs{number}", spec={"replicas": 2}) for number in (10, 9)]
    for each, number in zip(sets, ("10", "9"), strict=True):
        each["metadata"] |= {"ownerReferences": owned, "annotations": {"deployment.kubernetes.io/revision": number}}
    deployment = owner("Deployment", spec={"replicas": 2, "selector": {"matchLabels": {"app": "web"}}})
    deployment.pop("kind")
    cluster.objects |= {
        f"{APPS}/deployments/web": deployment,
        f"{APPS}/replicasets": sets,
        f"{NAMESPACE}/pods": [],
        f"{NAMESPACE}/events": [event("FailedCreate", f"Error creating: {message}", uid="rs10")],
        "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers": [],
    }
    diagnosis = cluster.first("deployment/web")
    assert diagnosis.findings[0].what == "ReplicaSet web-10 can make no pod: the quota compute is used up"
    assert [each["owner"] for each in diagnosis.details["owners"]] == ["ReplicaSet web-10", "Deployment web"]
    assert diagnosis.severity == "critical"
    assert diagnosis.degraded == ()


def test_a_bare_pod_that_was_preempted_is_not_called_a_wrong_name(cluster: Cluster) -> None:
    gone = event("Preempted", "Preempted by pod 7f3a on node n1")
    cluster.objects[f"{NAMESPACE}/events"] = [gone]
    first = cluster.first("web").findings[0]
    assert first.what == "the pod was preempted: a pod of a higher priority took its place"
    assert "Preempted by pod 7f3a on node n1" in first.evidence
    assert "priority class" in first.next_step


@pytest.mark.parametrize(
    ("reason", "severity", "what"),
    [
        ("Completed", "ok", "job/load has completed, and was removed since"),
        ("BackoffLimitExceeded", "critical", "job/load is not there any more; its last word was BackoffLimitExceeded"),
    ],
)
def test_a_job_that_was_removed_after_its_end_is_not_called_a_wrong_name(
    reason: str, severity: str, what: str, cluster: Cluster
) -> None:
    events = [event("SuccessfulCreate", "Created pod: load-x", ago=90), event(reason, "the Job has ended", ago=60)]
    for each in events:
        each["involvedObject"] = {"kind": "Job", "name": "load", "uid": "load"}
    cluster.objects[f"{NAMESPACE}/events"] = events
    found = cluster.first("job/load")
    assert (found.severity, found.findings[0].what) == (severity, what)
    assert "the Job has ended" in found.findings[0].evidence


def test_a_pod_that_never_was_is_a_wrong_name(cluster: Cluster) -> None:
    cluster.objects[f"{NAMESPACE}/events"] = []
    with pytest.raises(NoTarget, match="There is no pod web in the namespace shop"):
        cluster.first("web")


def test_the_same_name_in_another_namespace_is_told(cluster: Cluster) -> None:
    cluster.objects["/apis/apps/v1/deployments"] = [{"metadata": {"name": "web", "namespace": "shop-eu"}}]
    with pytest.raises(NoTarget, match=r"it is in the namespace shop-eu: name that in O\(namespace\)"):
        cluster.first("deployment/web")


def test_the_closest_names_are_told(cluster: Cluster) -> None:
    cluster.objects |= {
        "/apis/apps/v1/deployments": [],
        f"{APPS}/deployments": [{"metadata": {"name": "pricing", "namespace": "shop"}}],
    }
    with pytest.raises(NoTarget, match="the closest name is pricing: correct it"):
        cluster.first("deployment/prcing")


def test_a_service_of_another_namespace_is_read(cluster: Cluster) -> None:
    calling = pod(spec={"containers": [{"name": "main", "env": [{"name": "A", "value": "http://a.billing.svc:80"}]}]})
    cluster.objects |= {
        f"{NAMESPACE}/pods/web": calling,
        f"{NAMESPACE}/events": [],
        f"{NAMESPACE}/pods": [calling],
        f"{NAMESPACE}/services": [],
        "/api/v1/namespaces/billing/services": [],
    }
    first = cluster.first("web").findings[0]
    assert first.what == "container main calls a.billing.svc, and there is no Service a in the namespace billing"


def _lines(number: int, text: str) -> list[str]:
    return [f"2026-11-23T10:14:00.{each:09d}Z INFO {text} {each}" for each in range(number)]


def _ask_for_a_pod(cluster: Cluster) -> None:
    found = pod(running(since=20_000))
    cluster.objects |= {f"{NAMESPACE}/pods/web": found, f"{NAMESPACE}/events": [], f"{NAMESPACE}/pods": [found]}


def test_an_error_far_back_in_a_log_is_found(cluster: Cluster) -> None:
    _ask_for_a_pod(cluster)
    cluster.log = [
        "2026-11-23T07:00:00.000000000Z ERROR cannot reach pricing: connection refused",
        *_lines(15_000, "done"),
    ]
    first = cluster.first("web").findings[0]
    assert first.kind == "log_refused"
    assert "3 h ago" in first.evidence
    assert "all 15,001 lines were read" in first.evidence


@pytest.mark.parametrize(("number", "width"), [(15_000, 400), (400, 20_000)], ids=["many lines", "long lines"])
def test_the_newest_lines_of_a_long_log_are_read_in_bounds(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, number: int, width: int
) -> None:
    monkeypatch.setattr(reads, "_LOG_BYTES", 4 << 20)
    _ask_for_a_pod(cluster)
    newest = "2026-11-23T10:14:59.000000000Z ERROR the newest: no space left on device"
    cluster.log = [*_lines(number, "x" * width), newest]
    diagnosis = cluster.first("web")
    assert diagnosis.findings[0].kind == "log_disk_full"
    assert "the last " in diagnosis.findings[0].evidence
    assert len([each for each in cluster.requests if "/log?" in each]) <= 6


def test_a_long_log_is_read_to_its_begin(cluster: Cluster) -> None:
    _ask_for_a_pod(cluster)
    needle = "2026-11-23T09:00:00.000000000Z ERROR could not acquire connection from pool after 30s"
    cluster.log = [needle, *_lines(60_000, "answered")]
    first = cluster.first("web").findings[0]
    assert first.kind == "log_pool_exhausted"
    assert "all 60,001 lines were read" in first.evidence


def test_what_several_targets_share_is_asked_for_once(cluster: Cluster) -> None:
    controlled = pod()
    controlled["metadata"]["ownerReferences"] = [{"kind": "StatefulSet", "name": "web", "uid": "s", "controller": True}]
    other = {**controlled, "metadata": {**controlled["metadata"], "name": "app"}}
    cluster.objects |= {
        f"{NAMESPACE}/pods": [controlled, other],
        f"{NAMESPACE}/events": [event("Unhealthy", "Liveness probe failed"), event("Strange", "of others", uid="9")],
        f"{APPS}/statefulsets": [owner("StatefulSet", uid="s", spec={"replicas": 1}, replicas=1)],
        "/api/v1/nodes/n1": {"metadata": {"name": "n1"}, "spec": {}, "status": {}},
    }
    cluster.requests.clear()
    found = diagnose_all(cluster.login, DiagnosisRequest("shop", COLLECT), [read_target("web"), read_target("app")])
    paths = [urlsplit(each).path for each in cluster.requests]
    assert [each for each in paths if paths.count(each) > 1] == []
    assert [[row["reason"] for row in each.details["events"]] for each in found] == [["Unhealthy"], ["Unhealthy"]]


def test_an_autoscaler_of_the_owner_is_read(cluster: Cluster) -> None:
    controlled = pod()
    controlled["metadata"]["ownerReferences"] = [{"kind": "StatefulSet", "name": "web", "uid": "s", "controller": True}]
    scaler = {
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": {"kind": "StatefulSet", "name": "web"}},
        "status": {
            "conditions": [condition("AbleToScale", "False", "FailedGetScale", 'statefulsets.apps "web" not found')]
        },
    }
    cluster.objects |= {
        f"{NAMESPACE}/pods/web": controlled,
        f"{NAMESPACE}/events": [],
        f"{NAMESPACE}/pods": [controlled],
        f"{APPS}/statefulsets/web": owner("StatefulSet", uid="s", spec={"replicas": 1}, replicas=1),
        "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers": [scaler],
    }
    assert cluster.first("web").findings[0].kind == "autoscaler"
