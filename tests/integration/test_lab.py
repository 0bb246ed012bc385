# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab from outside: what is in it, that it repairs itself, and that nothing of it is left."""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import ssl
import time
import urllib.request
from pathlib import Path

import kubernetes
import pytest
from cryptography import x509

from lab import __main__ as command
from lab.build import go
from lab.place import HERE, NAMESPACE, LabError
from support.audit import kubernetes_writes, vault_writes
from support.lab import Lab
from support.processes import wait_until
from support.route import Route

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab(breakable_lab: Lab) -> Lab:
    return breakable_lab


def test_all_of_the_platform_runs(lab: Lab) -> None:
    pods = lab.get("pods", "-n", NAMESPACE)["items"]
    services = {"api-gateway", "core-engine", "report-api", "stream-api"}
    assert {pod["metadata"]["labels"]["app"] for pod in pods} == {*services, "redis"}
    assert all(status["ready"] for pod in pods for status in pod["status"]["containerStatuses"])
    (node,) = lab.get("nodes")["items"]
    assert node["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.34.")


def test_a_service_is_reached_by_its_name_and_uses_the_others(lab: Lab) -> None:
    lab.run("kubectl", "create", "namespace", "visitor")
    try:
        sleep = ["--restart=Never", "--image=localhost/debug:1", "--command", "--", "sleep", "300"]
        lab.run("kubectl", "run", "visitor", "-n", "visitor", *sleep)
        lab.run("kubectl", "wait", "-n", "visitor", "--for=condition=Ready", "pod/visitor", "--timeout=60s")
        url = f"https://api-gateway.{NAMESPACE}:8443/quote?symbol=LAB"
        asked = ["kubectl", "exec", "-n", "visitor", "visitor", "--", "curl", "-sSk", url]
        assert json.loads(lab.run(*asked))["source"] == "upstream"
        assert json.loads(lab.run(*asked))["source"] == "cache"
    finally:
        lab.run("kubectl", "delete", "pod", "visitor", "-n", "visitor", "--now")
        lab.run("kubectl", "delete", "namespace", "visitor")


def certificate(lab: Lab, secret: str) -> x509.Certificate:
    data = lab.get("secret", secret, "-n", NAMESPACE)["data"]
    return x509.load_pem_x509_certificate(base64.b64decode(data["tls.crt"]))


def test_certificates_come_from_cert_manager_and_from_vault(lab: Lab) -> None:
    issued = {name: certificate(lab, f"{name}-tls").issuer.rfc4514_string() for name in ("api-gateway", "core-engine")}
    assert issued == {"api-gateway": "CN=lab services", "core-engine": "CN=lab issuing"}
    issuers = lab.get("clusterissuers")["items"]
    assert {issuer["metadata"]["name"] for issuer in issuers} == {"lab-ca", "self-signed", "vault"}
    assert all(issuer["status"]["conditions"][0]["status"] == "True" for issuer in issuers)


def hashed(lab: Lab, value: str) -> str:
    """Return what Vault's audit log has in the place of a secret value."""
    root = json.loads((lab.state / "vault-keys.json").read_text())["root_token"]
    return str(lab.ask_vault("sys/audit-hash/file", root, input=value)[1]["data"]["hash"])


def test_the_login_for_runbooks_may_sign_and_no_more(lab: Lab) -> None:
    _code, logged_in = lab.vault_login()
    token = logged_in["auth"]["client_token"]
    accessor = logged_in["auth"]["accessor"]
    # Who may sign is told that this is no request for a certificate; who may not, that it is forbidden.
    assert lab.ask_vault("pki_int/sign/market-intel", token, csr="none", common_name="a")[0] == 400
    assert lab.ask_vault("pki_int/issue/market-intel", token, common_name="a")[0] == 403
    assert lab.ask_vault("kv/data/others", token, data={"a": "b"})[0] == 403
    audit = (lab.state / "audit" / "vault.log").read_text()
    assert '"path":"pki_int/issue/market-intel"' in audit
    assert token not in audit
    writes = vault_writes(lab.state / "audit" / "vault.log", hashed(lab, accessor))
    paths = [write.partition(" ")[2] for write in writes]
    assert paths == ["pki_int/sign/market-intel", "pki_int/issue/market-intel", "kv/data/others"]


def test_the_audit_log_tells_what_a_run_could_have_changed(lab: Lab) -> None:
    run_id = "20261123t101500z-check-certs-7f3a"
    with kubernetes.config.new_client_from_config(str(lab.state / "kubeconfig")) as client:
        client.user_agent = f"market_intel.runbooks/{run_id}"
        core = kubernetes.client.CoreV1Api(client)
        example = {"metadata": {"generateName": "example-"}}
        core.list_namespaced_secret(NAMESPACE)
        core.create_namespaced_config_map(NAMESPACE, example, dry_run="All")
        review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
        kubernetes.client.AuthorizationV1Api(client).create_self_subject_access_review(review)
        log = lab.state / "audit" / "kubernetes.log"
        # A later request of somebody else's is on record only after all before it.
        lab.run("kubectl", "get", "namespaces")
        assert kubernetes_writes(log, run_id) == []
        made = core.create_namespaced_config_map(NAMESPACE, example)
        core.delete_namespaced_config_map(made.metadata.name, NAMESPACE)
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
    wait_until(lambda: len(kubernetes_writes(log, run_id)) == 2, 10, "the audit log")
    assert kubernetes_writes(log, run_id) == [f"create {path}", f"delete {path}/{made.metadata.name}"]


def test_prometheus_sees_the_services(lab: Lab) -> None:
    url = lab.variables()["PROMETHEUS_URL"] + "/api/v1/query?query=sum(up)by(job)"

    def all_are_up() -> bool:
        with urllib.request.urlopen(url) as reply:
            found = json.loads(reply.read())["data"]["result"]
        return {each["metric"]["job"]: each["value"][1] for each in found} == {"api-gateway": "2", "core-engine": "2"}

    wait_until(all_are_up, 30, "all pods to be scraped", 0.5)


def test_the_example_rules_and_the_example_configuration_are_those_of_the_lab(lab: Lab) -> None:
    with urllib.request.urlopen(lab.variables()["PROMETHEUS_URL"] + "/api/v1/rules") as reply:
        groups = json.loads(reply.read())["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == 17
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    with urllib.request.urlopen(lab.variables()["ALERTMANAGER_URL"] + "/api/v2/receivers") as reply:
        assert {each["name"] for each in json.loads(reply.read())} == {"people", "runbooks"}


@pytest.mark.parametrize("part", ["cert-manager", "kube-apiserver", "kube-scheduler", "containerd"])
def test_a_part_that_is_killed_comes_back(lab: Lab, part: str) -> None:
    before, restarts = lab.pid(part), restarts_of(lab, part)
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: restarts_of(lab, part) > restarts and state_of(lab, part) == "ready", 60, part, 0.2)
    assert lab.pid(part) != before
    assert f"{part} " in lab.run("status")


def restarts_of(lab: Lab, part: str) -> int:
    return int(json.loads((lab.state / "status.json").read_text())[part]["restarts"])


def state_of(lab: Lab, part: str) -> str:
    return str(json.loads((lab.state / "status.json").read_text())[part]["state"])


def test_a_vault_that_has_forgotten_everything_is_filled_again(lab: Lab) -> None:
    before = lab.variables()["VAULT_ROLE_ID"]
    os.kill(lab.pid("vault"), signal.SIGKILL)
    wait_until(lambda: lab.variables()["VAULT_ROLE_ID"] != before, 60, "new roles", 0.2)
    lab.run("up")
    assert lab.vault_login()[0] == 200
    lab.run("kubectl", "apply", "-n", NAMESPACE, "-f", "-", content=_BY_VAULT)
    lab.run("kubectl", "wait", "-n", NAMESPACE, "--for=condition=Ready", "certificate/by-vault", "--timeout=60s")
    lab.run("kubectl", "delete", "-n", NAMESPACE, "certificate/by-vault", "secret/by-vault")


_BY_VAULT = """
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: by-vault}
spec: {secretName: by-vault, commonName: by-vault, dnsNames: [by-vault], issuerRef: {kind: ClusterIssuer, name: vault}}
"""


def test_another_up_finds_the_lab(lab: Lab) -> None:
    supervisor = (lab.state / "supervisor.pid").read_text()
    lab.run("up")
    assert (lab.state / "supervisor.pid").read_text() == supervisor


def test_a_second_lab_is_another_one_and_leaves_nothing(lab: Lab, tmp_path: Path) -> None:
    other = Lab(tmp_path / "other")
    try:
        other.run("up")
        assert other.variables()["VAULT_ADDR"] != lab.variables()["VAULT_ADDR"]
        other.run("kubectl", "create", "namespace", "only-there")
        assert "only-there" not in lab.run("kubectl", "get", "namespaces")
        # One that is interrupted at any moment can be ended, and another one can begin in its place.
        chooser = random.Random(1)
        for _attempt in range(3):
            other.run("down")
            assert other.leftovers() == []
            with other.start("up") as process:
                time.sleep(chooser.uniform(0, 10))
                process.send_signal(chooser.choice([signal.SIGINT, signal.SIGKILL]))
    finally:
        other.run("down")
    assert other.leftovers() == []
    assert lab.get("pods", "-n", NAMESPACE)["items"]


def test_the_service_that_runs_in_its_pods_passes_its_own_tests() -> None:
    assert "ok" in go("test", "./...", folder=HERE / "service")


def test_who_is_not_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match=r"needs root.*; run it as root"):
        command.check_machine()


def test_down_without_a_lab_is_fine(tmp_path: Path) -> None:
    nothing = Lab(tmp_path / "none")
    nothing.run("down")
    assert nothing.run("status") == "the lab is down\n"
    with pytest.raises(RuntimeError, match="The lab is not up; run make lab-up first"):
        nothing.run("env")


def served(lab: Lab, app: str) -> int:
    """Return the serial number of the certificate that a pod of a service shows."""
    pod = lab.get("pods", "-n", NAMESPACE, "-l", f"app={app}")["items"][0]
    with Route(lab, pod["status"]["podIP"], 8443) as route:
        return x509.load_pem_x509_certificate(
            ssl.get_server_certificate(("127.0.0.1", route.port)).encode()
        ).serial_number


def test_consumers_see_a_new_certificate_each_in_their_own_way(lab: Lab) -> None:
    consumers = ("api-gateway", "report-api", "stream-api")
    old = certificate(lab, "api-gateway-tls").serial_number
    assert {served(lab, app) for app in consumers} == {old}
    lab.run("kubectl", "delete", "secret", "api-gateway-tls", "-n", NAMESPACE)
    wait_until(lambda: new_serial(lab, old) > 0, 60, "the new certificate", 0.5)
    new = new_serial(lab, old)
    wait_until(lambda: served(lab, "api-gateway") == new, 150, "the service that re-reads its files", 1)
    assert {served(lab, app) for app in consumers[1:]} == {old}
    lab.run("kubectl", "rollout", "restart", "-n", NAMESPACE, *(f"deployment/{app}" for app in consumers[1:]))
    for app in consumers[1:]:
        lab.run("kubectl", "rollout", "status", "-n", NAMESPACE, f"deployment/{app}", "--timeout=60s")
        running = ["pods", "-n", NAMESPACE, "-l", f"app={app}"]
        wait_until(lambda which=running: len(lab.get(*which)["items"]) == 1, 60, "the end of the old pod", 0.5)
        assert served(lab, app) == new


def new_serial(lab: Lab, old: int) -> int:
    """Return the serial number in the Secret, or 0 as long as there is no other than before."""
    try:
        found = certificate(lab, "api-gateway-tls").serial_number
    except (RuntimeError, KeyError):
        return 0
    return found if found != old else 0
