# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restarts of the consumers of a Secret in a real Kubernetes: nobody notices them, and a bad one is the last."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from support import loss
from support.ansible import run_module, start_module
from support.audit import kubernetes_writes
from support.handshakes import (
    Handshakes,
    issue,
    issue_again,
    service_address,
    stored_pem,
    tls_deployment,
    tls_service,
    wait_rolled_out,
    workload,
)
from support.lab import Lab
from support.pods import IMAGE, Namespace
from support.processes import wait_until

pytestmark = pytest.mark.lab
GOOD, BAD = "a" * 64, "b" * 64
ANNOTATION = "market-intel.runbooks/tls-fragile-tls"
AUDIT = "audit/kubernetes.log"


@pytest.fixture(scope="module")
def namespace(lab: Lab) -> Iterator[Namespace]:
    with Namespace(lab) as namespace:
        yield namespace


def arguments(namespace: Namespace, secret: str, fingerprint: str, **options: Any) -> dict[str, Any]:
    return {
        "kubeconfig": str(namespace.lab.state / "kubeconfig"),
        "namespace": namespace.name,
        "secrets": [{"name": secret, "fingerprint": fingerprint}],
        "timeout": 120,
        **options,
    }


def states(result: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["state"] for each in result["workloads"]}


def generation(namespace: Namespace, name: str) -> int:
    return int(namespace.lab.get("deployment", name, "-n", namespace.name)["metadata"]["generation"])


def test_no_client_notices_a_restart_and_a_second_run_changes_nothing(namespace: Namespace, lab: Lab) -> None:
    before = issue(namespace, "web")
    namespace.apply(
        tls_deployment("web", "web-tls"),
        tls_deployment("web-hot", "web-tls", annotations={"market-intel.runbooks/reload": "hot"}, replicas=1),
        tls_service("web"),
    )
    wait_rolled_out(namespace, "deployment/web", "deployment/web-hot")
    hot = generation(namespace, "web-hot")
    name, ca_cert = f"web.{namespace.name}.svc", stored_pem(lab, namespace.name, "web-tls", "ca.crt")
    address = service_address(lab, namespace.name, "web")
    with Handshakes(namespace, address, server_name=name, ca_cert=ca_cert) as handshakes:
        after = issue_again(namespace, "web")
        args = arguments(namespace, "web-tls", after, lease="restart-test")

        checked = run_module("rollout_restart", args, check=True)
        assert (checked["state"], checked["changed"], states(checked)["web"]) == ("planned", True, "restarted")
        assert kubernetes_writes(lab.state / AUDIT, checked["run_id"]) == []
        assert handshakes.latest() == {before}

        result = run_module("rollout_restart", args)
        assert (result["state"], result["changed"]) == ("done", True), result
        assert states(result) == {"web": "restarted", "web-hot": "hot"}
        assert sorted(checked) == sorted(result)
        assert len(kubernetes_writes(lab.state / AUDIT, result["run_id"])) >= 2
        # Endpoints of pods that end are taken out a moment after the rollout is complete.
        wait_until(lambda: handshakes.latest() == {after}, 30, "the new certificate alone")

        again = run_module("rollout_restart", {**args, "run_id": result["run_id"]})
        assert (again["state"], again["changed"], states(again)["web"]) == ("unchanged", False, "current")
    assert handshakes.failures == []
    assert handshakes.fingerprints() == [before, after]
    assert generation(namespace, "web-hot") == hot


@pytest.fixture
def fragile(namespace: Namespace) -> Iterator[Namespace]:
    """Yield two consumers of one Secret; the first never becomes ready for the certificate BAD."""
    namespace.secret("fragile-tls", **{"tls.crt": "x", "tls.key": "x"})
    script = f'port=6379; [ "$FOR" = sha256:{BAD} ] && port=6380; exec redis-server --protected-mode no --port $port'
    source = {"fieldRef": {"fieldPath": f"metadata.annotations['{ANNOTATION}']"}}
    container = {
        "name": "redis",
        "image": IMAGE,
        "command": ["sh", "-c", script],
        "env": [{"name": "FOR", "valueFrom": source}],
        "readinessProbe": {"tcpSocket": {"port": 6379}, "periodSeconds": 1},
        "volumeMounts": [{"name": "tls", "mountPath": "/tls"}],
    }
    pod = {
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "tls", "secret": {"secretName": "fragile-tls"}}],
    }
    names = ("a-fragile", "b-after")
    steady = {**pod, "containers": [{**container, "command": ["redis-server", "--protected-mode", "no"], "env": []}]}
    namespace.apply(workload(names[0], pod), workload(names[1], steady))
    wait_rolled_out(namespace, *(f"deployment/{name}" for name in names))
    yield namespace
    namespace.delete("deployment", *names)


def test_a_rollout_that_never_becomes_ready_is_the_last_and_can_be_undone(fragile: Namespace) -> None:
    other = generation(fragile, "b-after")
    started = time.monotonic()
    result = run_module("rollout_restart", arguments(fragile, "fragile-tls", BAD, timeout=12))
    assert time.monotonic() - started < 60
    assert result["failed"]
    assert result["changed"]
    assert loss.not_one_sentence(result) == ""
    assert "deployment/a-fragile" in result["msg"]
    assert "not finished after 12 s" in result["msg"]
    assert "container redis: not ready" in result["msg"]
    assert states(result) == {"a-fragile": "failed", "b-after": "skipped"}
    assert generation(fragile, "b-after") == other

    # What Kubernetes itself has given up is not waited for.
    fragile.patch("deployment", "a-fragile", {"spec": {"progressDeadlineSeconds": 2}})
    started = time.monotonic()
    result = run_module("rollout_restart", arguments(fragile, "fragile-tls", BAD))
    assert time.monotonic() - started < 60
    assert "ProgressDeadlineExceeded" in result["msg"]
    assert not result["changed"]

    undone = run_module("rollout_restart", arguments(fragile, "fragile-tls", GOOD, only_restarted=True))
    assert states(undone) == {"a-fragile": "restarted", "b-after": "skipped"}, undone
    assert generation(fragile, "b-after") == other


def test_a_killed_run_is_continued_without_a_second_restart(fragile: Namespace) -> None:
    fragile.patch("deployment", "a-fragile", {"spec": {"minReadySeconds": 20}})
    wait_rolled_out(fragile, "deployment/a-fragile")
    first, second = generation(fragile, "a-fragile"), generation(fragile, "b-after")
    args = arguments(fragile, "fragile-tls", GOOD)
    with start_module("rollout_restart", args) as module:
        wait_until(lambda: generation(fragile, "a-fragile") > first, 30, "the first restart", 0.1)
        module.signal(signal.SIGTERM)
        stopped = module.wait(30).result
    assert (stopped["state"], states(stopped)) == ("interrupted", {"a-fragile": "pending", "b-after": "skipped"})
    result = run_module("rollout_restart", args)
    assert states(result) == {"a-fragile": "current", "b-after": "restarted"}
    # Its rollout was under way, and was waited for.
    assert next(each for each in result["workloads"] if each["name"] == "a-fragile")["seconds"] > 0
    assert (generation(fragile, "a-fragile"), generation(fragile, "b-after")) == (first + 1, second + 1)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no such workload": ({"only": ["deployment/nothing"]}, "deployment/nothing in only"),
    "a fingerprint that is none": ({"secrets": [{"name": "x", "fingerprint": "12:34"}]}, "64 hexadecimal digits"),
    "an override that is none": ({"overrides": {"api-gateway": "hot"}}, "a kind and a name"),
    "no batch": ({"serial": 0}, "allowed is 1 or more"),
}


@pytest.mark.parametrize(("options", "words"), REFUSED.values(), ids=REFUSED)
def test_one_sentence_says_what_is_wrong(namespace: Namespace, options: dict[str, Any], words: str) -> None:
    result = run_module("rollout_restart", {**arguments(namespace, "fragile-tls", GOOD), **options})
    assert loss.not_one_sentence(result) == ""
    assert words in result["msg"]
    assert (result["state"], result["changed"]) == ("refused", False)
