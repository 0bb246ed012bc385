# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pod is meant by what leads to pods, what is said of a wrong name, and all workloads of a namespace."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.inspection import Diagnoser
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.options import (
    debug_argument_spec,
    debug_request,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.report import diagnosis_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.sessions import start_sessions
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.target import (
    NoPods,
    NoTarget,
    choose,
    read_target,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput

from .cluster import APPS, BATCH, NAMESPACE, Cluster
from .rules.objects import NOW, at, claim, condition, event, ingress, looping, owner, peer, pod, running, service

NETWORK = "/apis/networking.k8s.io/v1/namespaces/shop"
RUN = "20261123t101500z-debug-pod-7f3a"


def chosen(cluster: Cluster, target: str) -> str:
    return choose(cluster.login, "shop", read_target(target), NOW).name


def sick(name: str, **labels: str) -> dict[str, Any]:
    found = peer(name, ready=False, **labels)
    found["status"]["containerStatuses"] = [looping(1)]
    return found


PODS = [peer("web-1", app="web"), sick("web-2", app="web"), peer("db-1", app="db")]


def test_the_least_healthy_pod_of_a_service(cluster: Cluster) -> None:
    cluster.objects |= {f"{NAMESPACE}/services": [service()], f"{NAMESPACE}/pods": PODS}
    assert chosen(cluster, "service/web") == "web-2"


def test_the_least_healthy_pod_behind_an_ingress(cluster: Cluster) -> None:
    cluster.objects |= {
        f"{NETWORK}/ingresses": [ingress("shop", ("db", 5432), ("web", 80))],
        f"{NAMESPACE}/services": [service(), service("db")],
        f"{NAMESPACE}/pods": PODS,
    }
    assert chosen(cluster, "ing/shop") == "web-2"


def test_the_pod_that_mounts_a_claim(cluster: Cluster) -> None:
    mounting = peer("db-1", app="db")
    mounting["spec"]["volumes"] = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
    cluster.objects |= {
        f"{NAMESPACE}/persistentvolumeclaims": [claim("data")],
        f"{NAMESPACE}/pods": [*PODS[:2], mounting],
    }
    assert chosen(cluster, "pvc/data") == "db-1"


def test_the_pod_of_the_newest_job_of_a_cronjob(cluster: Cluster) -> None:
    jobs = []
    for number, age in ((1, 7200), (2, 3600)):
        job = owner(
            "Job", f"nightly-{number}", uid=str(number), spec={"selector": {"matchLabels": {"job": str(number)}}}
        )
        job["metadata"] |= {
            "creationTimestamp": at(age),
            "ownerReferences": [{"kind": "CronJob", "name": "nightly", "uid": "c", "controller": True}],
        }
        jobs.append(job)
    cluster.objects |= {
        f"{BATCH}/cronjobs/nightly": owner("CronJob", "nightly", uid="c"),
        f"{BATCH}/jobs": jobs,
        f"{NAMESPACE}/pods": [peer("nightly-1-x", job="1"), peer("nightly-2-x", job="2")],
    }
    assert chosen(cluster, "cronjob/nightly") == "nightly-2-x"
    cluster.objects[f"{NAMESPACE}/pods"] = []
    with pytest.raises(NoPods) as caught:
        chosen(cluster, "cronjob/nightly")
    assert (caught.value.found["kind"], caught.value.found["metadata"]["name"]) == ("Job", "nightly-2")


def test_a_node_is_judged_and_not_inspected(cluster: Cluster) -> None:
    status = {"conditions": [condition("Ready", "True")]}
    node = {"metadata": {"name": "node-1", "uid": "n1"}, "spec": {}, "status": status}
    cluster.objects |= {"/api/v1/nodes/node-1": node, "/api/v1/nodes": [node]}
    broken = sick("web-2", app="web")
    broken["spec"]["nodeName"] = "node-1"
    cluster.objects["/api/v1/pods"] = [broken]
    cluster.objects |= {"/api/v1/namespaces/default/events": [], f"{NAMESPACE}/events": []}
    diagnosis = cluster.first("node/node-1")
    assert diagnosis.findings[0].what == "1 of 1 pods on node/node-1 are in trouble"
    with pytest.raises(NoTarget, match=r"There is no node node-2 at .*the closest name is node-1: correct"):
        cluster.first("node/node-2")


def test_a_label_selector_without_a_pod_leads_to_the_workload_with_these_labels(cluster: Cluster) -> None:
    idle = owner("Deployment", spec={"replicas": 0})
    idle["metadata"]["labels"] = {"app": "web"}
    cluster.objects |= {f"{NAMESPACE}/pods": [], f"{APPS}/deployments": [idle], f"{NAMESPACE}/events": []}
    assert cluster.first("app=web").findings[0].what == "deployment/web is scaled to 0: it is meant to have no pod"


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        ("app=wbe", "the closest label is app=web: correct it"),
        ("app=cache", "the label app has the values db, web"),
        ("tier=x", "list those that exist"),
        ("app=web,tier=x", "list those that exist"),
    ],
)
def test_the_labels_that_there_are_are_told(target: str, advice: str, cluster: Cluster) -> None:
    cluster.objects[f"{NAMESPACE}/pods"] = PODS
    with pytest.raises(NoTarget, match=advice) as caught:
        chosen(cluster, target)
    assert caught.value.what == "no pod has these labels"


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        ("web", "name deployment/web, which is there"),
        ("web-6d5c6f5c5c-2xk8p", "name deployment/web, which is there"),
        ("web-db-0", "name statefulset/web-db, which is there"),
        ("deployment/web-db", "name statefulset/web-db, which is there"),
        ("svc/web", "name deployment/web, which is there"),
        ("deployment/wbe", "the closest name is web: correct it"),
        ("wbe", "the closest name is deployment/web: correct it"),
        ("billing", "deployment/billing is in the namespace money: name that in"),
        ("deployment/billing", "it is in the namespace money: name that in"),
        ("pvc/nothing-like-it", "list those that exist .kubectl get persistentvolumeclaims -n shop"),
    ],
)
def test_what_is_meant_by_a_wrong_name_is_told(target: str, advice: str, cluster: Cluster) -> None:
    web, database = owner("Deployment", "web"), owner("StatefulSet", "web-db")
    elsewhere = owner("Deployment", "billing")
    elsewhere["metadata"]["namespace"] = "money"
    cluster.objects |= {
        f"{APPS}/deployments": [web],
        f"{APPS}/statefulsets": [database],
        f"{NAMESPACE}/services": [],
        f"{NAMESPACE}/persistentvolumeclaims": [],
        "/apis/apps/v1/deployments": [web, elsewhere],
    }
    with pytest.raises(NoTarget, match=advice) as caught:
        chosen(cluster, target)
    assert caught.value.what.startswith("there is no such ")


def test_the_closest_namespace_is_told(cluster: Cluster) -> None:
    cluster.objects["/api/v1/namespaces"] = [{"metadata": {"name": each}} for each in ("shop", "kube-system")]
    with pytest.raises(InvalidInput, match=r"There is no namespace shpo at .*\(the closest: shop\)"):
        choose(cluster.login, "shpo", read_target("web"), NOW)


def test_of_several_targets_the_one_that_is_not_there_is_told_by_its_kind(cluster: Cluster) -> None:
    found = pod()
    cluster.objects |= {f"{NAMESPACE}/pods/web": found, f"{NAMESPACE}/pods": [found], f"{NAMESPACE}/events": []}
    diagnoses = cluster.diagnose("deployment/nobody", "web")
    assert diagnoses[0].findings[0].what == "there is no such deployment"
    assert diagnoses[0].severity == "critical"


# All workloads of a namespace


def deployed(cluster: Cluster, name: str, *pods: dict[str, Any], replicas: int = 1, **status: Any) -> None:
    replicaset = owner("ReplicaSet", f"{name}-5d", uid=f"{name}-rs", spec={"replicas": replicas})
    replicaset["metadata"]["ownerReferences"] = [
        {"kind": "Deployment", "name": name, "uid": f"{name}-uid", "controller": True}
    ]
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}}
    deployment = owner("Deployment", name, uid=f"{name}-uid", spec=spec, **status)
    for each in pods:
        each["metadata"]["ownerReferences"] = [
            {"kind": "ReplicaSet", "name": f"{name}-5d", "uid": f"{name}-rs", "controller": True}
        ]
    for path, found in ((f"{APPS}/deployments", [deployment]), (f"{APPS}/replicasets", [replicaset])):
        cluster.objects.setdefault(path, []).extend(found)
        cluster.objects |= {f"{path}/{each['metadata']['name']}": each for each in found}
    cluster.objects.setdefault(f"{NAMESPACE}/pods", []).extend(pods)


@pytest.fixture(name="shop")
def _shop(cluster: Cluster) -> Cluster:
    for path in (f"{APPS}/statefulsets", f"{APPS}/daemonsets", f"{BATCH}/jobs", f"{BATCH}/cronjobs"):
        cluster.objects[path] = []
    cluster.objects[f"{NAMESPACE}/events"] = []
    for name in ("api", "store"):
        deployed(cluster, name, peer(f"{name}-1", app=name), readyReplicas=1)
    deployed(cluster, "broken", sick("broken-1", app="broken"))
    refused = condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota: compute, requested: cpu=1")
    deployed(cluster, "refused", conditions=[refused])
    deployed(cluster, "idle", replicas=0)
    failed = condition("Failed", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    gave_up = owner("Job", "import", uid="import", spec={"selector": {"matchLabels": {"job": "import"}}})
    gave_up["status"] = {"failed": 7, "conditions": [failed]}
    suspended = owner("CronJob", "nightly", spec={"schedule": "0 3 * * *", "suspend": True})
    cluster.objects |= {
        f"{BATCH}/jobs": [gave_up],
        f"{BATCH}/jobs/import": gave_up,
        f"{BATCH}/cronjobs": [suspended],
    }
    bare = pod(running())
    bare["metadata"] |= {"name": "tool", "uid": "tool"}
    cluster.objects[f"{NAMESPACE}/pods"].append(bare)
    for each in cluster.objects[f"{NAMESPACE}/pods"]:
        cluster.objects[f"{NAMESPACE}/pods/{each['metadata']['name']}"] = each
    return cluster


def test_all_workloads_of_a_namespace_the_worst_first_and_the_healthy_counted(shop: Cluster) -> None:
    *troubled, summed_up = shop.diagnose("all")
    assert [each.asked for each in troubled] == ["deployment/refused", "deployment/broken", "job/import"]
    assert {each.severity for each in troubled} == {"critical"}
    assert "the quota compute is used up" in troubled[0].findings[0].what
    assert [each.what for each in summed_up.findings] == [
        "3 of 6 workloads are healthy",
        "2 more workloads scaled to 0 or suspended",
    ]
    assert summed_up.findings[0].evidence == "deployment/api, deployment/store, pod/tool"
    assert summed_up.findings[1].evidence == "cronjob/nightly, deployment/idle"
    report = diagnosis_report(RUN, {}, [*troubled, summed_up])
    assert (report.headline, report.severity) == ("3 critical, 3 ok, of 6 targets", "critical")


def test_what_may_not_be_listed_is_said(shop: Cluster) -> None:
    shop.denied = [f"{APPS}/statefulsets"]
    assert "statefulsets: this login may not list them" in shop.diagnose("all")[-1].degraded


def test_more_workloads_than_can_be_looked_at_are_not_called_healthy(
    shop: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ansible_collections.market_intel.runbooks.plugins.module_utils._debug.diagnosis._MOST_WORKLOADS", 2
    )
    *troubled, summed_up = shop.diagnose("all")
    assert len(troubled) == 2
    assert summed_up.findings[0].what == "3 of 6 workloads are healthy"
    assert "1 workload in trouble by status: not looked at closely (job/import)" in summed_up.degraded
    assert any("3 workloads healthy by status: not looked at closely" in each for each in summed_up.degraded)


def test_a_namespace_without_a_workload_is_said_to_be_that(cluster: Cluster) -> None:
    cluster.objects[f"{NAMESPACE}/pods"] = []
    for path in ("deployments", "statefulsets", "daemonsets", "replicasets"):
        cluster.objects[f"{APPS}/{path}"] = []
    cluster.objects |= {f"{BATCH}/jobs": [], f"{BATCH}/cronjobs": []}
    with pytest.raises(InvalidInput, match=r"The namespace shop at .* has no workload; name another"):
        cluster.diagnose("all")


def wish(**options: Any) -> Any:
    defaults = {name: option.get("default") for name, option in debug_argument_spec().argument_spec.items()}
    return debug_request({**defaults, "namespace": "shop", "image": "debug:1", **options}, RUN)


def sessions(cluster: Cluster, *targets: str, **options: Any) -> list[Any]:
    asked = [read_target(each) for each in targets]
    return start_sessions(cluster.login, wish(**options), asked, lambda: None, dry_run=False)


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("all", "the quota compute is used up"),
        ("deployment/refused", "the quota compute is used up"),
        ("deployment/idle", "is scaled to 0"),
        ("job/import", "has given up"),
    ],
)
def test_what_has_no_pod_is_diagnosed_where_pods_are_inspected(target: str, what: str, shop: Cluster) -> None:
    asked = [read_target(target)]
    diagnoser = Diagnoser(shop.login, wish(), asked, 200)
    found = start_sessions(shop.login, wish(), asked, lambda: None, diagnoser.read, dry_run=False)
    assert what in diagnoser.judge(found)[0].findings[0].what


@pytest.mark.parametrize(
    "events", [[event("Preempted", "Preempted by pod 7f3a on node n1")], []], ids=["gone", "wrong"]
)
def test_what_became_of_the_only_target_is_told_where_pods_are_inspected(events: list[Any], cluster: Cluster) -> None:
    cluster.objects |= {f"{NAMESPACE}/events": events, f"{NAMESPACE}/pods": []}
    asked = [read_target("web")]
    diagnoser = Diagnoser(cluster.login, wish(), asked, 200)
    found = start_sessions(cluster.login, wish(), asked, lambda: None, diagnoser.read, dry_run=False)
    if events:
        assert "the pod was preempted" in diagnoser.judge(found)[0].findings[0].what
    else:
        with pytest.raises(NoTarget, match="There is no pod web in the namespace shop"):
            diagnoser.judge(found)
    with pytest.raises(NoTarget, match="There is no pod web"):
        sessions(cluster, "web")


def test_in_all_workloads_nothing_is_made(shop: Cluster) -> None:
    assert [(each.asked, each.mode, each.degraded) for each in sessions(shop, "all")] == [("all", "report", [])]
    assert shop.writes == []


@pytest.mark.parametrize("options", [{"mode": "ephemeral"}, {"mode": "copy"}, {"interactive": True}], ids=str)
def test_all_workloads_are_not_inspected_from_inside(options: dict[str, Any], shop: Cluster) -> None:
    with pytest.raises(InvalidInput, match="of which only a report is made; name the workloads"):
        sessions(shop, "all", **options)
    assert shop.writes == []
