# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a Secret, how a new content gets there, and what a restart would take away meanwhile."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s import consumers as subject

Object = dict[str, Any]
SECRET = "web-tls"
RELOAD = subject.RELOAD_ANNOTATION
WHOLE = {"name": "tls", "mountPath": "/tls"}
PROBE = {"httpGet": {"path": "/", "port": 8443}}


class Login:
    """An API server that has just these objects, by their plural names."""

    def __init__(self, **objects: list[Object]) -> None:
        self.objects = objects
        self.asked: list[str] = []

    def items(self, _what: str, path: str, **_query: str) -> list[Object]:
        self.asked.append(path)
        return self.objects.get(path.rpartition("/")[2], [])


def volume(**secret: Any) -> Object:
    return {"name": "tls", "secret": {"secretName": SECRET, **secret}}


def items(*keys: str) -> list[Object]:
    return [{"key": key, "path": key} for key in keys]


def pod(*mounts: Object, volumes: list[Object] | None = None, **container: Any) -> Object:
    own = {"name": "service", "volumeMounts": list(mounts), "readinessProbe": PROBE, **container}
    return {"containers": [own], "volumes": [volume()] if volumes is None else volumes}


def workload(spec: Object | None = None, **changes: Any) -> Object:
    metadata = {"name": "web", "uid": "1", "generation": 1, **changes.pop("metadata", {})}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": spec or pod(WHOLE)}
    status = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}
    return {
        "metadata": metadata,
        "spec": {"replicas": 2, "template": template, "selector": {"matchLabels": {"app": "web"}}, **changes},
        "status": status,
    }


def variable(key: str) -> Object:
    return {"name": "X", "valueFrom": {"secretKeyRef": {"name": SECRET, "key": key}}}


def one(plural: str, found: Object, **overrides: str) -> subject.Consumer:
    given = {name.replace("_", "/"): value for name, value in overrides.items()}
    (consumer,) = subject.find_consumers(Login(**{plural: [found]}), "here", {SECRET}, given)
    return consumer


PROJECTED = [{"name": "tls", "projected": {"sources": [{"secret": {"name": SECRET}}, {"configMap": {"name": "x"}}]}}]
ONLY_TRUST = [
    {"name": "tls", "projected": {"sources": [{"secret": {"name": SECRET, "items": items("ca.crt")}}]}},
]
DRIVER = [{"name": "tls", "csi": {"driver": "x", "nodePublishSecretRef": {"name": SECRET}}}]
SPECS: dict[str, tuple[Object, list[str], str]] = {
    "a whole volume": (pod(WHOLE), ["volume"], "restart"),
    "a projected volume": (pod(WHOLE, volumes=PROJECTED), ["projected"], "restart"),
    "a file by subPath": (pod({**WHOLE, "subPath": "tls.crt"}), ["subpath"], "restart"),
    "a computed subPath": (pod({**WHOLE, "subPathExpr": "$(X)"}), ["subpath"], "restart"),
    "a variable": (pod(volumes=[], env=[variable("tls.key")]), ["env"], "restart"),
    "all as variables": (pod(volumes=[], envFrom=[{"secretRef": {"name": SECRET}}]), ["envfrom"], "restart"),
    "the login of a driver": (pod(WHOLE, volumes=DRIVER), ["csi"], "restart"),
    "only ca.crt of a volume": (pod(WHOLE, volumes=[volume(items=items("ca.crt"))]), ["trust"], "trust"),
    "only ca.crt, projected": (pod(WHOLE, volumes=ONLY_TRUST), ["trust"], "trust"),
    "only ca.crt by subPath": (pod({**WHOLE, "subPath": "ca.crt"}), ["trust"], "trust"),
    "only ca.crt as a variable": (pod(volumes=[], env=[variable("ca.crt")]), ["trust"], "trust"),
    "ca.crt and the key": (pod(WHOLE, volumes=[volume(items=items("ca.crt", "tls.key"))]), ["volume"], "restart"),
    "trust in a variable beside a volume": (pod(WHOLE, env=[variable("ca.crt")]), ["volume", "trust"], "restart"),
}


@pytest.mark.parametrize(("spec", "ways", "reload"), SPECS.values(), ids=SPECS)
def test_how_a_pod_takes_a_secret(spec: Object, ways: list[str], reload: str) -> None:
    consumer = one("deployments", workload(spec))
    assert [use.way for use in consumer.uses] == ways
    assert consumer.reload == reload


UNUSED = {
    "a volume that nobody mounts": pod(),
    "another secret": pod(WHOLE, volumes=[{"name": "tls", "secret": {"secretName": "other"}}]),
    "another file of a projected volume": pod(
        {**WHOLE, "subPath": "other"}, volumes=[volume(items=items("tls.crt", "tls.key"))]
    ),
}


@pytest.mark.parametrize("spec", UNUSED.values(), ids=UNUSED)
def test_who_takes_nothing_is_no_consumer(spec: Object) -> None:
    assert subject.find_consumers(Login(deployments=[workload(spec)]), "here", {SECRET}) == []


def test_init_containers_and_sidecars_count() -> None:
    spec = {**pod(volumes=[volume()]), "initContainers": [{"name": "prepare", "volumeMounts": [WHOLE]}]}
    consumer = one("deployments", workload(spec))
    assert consumer.uses == (subject.Use(SECRET, "volume", ("prepare",)),)


def annotated(value: str, spec: Object | None = None) -> Object:
    return workload(spec, metadata={"annotations": {RELOAD: value}})


def test_hot_is_only_what_says_so_and_can_be() -> None:
    assert one("deployments", annotated("hot")).reload == "hot"
    assert one("deployments", workload(), deployment_web="hot").reload == "hot"
    assert one("deployments", annotated("hot"), deployment_web="restart").reload == "restart"
    template = workload()
    template["spec"]["template"]["metadata"]["annotations"] = {RELOAD: "hot"}
    assert one("deployments", template).reload == "hot"
    for spec in (pod(volumes=[], env=[variable("tls.key")]), pod({**WHOLE, "subPath": "tls.crt"})):
        consumer = one("deployments", annotated("hot", spec))
        assert consumer.reload == "restart"
        assert re.search("cannot be hot.*never changes", consumer.problems[0])
    consumer = one("deployments", annotated("warm"))
    assert (consumer.reload, "hot, restart, external, none" in consumer.problems[0]) == ("restart", True)
    with pytest.raises(InvalidInput, match="deployment/web: warm, which is not valid"):
        one("deployments", workload(), deployment_web="warm")


def test_what_an_init_container_copies_does_not_get_hot() -> None:
    init = {"name": "copy", "volumeMounts": [WHOLE]}
    alone = one("deployments", annotated("hot", {**pod(volumes=[volume()]), "initContainers": [init]}))
    assert alone.reload == "restart"
    assert "cannot be hot, as its annotation says: the init container copy of Deployment web" in alone.problems[0]
    beside = one("deployments", annotated("hot", {**pod(WHOLE), "initContainers": [init]}))
    assert (beside.reload, len(beside.problems)) == ("hot", 1) and "what that copies stays" in beside.problems[0]
    # A sidecar runs on, and one that is restarted copies again.
    sidecar = {**pod(volumes=[volume()]), "initContainers": [{**init, "restartPolicy": "Always"}]}
    assert one("deployments", annotated("hot", sidecar)).problems == ()
    assert one("deployments", workload({**pod(WHOLE), "initContainers": [init]})).problems == ()


KAFKA = {"kind": "Kafka", "name": "events", "uid": "9", "controller": True}
ARGO = {"kind": "Rollout", "name": "web", "uid": "9", "controller": True}
OWN = {"kind": "ReplicaSet", "name": "web-1", "uid": "2", "controller": True}
PLAIN_POD = {"metadata": {"name": "alone"}, "spec": pod(WHOLE), "status": {"phase": "Running"}}
OPERATORS: dict[str, tuple[str, Object, str]] = {
    "of a custom resource": ("statefulsets", workload(metadata={"ownerReferences": [KAFKA]}), "Kafka events"),
    "OnDelete": ("daemonsets", workload(updateStrategy={"type": "OnDelete"}), "OnDelete"),
    "a pod of a custom resource": (
        "pods",
        {**PLAIN_POD, "metadata": {"name": "p", "ownerReferences": [KAFKA]}},
        "Kafka events",
    ),
    "a pod of nobody": ("pods", PLAIN_POD, "delete it and create it again"),
    "pods of another kind of rollout": ("replicasets", workload(metadata={"ownerReferences": [ARGO]}), "Rollout web"),
    "a replica set of nobody": ("replicasets", workload(), "nobody"),
}


@pytest.mark.parametrize(("plural", "found", "words"), OPERATORS.values(), ids=OPERATORS)
def test_what_is_not_ours_to_restart_says_why(plural: str, found: Object, words: str) -> None:
    consumer = one(plural, found)
    assert consumer.reload == "operator"
    assert words in consumer.why


def test_what_belongs_to_another_consumer_or_is_over_is_left_out() -> None:
    ended = {**PLAIN_POD, "status": {"phase": "Succeeded"}}
    owned = {**PLAIN_POD, "metadata": {"name": "p", "ownerReferences": [OWN]}}
    deployment = {"kind": "Deployment", "name": "web", "uid": "1", "controller": True}
    old = {**workload(metadata={"ownerReferences": [ARGO]}, replicas=0), "status": {"replicas": 0}}
    login = Login(
        deployments=[workload()],
        replicasets=[workload(metadata={"name": "web-1", "ownerReferences": [deployment]}), old],
        pods=[ended, owned],
        jobs=[{**workload(), "status": {"conditions": [{"type": "Complete", "status": "True"}]}}],
    )
    assert [each.key for each in subject.find_consumers(login, "here", {SECRET})] == ["deployment/web"]
    assert len(login.asked) == len(set(login.asked))


def test_jobs_and_ingresses_need_no_restart() -> None:
    nightly = {"metadata": {"name": "nightly"}, "spec": {"jobTemplate": {"spec": {"template": {"spec": pod(WHOLE)}}}}}
    assert one("cronjobs", nightly).reload == "none"
    ingress = {"metadata": {"name": "front"}, "spec": {"tls": [{"secretName": SECRET}, {"hosts": ["x"]}]}}
    consumer = one("ingresses", ingress)
    assert (consumer.reload, consumer.uses) == ("none", (subject.Use(SECRET, "ingress", ()),))


RELOADERS: dict[str, tuple[dict[str, str], str]] = {
    "by name": ({"secret.reloader.stakater.com/reload": "other,web-tls"}, "external"),
    "by pattern": ({"secret.reloader.stakater.com/reload": "web-.*"}, "external"),
    "another": ({"secret.reloader.stakater.com/reload": "web"}, "restart"),
    "all": ({"reloader.stakater.com/auto": "true"}, "external"),
    "all secrets": ({"secret.reloader.stakater.com/auto": "true"}, "external"),
    "all but this": (
        {"reloader.stakater.com/auto": "true", "secrets.exclude.reloader.stakater.com/reload": "web-tls"},
        "restart",
    ),
    "only config maps": ({"configmap.reloader.stakater.com/auto": "true"}, "restart"),
    "switched off": ({"reloader.stakater.com/auto": "false"}, "restart"),
}


@pytest.mark.parametrize(("annotations", "reload"), RELOADERS.values(), ids=RELOADERS)
def test_what_reloader_restarts_is_left_to_it(annotations: dict[str, str], reload: str) -> None:
    assert one("deployments", workload(metadata={"annotations": annotations})).reload == reload


# -- without downtime ------------------------------------------------------------------------------------------------


def rolling(**limits: Any) -> Object:
    return {"type": "RollingUpdate", "rollingUpdate": limits}


NONE_LEFT = "its only pod|all of its"
ROLLOUTS: dict[str, tuple[str, Object, str]] = {
    "two pods": ("deployments", workload(), ""),
    # 25 % of one pod: the surge is rounded up to 1, what may be missing down to 0.
    "one pod with the defaults": ("deployments", workload(replicas=1), ""),
    "one pod without a surge": (
        "deployments",
        workload(replicas=1, strategy=rolling(maxSurge=0, maxUnavailable=1)),
        NONE_LEFT,
    ),
    # Both are rounded to 0, and then one pod may be missing all the same.
    "nothing left of percentages": (
        "deployments",
        workload(replicas=1, strategy=rolling(maxSurge="0%", maxUnavailable="50%")),
        NONE_LEFT,
    ),
    "one of three by 66 %": ("deployments", workload(replicas=3, strategy=rolling(maxUnavailable="66%")), ""),
    "all by 100 %": ("deployments", workload(strategy=rolling(maxUnavailable="100%")), NONE_LEFT),
    "no pods wanted": ("deployments", workload(replicas=0, strategy=rolling(maxSurge=0, maxUnavailable=1)), ""),
    "recreate": ("deployments", workload(strategy={"type": "Recreate"}), "Recreate"),
    "no readiness probe": ("deployments", workload(pod(WHOLE, readinessProbe=None)), "no readinessProbe for service"),
    "under way": ("deployments", workload(metadata={"generation": 2}), "rollout under way"),
    "a stateful set of one": ("statefulsets", workload(replicas=1), NONE_LEFT),
    "a stateful set of two": ("statefulsets", workload(), ""),
    # Of a DaemonSet, percentages are rounded up.
    "a daemon set on one node": ("daemonsets", workload(updateStrategy=rolling(maxUnavailable="10%")), NONE_LEFT),
}


@pytest.mark.parametrize(("plural", "found", "words"), ROLLOUTS.values(), ids=ROLLOUTS)
def test_what_a_restart_would_take_away(plural: str, found: Object, words: str) -> None:
    if plural == "daemonsets":
        counts = dict.fromkeys(("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable"), 1)
        found = {**found, "status": {"observedGeneration": 1, **counts}}
    elif found["spec"]["replicas"] != 2:
        names = ("replicas", "updatedReplicas", "availableReplicas", "readyReplicas")
        found = {**found, "status": {"observedGeneration": 1, **dict.fromkeys(names, found["spec"]["replicas"])}}
    reasons = subject.downtime_reasons(one(plural, found), [])
    assert len(reasons) == bool(words), reasons
    assert all(re.search(words, reason) and reason.endswith(".") for reason in reasons)


def budget(healthy: int, **selector: Any) -> Object:
    status = {"currentHealthy": healthy, "desiredHealthy": 2}
    return {"metadata": {"name": "web"}, "spec": {"selector": selector}, "status": status}


def test_a_disruption_budget_that_is_not_met_is_a_reason() -> None:
    consumer = one("deployments", workload())
    mine = {"matchLabels": {"app": "web"}}
    by_expression = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}
    assert subject.downtime_reasons(consumer, [budget(2, **mine), budget(1, matchLabels={"app": "other"})]) == []
    for selector in (mine, by_expression):
        (reason,) = subject.downtime_reasons(consumer, [budget(1, **selector)])
        assert "web: 1 of 2 pods are healthy" in reason


def test_pods_are_found_through_their_owners_and_those_that_end_are_not() -> None:
    def a_pod(name: str, owner: str, **metadata: Any) -> Object:
        ports = [{"containerPort": 8443}, {"containerPort": 53, "protocol": "UDP"}]
        about = {"name": name, "uid": name, "ownerReferences": [{"uid": owner}], **metadata}
        spec = {"containers": [{"name": "service", "ports": ports}, {"name": "x", "ports": [{"containerPort": 1}]}]}
        return {"metadata": about, "spec": spec, "status": {"phase": "Running"}}

    sets = [{"metadata": {"uid": "new", "ownerReferences": [{"uid": "1"}]}}]
    pods = [a_pod("b", "new"), a_pod("a", "new", deletionTimestamp="now"), a_pod("c", "of another")]
    consumer = one("deployments", workload())
    (found,) = subject.pods_of(Login(replicasets=sets, pods=pods), consumer)
    assert (found.name, found.ready, found.ports_of(["service"])) == ("b", False, (8443,))
    # A container that only prepares the files serves nothing itself.
    assert found.ports_of(["prepare"]) == (8443, 1)
