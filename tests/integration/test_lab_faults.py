# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults that tests can cause in front of the real API server and the real Vault, and in their parts."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import yaml

from lab.place import NAMESPACE
from support.ansible import run_module
from support.faults import HttpFaults, move_clock
from support.lab import Lab
from support.pods import Namespace
from support.processes import wait_until
from support.tls import make_certificates

pytestmark = pytest.mark.lab
RULE = {"apiGroups": [""], "resources": ["configmaps", "pods", "secrets"], "verbs": ["*"]}
TUNNEL = {"apiGroups": [""], "resources": ["pods/portforward"], "verbs": ["get", "create"]}


@pytest.fixture(scope="module")
def lab(breakable_lab: Lab) -> Lab:
    return breakable_lab


@pytest.fixture(scope="module")
def namespace(lab: Lab) -> Iterator[Namespace]:
    with Namespace(lab) as namespace:
        yield namespace


@pytest.fixture
def faults(lab: Lab, namespace: Namespace, tmp_path: Path) -> Iterator[HttpFaults]:
    cluster = yaml.safe_load((lab.state / "kubeconfig").read_text())["clusters"][0]["cluster"]
    authority = tmp_path / "upstream.pem"
    authority.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    with HttpFaults(cluster["server"], ca_cert=authority, certificates=make_certificates(tmp_path)) as faults:
        yield faults


@pytest.fixture
def token(namespace: Namespace, tmp_path: Path) -> str:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "all"},
        "rules": [RULE, TUNNEL],
    }
    config = namespace.login(tmp_path, "user", role)
    return str(yaml.safe_load(config.read_text())["users"][0]["user"]["token"])


@pytest.fixture
def core(faults: HttpFaults, token: str, tmp_path: Path) -> kubernetes.client.CoreV1Api:
    configuration = kubernetes.client.Configuration()
    configuration.host = faults.url
    configuration.ssl_ca_cert = str(tmp_path / "ca.crt")
    configuration.api_key = dict.fromkeys(("BearerToken", "authorization"), f"Bearer {token}")
    configuration.retries = False
    return kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(configuration))


def content(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": {"key": "value"}}


@pytest.mark.parametrize("status", [409, 429, 500])
def test_it_answers_instead_of_the_api_server(
    core: kubernetes.client.CoreV1Api, faults: HttpFaults, namespace: Namespace, status: int
) -> None:
    fault = faults.answer(status, method="POST", path="/configmaps", headers={"Retry-After": "2"})
    with pytest.raises(kubernetes.client.ApiException) as raised:
        core.create_namespaced_config_map(namespace.name, content(f"refused-{status}"))
    assert (raised.value.status, raised.value.headers["Retry-After"], fault.struck) == (status, "2", 1)
    with pytest.raises(kubernetes.client.ApiException, match="404"):
        core.read_namespaced_config_map(f"refused-{status}", namespace.name)
    # It struck once, as it was told.
    core.create_namespaced_config_map(namespace.name, content(f"refused-{status}"))


def test_a_cut_hides_what_was_done(core: kubernetes.client.CoreV1Api, faults: HttpFaults, namespace: Namespace) -> None:
    faults.cut(method="POST", path="/configmaps")
    with pytest.raises(Exception, match=r"Connection|aborted|EOF"):
        core.create_namespaced_config_map(namespace.name, content("cut"))
    assert core.read_namespaced_config_map("cut", namespace.name).data == {"key": "value"}


def test_it_hangs(core: kubernetes.client.CoreV1Api, faults: HttpFaults, namespace: Namespace) -> None:
    faults.hang(path="/configmaps")
    started = time.monotonic()
    with pytest.raises(Exception, match="timed out"):
        core.list_namespaced_config_map(namespace.name, _request_timeout=1)
    assert time.monotonic() - started < 10
    assert core.list_namespaced_config_map(namespace.name).items


def test_the_clock_of_the_api_server_is_moved(
    core: kubernetes.client.CoreV1Api, faults: HttpFaults, namespace: Namespace
) -> None:
    faults.rewrite(move_clock(3600))
    _pods, _status, headers = core.list_namespaced_pod_with_http_info(namespace.name)
    assert 3500 < parsedate_to_datetime(headers["Date"]).timestamp() - time.time() < 3700


def test_a_watch_and_a_port_forward_pass(
    core: kubernetes.client.CoreV1Api,
    faults: HttpFaults,
    namespace: Namespace,
    token: str,
    tmp_path: Path,
) -> None:
    watch = kubernetes.watch.Watch()
    core.create_namespaced_config_map(namespace.name, content("seen"))
    events = watch.stream(core.list_namespaced_config_map, namespace.name, timeout_seconds=5)
    assert "seen" in [event["object"].metadata.name for event in events]
    namespace.start_redis("cache", labels={"app": "cache"})
    namespace.wait_for("cache")
    login = {"host": faults.url, "api_key": token, "ca_cert": str(tmp_path / "ca.crt")}
    kubernetes_option = {"namespace": namespace.name, "selector": "app=cache", **login}
    result = run_module("redis_cache_info", {"kubernetes": kubernetes_option, "patterns": ["market:data:*"]})
    assert result["server"]["role"] == "primary"


def test_vault_is_told_from_its_clock(lab: Lab) -> None:
    with HttpFaults(lab.variables()["VAULT_ADDR"]) as faults:
        faults.rewrite(move_clock(-3600), path="/sys/health")
        faults.answer(500, path="/auth/approle/login")
        with urllib.request.urlopen(f"{faults.url}/v1/sys/health", timeout=10) as reply:
            health = json.load(reply)
        assert 3500 < time.time() - health["server_time_utc"] < 3700
        with pytest.raises(urllib.error.HTTPError, match="500"):
            urllib.request.urlopen(f"{faults.url}/v1/auth/approle/login", data=b"{}", timeout=10)


def test_a_paused_controller_issues_nothing_until_it_goes_on(lab: Lab, namespace: Namespace) -> None:
    with lab.paused("cert-manager"):
        namespace.order_certificate("late", f"late.{NAMESPACE}.svc")
        time.sleep(3)
        assert "status" not in lab.get("certificate", "late", "-n", namespace.name)
    namespace.wait_ready("certificate", "late")


def test_a_sealed_vault_refuses_all_and_comes_back(lab: Lab) -> None:
    with lab.sealed_vault():
        assert lab.vault_login()[0] == 503
    code, content = lab.vault_login()
    assert code == 200
    assert content["auth"]["client_token"]


def test_a_static_pod_runs_by_its_file(lab: Lab) -> None:
    manifest = lab.state / "static-pods" / "lonely.json"
    container = {"name": "lonely", "image": "localhost/debug:1", "command": ["sleep", "600"]}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "lonely"}, "spec": spec}))
    try:
        wait_until(lambda: "lonely-lab" in static_pods(lab), 60, "the static pod", 0.5)
    finally:
        manifest.unlink()
    wait_until(lambda: static_pods(lab) == [], 60, "the end of the static pod", 0.5)


def static_pods(lab: Lab) -> list[str]:
    pods = lab.get("pods", "-n", "default")["items"]
    return [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running"]
