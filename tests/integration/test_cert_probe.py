# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pods of a real Kubernetes serve: proven, stale or unverified, and never taken for granted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support import loss
from support.ansible import run_module
from support.audit import kubernetes_writes
from support.handshakes import (
    PORT,
    issue,
    issue_again,
    service_address,
    tls_deployment,
    tls_service,
    wait_rolled_out,
    workload,
)
from support.lab import Lab
from support.pods import IMAGE, Namespace
from support.route import Route

pytestmark = pytest.mark.lab
AUDIT = "audit/kubernetes.log"
HOT = {"market-intel.runbooks/reload": "hot"}
READER = [
    {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets", "daemonsets", "replicasets"]},
    {"apiGroups": ["batch"], "resources": ["jobs", "cronjobs"]},
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"]},
    {"apiGroups": [""], "resources": ["pods", "secrets"]},
]


@dataclass(frozen=True)
class Platform:
    """Consumers of web-tls: one that reads it again, two that keep the old one, and one without TLS."""

    namespace: Namespace
    old: str
    new: str


@pytest.fixture(scope="module")
def platform(lab: Lab) -> Iterator[Platform]:
    with Namespace(lab) as namespace:
        old = issue(namespace, "web")
        plain = {
            "containers": [
                {
                    "name": "redis",
                    "image": IMAGE,
                    "args": ["--protected-mode", "no"],
                    "ports": [{"containerPort": 6379}],
                    "volumeMounts": [{"name": "tls", "mountPath": "/tls"}],
                }
            ],
            "volumes": [{"name": "tls", "secret": {"secretName": "web-tls"}}],
        }
        namespace.apply(
            tls_deployment("hot", "web-tls", reload="hot", annotations=HOT),
            tls_service("hot"),
            tls_deployment("keeps", "web-tls"),
            tls_deployment("ordered", "web-tls", kind="StatefulSet", replicas=1),
            workload("plain", plain),
        )
        wait_rolled_out(namespace, "deployment/hot", "deployment/keeps", "statefulset/ordered", "deployment/plain")
        yield Platform(namespace, old, issue_again(namespace, "web"))


def arguments(namespace: Namespace, fingerprint: str, certificate: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {
        "kubeconfig": str(namespace.lab.state / "kubeconfig"),
        "namespace": namespace.name,
        "certificates": [{"name": "web", "secret_name": "web-tls", "fingerprint": fingerprint, **certificate}],
        **options,
    }


def states(result: dict[str, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each in result["probes"]:
        found.setdefault(each["workload"] or each["endpoint"], set()).add(each["state"])
    return found


def test_what_is_read_again_is_waited_for_and_an_address_outside_is_dialled(platform: Platform, lab: Lab) -> None:
    with Route(lab, service_address(lab, platform.namespace.name, "hot"), PORT) as route:
        skip = ["deployment/keeps", "statefulset/ordered", "deployment/plain"]
        endpoint = f"127.0.0.1:{route.port}"
        args = arguments(platform.namespace, platform.new, {"endpoints": [endpoint]}, skip=skip, timeout=120)
        result = run_module("cert_probe", args)
    assert not result.get("failed"), result["msg"]
    assert states(result) == {"deployment/hot": {"proven"}, endpoint: {"proven"}}
    assert result["counts"] == {"proven": 3, "stale": 0, "unverified": 0}
    assert {proof["result"] for proof in result["proofs"]} == {"proven"}
    assert {each["fingerprint"] for each in result["probes"]} == {platform.new}
    assert not result["changed"]
    assert kubernetes_writes(lab.state / AUDIT, result["run_id"]) == []


def test_a_pod_that_keeps_the_old_certificate_is_found(platform: Platform) -> None:
    only = ["deployment/keeps", "statefulset/ordered"]
    started = time.monotonic()
    result = run_module("cert_probe", arguments(platform.namespace, platform.new, {}, only=only, timeout=2))
    assert time.monotonic() - started < 20
    assert result["failed"]
    assert loss.not_one_sentence(result) == ""
    assert states(result) == {"deployment/keeps": {"stale"}, "statefulset/ordered": {"stale"}}
    assert {each["fingerprint"] for each in result["probes"]} == {platform.old}
    for probe in result["probes"]:
        assert probe["pod"] in result["msg"]
    assert {proof["result"] for proof in result["proofs"]} == {"failed"}

    told = {"only": only, "timeout": 0, "fail_on_stale": False}
    result = run_module("cert_probe", arguments(platform.namespace, platform.new, {}, **told))
    assert not result.get("failed")
    assert result["counts"]["stale"] == 3

    result = run_module("cert_probe", arguments(platform.namespace, platform.old, {}, only=only, timeout=2))
    assert result["counts"] == {"proven": 3, "stale": 0, "unverified": 0}
    assert "not the expected certificate" in result["notices"][0]


def test_what_speaks_no_tls_is_unverified(platform: Platform) -> None:
    args = arguments(platform.namespace, platform.new, {}, only=["deployment/plain"], timeout=60)
    started = time.monotonic()
    result = run_module("cert_probe", args)
    # It is not waited for until the time is over.
    assert time.monotonic() - started < 30
    assert not result.get("failed")
    assert result["counts"] == {"proven": 0, "stale": 0, "unverified": 1}
    assert result["proofs"][0]["result"] == "unknown"
    nowhere = run_module("cert_probe", arguments(platform.namespace, platform.new, {"ports": [1]}, timeout=30))
    assert set.union(*states(nowhere).values()) == {"unverified"}


def test_a_missing_right_is_named(platform: Platform, tmp_path: Path) -> None:
    rules = [{**rule, "verbs": ["list", "get"]} for rule in READER]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "read"}, "rules": rules}
    config = str(platform.namespace.login(tmp_path, "reader", role))
    args = arguments(platform.namespace, platform.new, {}, only=["deployment/keeps"], timeout=30)
    result = run_module("cert_probe", {**args, "kubeconfig": config})
    assert result["counts"] == {"proven": 0, "stale": 0, "unverified": 2}
    assert all("pods/portforward" in each["why"] for each in result["probes"])
    config = str(platform.namespace.login(tmp_path, "nobody"))
    result = run_module("cert_probe", {**args, "kubeconfig": config})
    assert loss.not_one_sentence(result) == ""
    assert "list deployments" in result["msg"]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no address": ({"endpoints": ["https://www.example.com"]}, "is not an address"),
    "no port": ({"ports": [70000]}, "allowed is 1 to 65535"),
    "no fingerprint": ({"fingerprint": "sha1:00"}, "64 hexadecimal digits"),
}


@pytest.mark.parametrize(("certificate", "words"), REFUSED.values(), ids=REFUSED)
def test_one_sentence_says_what_is_wrong(platform: Platform, certificate: dict[str, Any], words: str) -> None:
    result = run_module("cert_probe", arguments(platform.namespace, platform.new, certificate))
    assert loss.not_one_sentence(result) == ""
    assert words in result["msg"]
    assert result["state"] == "refused"
