# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rights that the guide to debugging names are enough for each mode; what is missing is said, the rest is done."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.ansible import run_module
from support.audit import kubernetes_writes
from support.handshakes import wait_rolled_out
from support.lab import Lab
from support.patients import BUSYBOX, DEBUG, container, pod
from support.pods import Namespace
from support.rights import rights

pytestmark = pytest.mark.lab
OBJECTS = {
    (each["kind"], each["metadata"]["name"]): each
    for name in ("report", "ephemeral", "copy", "node", "cleanup")
    for each in rights(f"debug-{name}")
}
REPORT, EVERYWHERE = OBJECTS["Role", "debug-report"], OBJECTS["ClusterRole", "debug-report"]
# What a part of the report is called that needs a right.
CALLED = {
    "pods/log": "logs",
    "events": "events",
    "services": "services",
    "configmaps": "configmaps",
    "persistentvolumeclaims": "claims",
    "replicasets": "ReplicaSet",
    "endpointslices": "endpointslices",
    "networkpolicies": "networkpolicies",
    "ingresses": "ingresses",
    "horizontalpodautoscalers": "horizontalpodautoscalers",
    "poddisruptionbudgets": "poddisruptionbudgets",
    "httproutes": "HTTPRoutes",
    "nodes": "the node",
    "namespaces": "the namespace",
    "secrets": "secrets",
}


class Account:
    """A ServiceAccount with the rights of the page, or with some of them."""

    def __init__(self, place: Namespace, folder: Path) -> None:
        self.place = place
        self.name = f"debug-{place.name}"
        self.kubeconfig = str(place.login(folder, "debugger", {**REPORT, "rules": []}))

    def grant(self, *roles: dict[str, Any], everywhere: dict[str, Any] | None = EVERYWHERE) -> None:
        rules = [rule for role in roles for rule in role["rules"] if rule["verbs"]]
        about = {"name": f"debugger-{REPORT['metadata']['name']}"}
        self.place.apply(
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": about, "rules": rules}
        )
        subject = {"kind": "ServiceAccount", "name": "debugger", "namespace": self.place.name}
        wide = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": self.name}}
        given = [rule for rule in (everywhere or {"rules": []})["rules"] if rule["verbs"]]
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": self.name}
        self.place.apply(
            {**wide, "kind": "ClusterRole", "rules": given},
            {**wide, "kind": "ClusterRoleBinding", "subjects": [subject], "roleRef": reference},
        )

    def remove(self) -> None:
        self.place.delete("clusterrolebinding", self.name)
        self.place.delete("clusterrole", self.name)


@pytest.fixture(scope="module")
def account(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with Namespace(lab) as place:
        web = pod("web", container(envFrom=[{"configMapRef": {"name": "settings"}}]))["spec"]
        web["volumes"] = [
            {"name": "key", "secret": {"secretName": "key"}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
        ]
        web["containers"][0]["image"] = BUSYBOX
        place.secret("key", word="x")
        place.service("web", {"app": "web"}, 80, 80)
        place.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}},
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "web"},
                "spec": {
                    "selector": {"matchLabels": {"app": "web"}},
                    "template": {
                        "metadata": {"labels": {"app": "web"}},
                        "spec": {**web, "volumes": web["volumes"][:1]},
                    },
                },
            },
            pod("claiming", volumes=web["volumes"][1:]),
        )
        wait_rolled_out(place, "deployment/web")
        made = Account(place, tmp_path_factory.mktemp("login"))
        try:
            yield made
        finally:
            made.remove()


def diagnose(account: Account, target: str, **options: Any) -> dict[str, Any]:
    arguments = {"kubeconfig": account.kubeconfig, "namespace": account.place.name, "targets": [target]}
    return run_module("pod_diagnosis_info", {**arguments, **options})


def look(account: Account, mode: str, **options: Any) -> dict[str, Any]:
    arguments = {
        "kubeconfig": account.kubeconfig,
        "namespace": account.place.name,
        "targets": ["deployment/web"],
        "image": DEBUG,
        "collect": ["system"],
        "mode": mode,
        "reuse_age": 0,
        "node_namespace": account.place.name,
    }
    return dict(run_module("debug_container", {**arguments, **options})["sessions"][0])


def without(role: dict[str, Any], resource: str) -> dict[str, Any]:
    """Return a role without one of its resources."""
    less = copy.deepcopy(role)
    for rule in less["rules"]:
        rule["resources"] = [each for each in rule["resources"] if each != resource]
        if not rule["resources"]:
            rule["verbs"] = []
    return less


def test_the_documented_role_is_enough_for_a_whole_report(account: Account) -> None:
    account.grant(REPORT)
    found = diagnose(account, "deployment/web")["diagnoses"][0]
    assert found["degraded"] == []
    assert found["findings"][0]["kind"] == "healthy"


@pytest.mark.parametrize("resource", CALLED)
def test_what_may_not_be_read_is_named_and_the_rest_is_reported(resource: str, account: Account) -> None:
    account.grant(without(REPORT, resource), everywhere=without(EVERYWHERE, resource))
    target = "claiming" if resource == "persistentvolumeclaims" else "deployment/web"
    found = diagnose(account, target)["diagnoses"][0]
    assert any(f"{CALLED[resource]}" in each and "this login may not read it" in each for each in found["degraded"]), (
        found
    )
    assert found["details"]["identity"]["pod"]


def test_without_the_right_to_see_pods_there_is_one_sentence(account: Account) -> None:
    account.grant(without(REPORT, "pods"), everywhere=None)
    refused = diagnose(account, "app=web")
    assert refused.get("failed")
    assert "does not let this login list pods" in refused["msg"]


@pytest.mark.parametrize("mode", ["ephemeral", "copy", "node"])
def test_each_mode_has_a_role_that_is_enough_and_without_it_says_so(mode: str, account: Account, lab: Lab) -> None:
    role = OBJECTS["Role", f"debug-{mode}"]
    log = lab.state / "audit" / "kubernetes.log"
    account.grant(REPORT, role)
    options = {"privileged": mode == "node"}
    assert (look(account, mode, **options)["mode"], look(account, mode, **options)["state"]) == (mode, "collected")
    for rule in role["rules"]:
        for verb in rule["verbs"]:
            if verb in ("get", "list"):
                continue
            less = copy.deepcopy(role)
            less["rules"][role["rules"].index(rule)]["verbs"].remove(verb)
            account.grant(REPORT, less)
            run_id = f"20261123t101500z-{uuid.uuid4().hex}-0000"
            found = look(account, mode, run_id=run_id, **options)
            assert (found["mode"], found["state"]) == ("report", "none")
            assert f"no right to {verb} {rule['resources'][0]}" in found["degraded"][0]
            assert kubernetes_writes(log, run_id) == []
